// Who exchanges with whom: an almost regular random graph inside each zone, a few links between zones, and a seed for
// everybody while seeds have room.
//
// Always linking to the members of lowest degree would make a ring: the newest have the lowest, so each joiner would
// link to the twelve before it, and pieces would travel N/24 hops. So candidates are drawn at random, two for
// each link wanted, and the less loaded half is taken: degrees stay level and distances stay log N. Measured at
// N = 10,000: degrees 12–31, median 27, at most 5 hops (one draw a link: 12–38, 5 hops; three: 12–28, 6 hops).
// A choice costs O(degree), whatever N. Measured at N = 10,000 with 8,000 pieces, 3 zones, 3 seeds, one core: 21,000
// joins a second of members with nothing, 17,000 with everything, 10,000 with half; 1 message each; a tick 1.5 ms.

import type { Roster } from './roster.ts';
import { link } from './seating.ts';
import type { Member, Step, Swarm } from './state.ts';

/** Candidates drawn for each link wanted; see above. */
const DRAWS_PER_LINK = 2;

/** Least draw: small choices see enough candidates to skip those that don't fit. */
const MIN_DRAW = 16;

/**
 * Fills up a member's links and tells it all of its neighbours. New ones in other zones are told of it, too: both ends
 * of a link must know that it leads to another zone.
 */
export function connect(step: Step, swarm: Swarm, member: Member): void {
  const chosen = choose(step, swarm, member);
  for (const other of chosen) link(member, other);
  tell(step, swarm, member, [...member.links]);
  for (const other of chosen) if (other.zone !== member.zone) tell(step, swarm, other, [member]);
}

function tell(step: Step, swarm: Swarm, member: Member, neighbours: readonly Member[]): void {
  const peers = neighbours.map(({ peer }) => peer.info);
  step.effects.push({ kind: 'neighbours', to: member.peer.info.id, snapshot: swarm.id, peers });
}

/** Fills up those that the loss of a link left with less than half of what they should have. */
export function reconnect(step: Step, swarm: Swarm, bereft: readonly Member[]): void {
  const target = Math.min(step.state.limits.degree, swarm.members.size - 1);
  for (const member of bereft) {
    if (member.links.size * 2 < target) connect(step, swarm, member);
  }
}

function choose(step: Step, swarm: Swarm, member: Member): Member[] {
  const { limits } = step.state;
  const others = swarm.members.size - 1;
  const target = Math.min(member.isSeed ? limits.seedDegree : degreeOf(step, swarm, member), others);
  const choice = new Choice(step, member, target - member.links.size);
  if (others <= limits.degree) {
    choice.take(swarm.all, others, () => true);
    return choice.chosen;
  }
  promiseSeed(step, swarm, member, choice);
  reachOtherZones(step, swarm, member, choice);
  const zone = swarm.zones.get(member.zone)?.members;
  if (zone) choice.take(zone, choice.wanted, hasRoom(step));
  choice.take(swarm.all, choice.wanted, hasRoom(step));
  return choice.chosen;
}

/** In a small zone all are linked with all: then they agree on who brings in what from other zones. */
function degreeOf({ state: { limits } }: Step, swarm: Swarm, member: Member): number {
  const near = swarm.zones.get(member.zone)?.members.size ?? 0;
  const isWhole = swarm.zones.size > 1 && near <= 2 * limits.degree;
  return isWhole ? Math.max(limits.degree, near - 1 + limits.interZoneLinks) : limits.degree;
}

/** Up to which load a member is chosen: seeds have a limit of their own, peers four times what they asked for. */
function hasRoom({ state: { limits } }: Step): (member: Member) => boolean {
  return ({ isSeed, links }) => links.size < (isSeed ? limits.seedDegree : 4 * limits.degree);
}

function promiseSeed({ state: { limits } }: Step, swarm: Swarm, member: Member, choice: Choice): void {
  for (const other of member.links) if (other.isSeed) return;
  const hasPlace = (seed: Member) => seed.links.size < limits.seedDegreeMax;
  choice.take(swarm.seeds, 1, (seed) => seed.zone === member.zone && hasPlace(seed));
  if (choice.chosen.length === 0) choice.take(swarm.seeds, 1, hasPlace);
}

function reachOtherZones(step: Step, swarm: Swarm, member: Member, choice: Choice): void {
  const { limits, random } = step.state;
  if (swarm.zones.size < 2) return;
  const scale = member.isSeed ? limits.seedDegree / limits.degree : 1;
  let links = Math.round(limits.interZoneLinks * scale);
  for (const other of [...member.links, ...choice.chosen]) if (other.zone !== member.zone) links -= 1;
  // One spare draw, in case one is the own zone.
  const zones = swarm.zoneRoster
    .sample(Math.max(0, links) + 1, random)
    .filter(({ key }) => key !== member.zone);
  for (const [at, { members }] of zones.entries()) {
    if (links <= 0) return;
    links -= choice.take(members, Math.ceil(links / (zones.length - at)), hasRoom(step));
  }
}

/** The links that one member gets. */
class Choice {
  readonly chosen: Member[] = [];
  readonly #step: Step;
  readonly #member: Member;
  #wanted: number;

  constructor(step: Step, member: Member, wanted: number) {
    this.#step = step;
    this.#member = member;
    this.#wanted = Math.max(0, wanted);
  }

  /** Links still to be found. */
  get wanted(): number {
    return this.#wanted;
  }

  /** Takes up to `count` of a random draw that fit, least loaded first; how many it took. */
  take(roster: Roster<Member>, count: number, fits: (member: Member) => boolean): number {
    const most = Math.min(count, this.#wanted);
    if (most <= 0) return 0;
    const draw = Math.max(MIN_DRAW, DRAWS_PER_LINK * most) + this.#member.links.size;
    const found = roster
      .sample(draw, this.#step.state.random)
      .filter((candidate) => this.#isNew(candidate) && fits(candidate))
      .toSorted((left, right) => this.#load(left) - this.#load(right))
      .slice(0, most);
    this.chosen.push(...found);
    this.#wanted -= found.length;
    return found.length;
  }

  #isNew(candidate: Member): boolean {
    return (
      candidate !== this.#member && !this.#member.links.has(candidate) && !this.chosen.includes(candidate)
    );
  }

  /** Links against what such a member is meant to have. */
  #load({ isSeed, links }: Member): number {
    const { degree, seedDegree } = this.#step.state.limits;
    return links.size / (isSeed ? seedDegree : degree);
  }
}
