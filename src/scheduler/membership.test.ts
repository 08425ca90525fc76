import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ignoredCounts, peerViews, swarmViews } from './index.ts';
import { held, MachineHarness, PIECES, peerId, peerInfo, SNAPSHOT, snapshotId } from './machine-harness.ts';

describe('membership', () => {
  it('is shown in views', () => {
    const machine = new MachineHarness();
    machine.enter(1, { role: 'seed' });
    machine.enter(2, { held: held(PIECES, 0, 1) });
    const [swarm] = swarmViews(machine.state);
    assert.equal(swarm?.url, 'hf://owner/name');
    assert.deepEqual(swarm?.leases, [{ holder: peerId(1), epoch: 1, pieces: 8, attended: true }]);
    assert.deepEqual(swarm?.members, [
      { peer: peerId(1), role: 'seed', heldCount: 0, complete: false, links: 1 },
      { peer: peerId(2), role: 'peer', heldCount: 2, complete: false, links: 1 },
    ]);
    assert.deepEqual(
      peerViews(machine.state).map(({ info, swarms }) => [info.id, swarms]),
      [
        [peerId(1), 1],
        [peerId(2), 1],
      ],
    );
  });

  it('survives an announce on a new connection, if the swarm is joined again in time', () => {
    const machine = new MachineHarness();
    machine.enter(1);
    machine.enter(2);
    machine.announce(1, 'seed');
    machine.announce(2);
    machine.join(1, { lease: { epoch: 1, spans: [{ start: 0, end: PIECES }] } });
    machine.pass(15_000);
    assert.deepEqual(
      swarmViews(machine.state)[0]?.members.map(({ peer, role }) => [peer, role]),
      [[peerId(1), 'seed']],
    );
  });

  it('survives a correction of the announce', () => {
    const machine = new MachineHarness();
    machine.enter(1);
    machine.send({ kind: 'announce', peer: { ...peerInfo(1), port: 9 }, correction: true });
    machine.pass(15_000);
    assert.equal(swarmViews(machine.state)[0]?.members.length, 1);
    assert.equal(peerViews(machine.state)[0]?.info.port, 9);
  });

  it('of an unknown peer, with a wrong bitfield or another piece count is ignored and counted', () => {
    const machine = new MachineHarness();
    assert.deepEqual(machine.join(1), []);
    machine.announce(1);
    assert.deepEqual(machine.join(1, { held: new Uint8Array(2) }), []);
    assert.deepEqual(machine.join(1, { pieceCount: 4, held: Uint8Array.of(0xff) }), []);
    assert.deepEqual(machine.join(1, { pieceCount: -1 }), []);
    assert.deepEqual(machine.join(1, { pieceCount: 2 ** 30 }), []);
    assert.deepEqual(machine.join(1, { lease: { epoch: 2 ** 52, spans: [] } }), []);
    assert.deepEqual(machine.join(1, { lease: { epoch: 1, spans: [{ start: 0, end: 9 }] } }), []);
    machine.join(1);
    machine.announce(2);
    assert.deepEqual(machine.join(2, { pieceCount: 9 }), []);
    assert.deepEqual(ignoredCounts(machine.state), { unknownPeer: 1, overLimit: 0, invalid: 7 });
  });

  it('is bounded in peers, swarms and swarms of one peer', () => {
    const machine = new MachineHarness({ limits: { peers: 2, swarms: 2, swarmsPerPeer: 1 } });
    for (const number of [1, 2, 3]) machine.announce(number);
    assert.equal(machine.state.peers.size, 2);
    machine.join(1);
    assert.deepEqual(machine.join(1, { snapshot: snapshotId(2) }), []);
    assert.equal(ignoredCounts(machine.state).overLimit, 2);
    assert.equal(machine.join(1).length > 0, true, 'again into the same swarm');
  });

  it('ends for a peer that was silent for 15 s', () => {
    const machine = new MachineHarness();
    machine.enter(1);
    machine.pass(15_000, { silent: [1] });
    assert.deepEqual(peerViews(machine.state), []);
    assert.deepEqual(swarmViews(machine.state)[0]?.members, []);
  });

  it('of a swarm without pieces is complete from the start', () => {
    const machine = new MachineHarness();
    machine.enter(1, { pieceCount: 0 });
    assert.equal(machine.lease, undefined);
    assert.equal(swarmViews(machine.state)[0]?.completeCount, 1);
  });

  it('can start over with another cut once the swarm is empty', () => {
    const machine = new MachineHarness();
    machine.enter(1);
    machine.leave(1);
    machine.join(1, { pieceCount: 3 });
    assert.deepEqual(machine.lease, { to: peerId(1), epoch: 2, spans: [{ start: 0, end: 3 }] });
  });
});

describe('locate', () => {
  function locate(machine: MachineHarness, number: number, refKey: string, ...exclude: number[]) {
    machine.send({
      kind: 'locate',
      peer: peerId(number),
      requestId: 5,
      refKey,
      exclude: exclude.map(peerId),
    });
    const [answer] = machine.sent('located');
    assert.deepEqual([answer?.to, answer?.requestId], [peerId(number), 5]);
    return answer?.peer.id;
  }

  it('names the same seed to everybody, another one for another ref, and the next where it fails', () => {
    const machine = new MachineHarness();
    for (const number of [1, 2, 3]) machine.announce(number, 'seed');
    for (const number of [11, 12]) machine.announce(number);
    const seeds = Array.from({ length: 30 }, (_, ref) => locate(machine, 11, `ref ${ref}`));
    assert.deepEqual(
      seeds,
      Array.from({ length: 30 }, (_, ref) => locate(machine, 12, `ref ${ref}`)),
    );
    assert.equal(new Set(seeds).size, 3);
    const first = Number.parseInt(locate(machine, 11, 'x') ?? '', 16);
    assert.notEqual(locate(machine, 11, 'x', first), peerId(first));
    machine.gone(first);
    assert.notEqual(locate(machine, 11, 'x'), peerId(first));
  });

  it('names the first that asked where there is no seed', () => {
    const machine = new MachineHarness();
    for (const number of [1, 2, 3]) machine.announce(number);
    assert.equal(locate(machine, 1, 'x'), peerId(1));
    assert.equal(locate(machine, 2, 'x'), peerId(1));
    assert.equal(locate(machine, 2, 'x', 1), peerId(2), 'who finds it failing takes its place');
    assert.equal(locate(machine, 3, 'x'), peerId(2));
    machine.gone(2);
    assert.equal(locate(machine, 3, 'x'), peerId(3));
  });

  it('remembers a bounded number of refs, the last asked', () => {
    const machine = new MachineHarness({ limits: { refs: 2 } });
    for (const number of [1, 2]) machine.announce(number);
    for (const ref of ['a', 'b', 'a', 'c']) locate(machine, 1, ref);
    assert.equal(locate(machine, 2, 'a'), peerId(1));
    assert.equal(locate(machine, 2, 'b'), peerId(2));
  });
});

it('an unknown snapshot is ignored in every event', () => {
  const machine = new MachineHarness();
  machine.announce(1);
  machine.leave(1);
  machine.holdings(1, held(PIECES));
  machine.leaseDone(1, 1);
  assert.deepEqual(machine.effects, []);
  assert.equal(machine.state.swarms.has(SNAPSHOT), false);
});
