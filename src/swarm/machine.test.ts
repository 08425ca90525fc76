import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Bitfield, MiB, type PeerId, type PeerInfo, toRanges } from '../core/index.ts';
import { SwarmWorld } from '../testing/swarm-world/index.ts';
import { createSwarmState, hasUnsent, type SwarmEvent, type SwarmState, step } from './index.ts';
import { DEFAULT_SWARM_LIMITS } from './limits.ts';

test('a host alone reads everything from the origin once and gives the lease back', () => {
  const world = new SwarmWorld({ seed: 1, hosts: 1, pieces: 100 });
  world.start();
  world.run(60_000);
  assert.equal(world.done, true);
  assert.equal(world.originPieces, 100);
  assert.deepEqual(world.leasesDone, [1]);
});

for (const hosts of [2, 8, 40]) {
  test(`a swarm of ${hosts} reads the origin once and everybody gets everything`, () => {
    const world = new SwarmWorld({ seed: 7, hosts, pieces: 128 });
    world.start();
    world.run(600_000);
    assert.equal(world.done, true, `not done: ${world.hosts.map((host) => host.state.held.count).join(' ')}`);
    assert.equal(world.originPieces, 128);
  });
}

test('with a slow origin the last host finishes soon after the first', () => {
  const world = new SwarmWorld({ seed: 3, hosts: 20, pieces: 128, pieceMs: 10, originPieceMs: 20 });
  world.start();
  world.run(600_000);
  const last = Math.max(...world.hosts.map((host) => host.finishedMs ?? Number.POSITIVE_INFINITY));
  const alone = 128 * 20;
  assert.ok(last <= alone * 1.3, `${last} ms, where the origin alone takes ${alone} ms`);
});

test('few pieces are sent twice to the same host', () => {
  const world = new SwarmWorld({ seed: 5, hosts: 20, pieces: 128 });
  world.start();
  world.run(600_000);
  const needed = 19 * 128;
  assert.ok(world.sentPieces <= needed * 1.1, `${world.sentPieces} sent, ${needed} needed`);
});

test('the reader does not run further ahead of the swarm than its limit', () => {
  const world = new SwarmWorld({
    seed: 9,
    hosts: 5,
    pieces: 400,
    pieceMs: 50,
    originPieceMs: 1,
    limits: { originLeadBytes: 16 * MiB, originReads: 4 },
  });
  world.start();
  for (let until = 100; !world.done && until < 100_000; until += 100) {
    world.run(until);
    const ahead = world.first.state.unshared.size;
    assert.ok(ahead <= 16 + 4 + 1, `${ahead} pieces ahead`);
  }
  assert.equal(world.done, true);
});

test('after the reader died a new one reads only what nobody holds', () => {
  const world = new SwarmWorld({ seed: 11, hosts: 10, pieces: 200, originPieceMs: 20 });
  world.start();
  world.run(1_000);
  const reader = world.first;
  world.kill(reader);
  const living = world.hosts.filter((host) => host.alive);
  const union = new Bitfield(200);
  for (const host of living) for (const piece of host.state.held.values()) union.add(piece);
  const before = world.originPieces;
  const [heir] = living;
  assert.ok(heir);
  world.lease(heir, 2, toRanges(union.missing()));
  world.run(600_000);
  assert.equal(world.done, true);
  assert.equal(world.originPieces - before, 200 - union.count);
});

test('a peer that served wrong bytes is banned and not asked again', () => {
  const world = new SwarmWorld({ seed: 1, hosts: 2, pieces: 4 });
  const { state } = world.first;
  const liar = world.hosts[1]?.info;
  assert.ok(liar);
  step(state, { kind: 'neighbours', peers: [liar] }, 0);
  const asked = step(state, { kind: 'linkUp', peer: liar.id, held: Bitfield.full(4) }, 1);
  assert.ok(asked.some((effect) => effect.kind === 'request'));
  const effects = step(
    state,
    { kind: 'requestFailed', peer: liar.id, piece: 0, reason: 'corrupt', retryAfterMs: 0 },
    2,
  );
  assert.deepEqual(effects, [{ kind: 'ban', peer: liar.id, piece: 0, reason: 'corrupt' }]);
  assert.deepEqual(step(state, { kind: 'neighbours', peers: [liar] }, 60_000), []);
});

test('the same events with the same seed give the same decisions', () => {
  const trace = (): string => {
    const world = new SwarmWorld({ seed: 21, hosts: 12, pieces: 64 });
    world.start();
    world.run(600_000);
    return `${world.nowMs} ${world.sentPieces} ${world.hosts.map((host) => host.finishedMs).join(' ')}`;
  };
  assert.equal(trace(), trace());
});

test('pieces that only this host holds are unsent until they were sent, or another holds them', () => {
  const world = new SwarmWorld({ seed: 1, hosts: 3, pieces: 3 });
  const [self, near, far] = world.hosts.map(({ info }) => info);
  assert.ok(self && near && far);
  const { map } = world.first.state;
  const state = createSwarmState({ self: self.id, map, held: Bitfield.full(3), rngSeed: 1 });
  const unsent = (peer: PeerInfo, ...sent: number[]) =>
    hasUnsent(state, peer.id, (piece) => sent.includes(piece));
  step(state, { kind: 'neighbours', peers: [near, { ...far, zone: 'elsewhere' }] }, 0);
  for (const { id } of [near, far]) step(state, { kind: 'linkUp', peer: id, held: new Bitfield(3) }, 1);
  assert.equal(unsent(near, 0, 1), true);
  assert.equal(unsent(near, 0, 1, 2), false);
  assert.equal(unsent(far, 0, 1), false, 'another zone needs a copy of its own');
  step(state, { kind: 'have', peer: near.id, pieces: [2] }, 2);
  assert.equal(unsent(near, 0, 1), false);
  step(state, { kind: 'linkDown', peer: near.id }, 3);
  assert.equal(unsent(near, 0, 1), true);
  step(state, { kind: 'dropped', pieces: [2] }, 4);
  assert.equal(unsent(near, 0, 1), false);
});

test('of a zone each piece is brought in by one, and by others only if that one does not', () => {
  const peers = Array.from({ length: 6 }, (_, at) => ({
    id: `${at}`.repeat(32) as PeerId,
    zone: at < 5 ? 'a' : 'b',
  }));
  const far = peers[5]?.id;
  assert.ok(far);
  const infos = peers.map(({ id, zone }) => ({ ...infoOf(id), zone }));
  const { map } = new SwarmWorld({ seed: 1, hosts: 1, pieces: 64 });
  const asked64 = { farLanes: 64, searchWidth: 64, solePiecesPerLink: 64, soleWindowBytes: 64 * MiB };
  const limits = { ...asked64, overdueMs: DEFAULT_SWARM_LIMITS.importPatienceMs };
  const states = peers.slice(0, 5).map(({ id: self }) => {
    const state = createSwarmState({ self, zone: 'a', map, held: new Bitfield(64), rngSeed: 1, limits });
    step(state, { kind: 'neighbours', peers: infos }, 0);
    return state;
  });
  const asked = (nowMs: number, make: (self: PeerId) => SwarmEvent[]): number[] =>
    states.flatMap((state) =>
      make(state.self).flatMap((event) =>
        step(state, event, nowMs).flatMap((effect) => (effect.kind === 'request' ? [effect.piece] : [])),
      ),
    );
  const first = asked(1, (self) => [
    ...peers
      .filter(({ id, zone }) => zone === 'a' && id !== self)
      .map(({ id }) => ({ kind: 'linkUp', peer: id, held: new Bitfield(64) }) as const),
    { kind: 'linkUp', peer: far, held: Bitfield.full(64) },
  ]);
  assert.deepEqual(
    first.toSorted((left, right) => left - right),
    Array.from({ length: 64 }, (_, piece) => piece),
  );
  const { importPatienceMs } = DEFAULT_SWARM_LIMITS;
  assert.equal(asked(importPatienceMs - 10, () => [{ kind: 'tick' }]).length, 0, 'the others wait');
  assert.equal(
    asked(importPatienceMs + 10, () => [{ kind: 'tick' }]).length,
    64,
    'then the next takes its place',
  );
});

function infoOf(id: PeerId): PeerInfo {
  const publicKey = new Uint8Array(32);
  return { id, publicKey, host: 'h', port: 1, role: 'peer', zone: '', hostname: 'h', version: 't' };
}

test('whatever happens in whatever order: what is asked adds up, and nothing held or banned is asked for', () => {
  const peers = Array.from({ length: 6 }, (_, at) => at.toString(16).padStart(32, 'f') as PeerId);
  const peer = fc.constantFrom(...peers);
  const piece = fc.nat(39);
  const reason = fc.constantFrom('busy', 'not-held', 'corrupt', 'unproven', 'error');
  const command = fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('linkUp'), peer, pieces: fc.array(piece) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('have'), peer, pieces: fc.array(piece) }) },
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('begun'), peer, piece }) },
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('stored'), from: peer, piece }) },
    fc.record({ kind: fc.constant('linkDown'), peer }),
    fc.record({ kind: fc.constant('requestFailed'), peer, piece, reason, retryAfterMs: fc.constant(5) }),
    fc.record({ kind: fc.constant('dropped'), pieces: fc.array(piece, { maxLength: 3 }) }),
    fc.record({ kind: fc.constant('reader'), id: fc.nat(6), start: fc.nat(45), end: fc.nat(45) }),
    fc.record({ kind: fc.constant('readerGone'), id: fc.nat(6) }),
    fc.record({ kind: fc.constant('tick') }),
  );
  const run = (commands: readonly Command[]): void => {
    const { state } = new SwarmWorld({ seed: 1, hosts: 1, pieces: 40 }).first;
    let nowMs = 0;
    for (const { pieces, start, end, ...rest } of commands) {
      nowMs += 300;
      const held = new Bitfield(40);
      if (rest.kind === 'linkUp') for (const one of pieces ?? []) held.add(one);
      const stretch = rest.kind === 'reader' ? { start, end } : pieces;
      const event = rest.kind === 'linkUp' ? { ...rest, held } : { ...rest, pieces: stretch };
      for (const effect of step(state, event as never, nowMs)) {
        if (effect.kind !== 'request') continue;
        assert.ok(
          state.holdings.has(state.links.get(effect.peer)?.row ?? -1, effect.piece),
          'what is asked for is held there',
        );
        assert.ok(!state.banned.has(effect.peer) && !state.held.has(effect.piece));
      }
      assertConsistent(state);
    }
  };
  fc.assert(fc.property(fc.array(command, { maxLength: 60 }), run), { numRuns: 300 });
});

interface Command {
  readonly kind: string;
  readonly pieces?: readonly number[];
  readonly start?: number;
  readonly end?: number;
}

function assertConsistent(state: SwarmState): void {
  const links = [...state.links.values()];
  let claimedBytes = 0;
  for (const claim of state.claims.values()) {
    claimedBytes += claim.bytes;
    assert.ok(claim.links.length > 0 && claim.links.every((link) => link.asked.includes(claim)));
    assert.ok(claim.senders.every((link) => claim.links.includes(link) && link.current.includes(claim)));
    assert.equal(state.askedOf[claim.piece], claim.links.length);
  }
  assert.equal(state.claimedBytes, claimedBytes);
  for (const link of links) {
    assert.equal(state.active.includes(link), link.current.length > 0);
    assert.equal(
      link.askedBytes,
      link.asked.reduce((sum, { bytes }) => sum + bytes, 0),
    );
  }
  for (let piece = 0; piece < state.map.pieceCount; piece += 1) {
    const isSent = (state.claims.get(piece)?.senders.length ?? 0) > 0;
    if (state.held.has(piece)) assert.ok(!state.open.has(piece), 'what is held is not open');
    else assert.ok(state.open.has(piece) || isSent, 'what is missing is open or on its way');
    assert.equal(state.copies[piece], links.filter(({ row }) => state.holdings.has(row, piece)).length);
  }
  assert.equal(
    state.waiting,
    links.filter(({ asked, current }) => asked.length > 0 && current.length === 0).length,
  );
  assert.ok(state.touched.length === 0 && links.every(({ isTouched }) => !isTouched));
}

test('who sends what nobody known has signed is left alone for longer each time, then banned', () => {
  const world = new SwarmWorld({
    seed: 1,
    hosts: 2,
    pieces: 1,
    limits: { maxUnproven: 2, probationMs: 1_000 },
  });
  const [host, forger] = world.hosts;
  assert.ok(host && forger);
  const peer = forger.id;
  let nowMs = 0;
  const say = (event: Parameters<typeof step>[1]) => step(host.state, event, nowMs);
  const unproven = () =>
    say({ kind: 'requestFailed', peer, piece: 0, reason: 'unproven', retryAfterMs: 0 }).map(
      ({ kind }) => kind,
    );
  const tick = (atMs: number) => {
    nowMs = atMs;
    return say({ kind: 'tick' }).map(({ kind }) => kind);
  };
  say({ kind: 'linkUp', peer, held: Bitfield.full(1) });
  assert.deepEqual(unproven(), []);
  assert.deepEqual(tick(999), []);
  assert.ok(tick(1_000).includes('request'));
  assert.deepEqual(unproven(), []);
  assert.deepEqual(tick(2_999), []);
  assert.ok(tick(3_000).includes('request'));
  say({ kind: 'linkDown', peer });
  say({ kind: 'linkUp', peer, held: Bitfield.full(1) });
  assert.deepEqual(unproven(), ['ban'], 'a new link does not wipe the slate');
  assert.equal(host.state.links.size, 0);
});

test('who has nobody to get anything from has neighbours named again after 30 s without progress', () => {
  const world = new SwarmWorld({ seed: 1, hosts: 2, pieces: 4 });
  const [host, other] = world.hosts;
  assert.ok(host && other);
  const seeks = (nowMs: number) =>
    step(host.state, { kind: 'tick' }, nowMs).some(({ kind }) => kind === 'seek');
  assert.deepEqual([seeks(1_000), seeks(30_999), seeks(31_000), seeks(60_999)], [false, false, true, false]);
  const held = Bitfield.full(4);
  held.delete(2);
  step(host.state, { kind: 'linkUp', peer: other.id, held }, 61_000);
  assert.deepEqual([seeks(90_999), seeks(91_000)], [false, true], 'the neighbour lacks a piece, too');
  step(host.state, { kind: 'have', peer: other.id, pieces: [2] }, 92_000);
  assert.equal(seeks(200_000), false);
});

test('who was dialled in vain is given up, but not while pieces are missing that no neighbour has', () => {
  const world = new SwarmWorld({ seed: 1, hosts: 3, pieces: 4, limits: { maxDials: 2, redialMs: 1_000 } });
  const [host, lost, other] = world.hosts;
  assert.ok(host && lost && other);
  let nowMs = 0;
  const say = (event: Parameters<typeof step>[1]) => step(host.state, event, nowMs);
  /** Whether the lost neighbour is dialled once more after 30 s, in vain. */
  const dialsInVain = (): boolean => {
    nowMs += 30_000;
    const isDialled = say({ kind: 'tick' }).some(({ kind }) => kind === 'dial');
    if (isDialled) say({ kind: 'linkDown', peer: lost.id });
    return isDialled;
  };
  say({ kind: 'neighbours', peers: [lost.info] });
  say({ kind: 'linkDown', peer: lost.id });
  assert.deepEqual([dialsInVain(), dialsInVain(), dialsInVain()], [true, true, true]);
  say({ kind: 'linkUp', peer: other.id, held: Bitfield.full(4) });
  assert.deepEqual([dialsInVain(), dialsInVain()], [true, false], 'once more, then it is not needed');
});
