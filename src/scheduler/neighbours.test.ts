import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MachineHarness, peerId, SNAPSHOT } from './machine-harness.ts';
import type { Member } from './state.ts';

function members(machine: MachineHarness): Member[] {
  return [...(machine.state.swarms.get(SNAPSHOT)?.members.values() ?? [])];
}

/** The most hops from one member to any other; Infinity where one can't be reached. */
function eccentricity(all: readonly Member[], from: Member): number {
  const seen = new Set([from]);
  let edge = [from];
  let hops = 0;
  while (seen.size < all.length) {
    edge = edge.flatMap((member) => [...member.links]).filter((member) => !seen.has(member));
    if (edge.length === 0) return Infinity;
    for (const member of edge) seen.add(member);
    edge = [...new Set(edge)];
    hops += 1;
  }
  return hops;
}

/** Symmetric, without self. */
function checkLinks(all: readonly Member[]): void {
  for (const member of all) {
    assert.equal(member.links.has(member), false);
    for (const other of member.links) assert.equal(other.links.has(member), true);
  }
}

describe('neighbours', () => {
  it('are all members in a small swarm', () => {
    const machine = new MachineHarness();
    for (let number = 1; number <= 13; number += 1) {
      machine.enter(number, { zone: `z${number % 3}` });
      const [message, ...rest] = machine.sent('neighbours');
      assert.equal(message?.to, peerId(number));
      assert.equal(message.peers.length, number - 1);
      const far = message.peers.filter(({ zone }) => zone !== `z${number % 3}`);
      const told = rest.map(({ to, peers }) => ({ to, peers: peers.map(({ id }) => id) }));
      assert.deepEqual(
        told,
        far.map(({ id }) => ({ to: id, peers: [peerId(number)] })),
        'only the joiner is told, and those in other zones of it',
      );
    }
  });

  it('are twelve in a large one, spread so that no member is far or overloaded', () => {
    const machine = new MachineHarness();
    for (let number = 1; number <= 3_000; number += 1) {
      machine.enter(number);
      assert.equal(machine.sent('neighbours')[0]?.peers.length, Math.min(number - 1, 12));
    }
    const all = members(machine);
    checkLinks(all);
    const degrees = all.map(({ links }) => links.size);
    assert.equal(Math.min(...degrees), 12);
    assert.equal(Math.max(...degrees) <= 32, true, `at most ${Math.max(...degrees)}`);
    const [first] = all;
    const last = all.at(-1);
    assert.ok(first && last);
    const hops = Math.max(eccentricity(all, first), eccentricity(all, last));
    assert.equal(hops <= 5, true, `${hops} hops`);
  });

  it('are of the own zone but four, and the zones hang together', () => {
    const machine = new MachineHarness();
    for (let number = 1; number <= 600; number += 1) machine.enter(number, { zone: `r/z${number % 3}/rack` });
    const all = members(machine);
    for (let number = 601; number <= 660; number += 1) {
      machine.enter(number, { zone: `r/z${number % 3}/other rack` });
      const zones = machine.sent('neighbours')[0]?.peers.map(({ zone }) => zone.slice(0, 4)) ?? [];
      assert.equal(zones.length, 12);
      assert.equal(zones.filter((zone) => zone !== `r/z${number % 3}`).length, 4);
    }
    const [first] = all;
    assert.ok(first);
    assert.equal(eccentricity(members(machine), first) <= 6, true);
  });

  it('are all members of a small zone, and four of others', () => {
    const machine = new MachineHarness();
    for (let number = 1; number <= 60; number += 1) machine.enter(number, { zone: `z${number % 3}` });
    for (const member of members(machine)) {
      const near = [...member.links].filter(({ zone }) => zone === member.zone);
      assert.equal(near.length, 19);
      assert.ok(member.links.size >= 19 + 4);
    }
  });

  it('come from other zones where the own has too few', () => {
    const machine = new MachineHarness();
    for (let number = 1; number <= 40; number += 1) machine.enter(number, { zone: 'a' });
    machine.enter(41, { zone: 'b' });
    assert.equal(machine.sent('neighbours')[0]?.peers.length, 12);
  });

  it('include a seed, until seeds have 200 links; no seed is chosen beyond 60 otherwise', () => {
    const machine = new MachineHarness();
    for (const number of [1, 2]) machine.enter(number, { role: 'seed', zone: `z${number}` });
    for (let number = 3; number <= 402; number += 1) {
      machine.enter(number, { zone: `z${1 + (number % 2)}` });
      const seeds = machine.sent('neighbours')[0]?.peers.filter(({ role }) => role === 'seed') ?? [];
      const room = members(machine).some(({ isSeed, links }) => isSeed && links.size < 200);
      assert.equal(seeds.length >= 1 || !room, true, `member ${number}`);
    }
    const [first, second] = members(machine).filter(({ isSeed }) => isSeed);
    assert.equal((first?.links.size ?? 0) <= 200 && (second?.links.size ?? 0) <= 200, true);
    assert.equal((first?.links.size ?? 0) + (second?.links.size ?? 0) >= 390, true);
  });

  it('of a seed that comes late are sixty', () => {
    const machine = new MachineHarness();
    for (let number = 1; number <= 200; number += 1) machine.enter(number);
    machine.enter(201, { role: 'seed' });
    assert.equal(machine.sent('neighbours')[0]?.peers.length, 60);
  });

  it('are replaced for those who lost more than half of them', () => {
    const machine = new MachineHarness();
    for (let number = 1; number <= 100; number += 1) machine.enter(number);
    const told = new Set<string>();
    for (let number = 1; number <= 80; number += 1) {
      machine.gone(number);
      for (const { to, peers } of machine.sent('neighbours')) {
        told.add(to);
        assert.equal(peers.length >= 12, true);
      }
      for (const member of members(machine)) {
        assert.equal(member.links.size >= Math.min(6, (members(machine).length - 1) / 2), true);
      }
    }
    assert.equal(told.size > 0, true);
    checkLinks(members(machine));
  });

  it('stay the same for a member that joins again', () => {
    const machine = new MachineHarness();
    for (let number = 1; number <= 50; number += 1) machine.enter(number);
    const before = machine.sent('neighbours')[0]?.peers;
    machine.join(50);
    assert.deepEqual(machine.sent('neighbours')[0]?.peers, before);
  });

  it('are chosen alike from the same seed', () => {
    const run = (rngSeed: number) => {
      const machine = new MachineHarness({ rngSeed });
      return Array.from({ length: 60 }, (_, number) => machine.enter(number));
    };
    assert.deepEqual(run(7), run(7));
    assert.notDeepEqual(run(7), run(8));
  });
});
