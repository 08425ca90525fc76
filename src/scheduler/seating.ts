// Where members stand: by zone, by role, and linked with each other. Links are symmetric; a member that leaves takes
// its links with it.

import { zoneKey } from '../core/index.ts';
import { Roster } from './roster.ts';
import type { Member, Swarm, Zone } from './state.ts';

/** Puts a member on the rosters that its peer's info names. */
export function seat(swarm: Swarm, member: Member): void {
  const { info } = member.peer;
  member.zone = zoneKey(info);
  member.isSeed = info.role === 'seed';
  swarm.all.add(member);
  if (member.isSeed) swarm.seeds.add(member);
  zoneOf(swarm, member.zone).members.add(member);
}

/** Takes a member off the rosters; its links stay. */
export function unseat(swarm: Swarm, member: Member): void {
  swarm.all.delete(member);
  swarm.seeds.delete(member);
  const zone = zoneOf(swarm, member.zone);
  zone.members.delete(member);
  if (zone.members.size > 0) return;
  swarm.zones.delete(zone.key);
  swarm.zoneRoster.delete(zone);
}

function zoneOf(swarm: Swarm, key: string): Zone {
  const known = swarm.zones.get(key);
  if (known) return known;
  const zone: Zone = { key, members: new Roster() };
  swarm.zones.set(key, zone);
  swarm.zoneRoster.add(zone);
  return zone;
}

export function link(left: Member, right: Member): void {
  left.links.add(right);
  right.links.add(left);
}

/** Cuts all links of a member; those that it was linked with. */
export function unlinkAll(member: Member): Member[] {
  const former = [...member.links];
  for (const other of former) other.links.delete(member);
  member.links.clear();
  return former;
}
