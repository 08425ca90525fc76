// Random event sequences against a model of what members really told.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Bitfield, MiB, type PeerId, type Range, type SnapshotId, toRanges } from '../core/index.ts';
import { type LeaseClaim, type SchedulerEffect, type SchedulerEvent, swarmViews } from './index.ts';
import { failure, MachineHarness, PIECES, peerId, peerInfo, snapshotId } from './machine-harness.ts';
import { areSpans } from './spans.ts';

const PEERS = 6;
const SWARMS = 2;
/** So much that a lease of two pieces is worth sharing. */
const BYTES = PIECES * 64 * MiB;

const peer = fc.integer({ min: 1, max: PEERS }).map(peerId);
const snapshot = fc.integer({ min: 1, max: SWARMS }).map(snapshotId);
const held = fc.uint8Array({ minLength: 1, maxLength: 1 });
const anyHeld = fc.oneof({ weight: 9, arbitrary: held }, fc.uint8Array({ maxLength: 4 }));
const epoch = fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 0, max: 12 }) }, fc.double());

const anySpan = fc.tuple(fc.nat(PIECES), fc.nat(PIECES)).map(([start, end]) => ({ start, end }));
const spans = fc.oneof(
  { weight: 4, arbitrary: fc.nat(255).map((bits) => spansOf(bits)) },
  { weight: 1, arbitrary: fc.array(anySpan, { maxLength: 3 }) },
);

function spansOf(bits: number): Range[] {
  return toRanges(Array.from({ length: PIECES }, (_, piece) => piece).filter((piece) => bits & (1 << piece)));
}

type Move = { readonly wait: number } | { readonly event: SchedulerEvent };

const event: fc.Arbitrary<SchedulerEvent> = fc.oneof(
  fc.record({
    kind: fc.constant('announce' as const),
    peer: fc
      .tuple(
        fc.integer({ min: 1, max: PEERS }),
        fc.constantFrom('peer' as const, 'seed' as const),
        fc.constantFrom('a', 'b'),
      )
      .map((parts) => peerInfo(...parts)),
    returning: fc.boolean(),
    correction: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('gone' as const), peer, goodbye: fc.boolean() }),
  fc.record({ kind: fc.constant('alive' as const), peer }),
  fc.record({
    kind: fc.constant('join' as const),
    peer,
    snapshot,
    pieceCount: fc.oneof({ weight: 9, arbitrary: fc.constant(PIECES) }, fc.integer(), fc.double()),
    held: anyHeld,
    url: fc.constant('hf://owner/name'),
    origin: fc.constantFrom('a', 'b'),
    totalBytes: fc.constant(BYTES),
    readers: fc.array(fc.uint8Array({ minLength: 31, maxLength: 32 }), { maxLength: 2 }),
    lease: fc.option(fc.record({ epoch, spans }), { nil: undefined }),
  }),
  fc.record({ kind: fc.constant('leave' as const), peer, snapshot }),
  fc.record({
    kind: fc.constant('holdings' as const),
    peer,
    snapshot,
    held: anyHeld,
    heard: fc.array(peer, { maxLength: 2 }),
  }),
  fc.record({ kind: fc.constant('leaseDone' as const), peer, snapshot, epoch }),
  fc.record({ kind: fc.constant('leaseDone' as const), peer, snapshot, epoch, error: fc.constant(failure) }),
  fc.record({ kind: fc.constant('leaseYielded' as const), peer, snapshot, epoch, spans }),
  fc.record({ kind: fc.constant('leaseProgress' as const), peer, snapshot, epoch, leftPieces: fc.nat(9) }),
  fc.record({ kind: fc.constant('throttled' as const), peer, waitMs: fc.nat(5_000) }),
  fc.record({ kind: fc.constant('suspect' as const), peer, snapshot, suspect: peer }),
  fc.record({
    kind: fc.constant('locate' as const),
    peer,
    requestId: fc.nat(),
    refKey: fc.constantFrom('x', 'y'),
    exclude: fc.array(peer, { maxLength: 3 }),
  }),
  fc.constant({ kind: 'tick' } as const),
);

const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 4, arbitrary: event.map((one) => ({ event: one })) },
  { weight: 1, arbitrary: fc.constantFrom(10, 500, 2_000, 10_000, 700_000).map((wait) => ({ wait })) },
);

/** What live members have reported, and the epochs that were granted, as an onlooker sees it. */
class Onlooker {
  readonly #reports = new Map<SnapshotId, Map<PeerId, Bitfield>>();
  readonly #epochs = new Map<SnapshotId, number>();

  hear(machine: MachineHarness, one: SchedulerEvent): void {
    if ((one.kind !== 'join' && one.kind !== 'holdings') || !machine.state.peers.has(one.peer)) return;
    const isMember = swarmViews(machine.state)
      .find((swarm) => swarm.snapshot === one.snapshot)
      ?.members.some((member) => member.peer === one.peer);
    if (!isMember || (one.kind === 'join' && one.pieceCount !== PIECES)) return;
    const field = one.held.length === 0 ? new Bitfield(PIECES) : Bitfield.fromBytes(PIECES, one.held);
    if (!field || (one.kind === 'join' && one.lease && !isPossible(one.lease))) return;
    const swarm = this.#reports.get(one.snapshot) ?? new Map<PeerId, Bitfield>();
    this.#reports.set(one.snapshot, swarm.set(one.peer, field));
  }

  check(machine: MachineHarness, effects: readonly SchedulerEffect[]): void {
    for (const effect of effects) {
      assert.equal(machine.state.peers.has(effect.to), true, 'effects are for those who attend');
      if (effect.kind === 'lease') this.#checkLease(machine, effect);
    }
    for (const { readers, members, epoch } of machine.state.swarms.values()) {
      const pieces = [...readers.values()].flatMap((reader) => reader.spans.flatMap(piecesOf));
      assert.equal(new Set(pieces).size, pieces.length, 'a piece has one reader');
      for (const reader of readers.values()) {
        assert.equal(reader.epoch <= epoch, true);
        assert.equal(reader.isLost, !members.has(reader.peer), 'an attended holder is a member');
      }
    }
    for (const [name, { holders }] of machine.state.origins) {
      const leases = [...machine.state.swarms.values()].filter(({ origin }) => origin === name);
      const held = leases.flatMap(({ readers }) => [...readers.keys()]);
      assert.equal(
        held.length,
        [...holders.values()].reduce((sum, count) => sum + count, 0),
        'all are counted',
      );
    }
  }

  #checkLease(machine: MachineHarness, lease: Extract<SchedulerEffect, { kind: 'lease' }>): void {
    assert.equal(lease.epoch > (this.#epochs.get(lease.snapshot) ?? 0), true, 'epochs rise');
    this.#epochs.set(lease.snapshot, lease.epoch);
    const members = swarmViews(machine.state).find((swarm) => swarm.snapshot === lease.snapshot)?.members;
    assert.equal(lease.spans.length > 0, true);
    const condemned = machine.state.swarms.get(lease.snapshot)?.condemned;
    for (const member of members ?? []) {
      if (condemned?.has(member.peer)) continue;
      const field = this.#reports.get(lease.snapshot)?.get(member.peer);
      for (const { start, end } of lease.spans) {
        for (let piece = start; piece < end; piece += 1) {
          assert.equal(field?.has(piece) ?? false, false, 'what a live member holds is not read');
        }
      }
    }
  }
}

function piecesOf({ start, end }: Range): number[] {
  return Array.from({ length: end - start }, (_, at) => start + at);
}

function isPossible({ epoch, spans }: LeaseClaim): boolean {
  return Number.isSafeInteger(epoch) && epoch > 0 && areSpans(spans, PIECES);
}

describe('any sequence of events', () => {
  it('neither crashes nor grants twice, nor reads what a live member has reported', () => {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 80 }), fc.boolean(), (moves, mayHavePast) => {
        const limits = { startSettleMs: mayHavePast ? 2_000 : 0, swarms: 100, refs: 1 };
        const machine = new MachineHarness({ limits });
        const onlooker = new Onlooker();
        for (const one of moves) {
          if ('wait' in one) {
            machine.nowMs += one.wait;
            continue;
          }
          // Reports count from the moment that they are heard, so the event is heard before its effects are checked.
          const effects = machine.send(one.event);
          onlooker.hear(machine, one.event);
          onlooker.check(machine, effects);
        }
      }),
      { numRuns: 1_500 },
    );
  });

  it('gives the same effects from the same seed', () => {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 40 }), (moves) => {
        const run = (): SchedulerEffect[] => {
          const machine = new MachineHarness({ rngSeed: 3 });
          return moves.flatMap((one) => {
            if ('event' in one) return machine.send(one.event);
            machine.nowMs += one.wait;
            return [];
          });
        };
        assert.deepEqual(run(), run());
      }),
      { numRuns: 200 },
    );
  });

  it('ends with every member complete or somebody reading, if members answer and readers read', () => {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 60 }), (moves) => {
        const machine = new MachineHarness();
        for (const one of moves) {
          if ('wait' in one) machine.nowMs += one.wait;
          else machine.send(one.event);
        }
        // Whoever was granted a lease above knows nothing of it.
        for (let number = 1; number <= PEERS; number += 1) machine.gone(number);
        obeyAll(machine, machine.enter(1, { pieceCount: PIECES }));
        obeyAll(machine, machine.enter(2, { pieceCount: PIECES }));
        let isComplete = false;
        for (let round = 0; round < 60 && !isComplete; round += 1) {
          obeyAll(machine, machine.pass(1_000));
          isComplete = swarmViews(machine.state).some(
            (swarm) => swarm.snapshot === snapshotId(1) && swarm.completeCount > 0,
          );
        }
        assert.equal(isComplete, true, 'somebody has read the rest');
      }),
      { numRuns: 300 },
    );
  });
});

/** Daemons do what they are told, until nothing more comes. */
function obeyAll(machine: MachineHarness, effects: readonly SchedulerEffect[]): void {
  const pending = [...effects];
  for (let next = pending.shift(); next; next = pending.shift()) pending.push(...obey(machine, next));
}

/** A daemon that holds nothing but reads what it is told to. */
function obey(machine: MachineHarness, effect: SchedulerEffect): SchedulerEffect[] {
  const { to } = effect;
  if (effect.kind === 'reportHoldings') {
    const bytes = new Uint8Array(1);
    return machine.send({
      kind: 'holdings',
      peer: to,
      snapshot: effect.snapshot,
      held: bytes,
      heard: [],
    });
  }
  if (effect.kind === 'yieldLease') {
    const { snapshot, epoch } = effect;
    const spans = [{ start: PIECES - 1, end: PIECES }];
    return machine.send({ kind: 'leaseYielded', peer: to, snapshot, epoch, spans });
  }
  if (effect.kind !== 'lease') return [];
  return machine.send({ kind: 'leaseDone', peer: to, snapshot: effect.snapshot, epoch: effect.epoch });
}

describe('a join', () => {
  it('leaves it to the tick to ask all members of a large swarm', () => {
    const machine = new MachineHarness({ limits: { maxLeaseAttempts: 1 } });
    for (let number = 1; number <= 100; number += 1) machine.enter(number);
    machine.leaseDone(1, 1, failure);
    assert.equal(machine.sent('swarmFailed').length, 100);
    machine.pass(10_000);
    machine.join(1);
    assert.deepEqual(machine.asked, []);
    machine.pass(1);
    assert.equal(machine.asked.length, 100);
  });

  it('costs a bounded number of messages, however many members there are', () => {
    const machine = new MachineHarness();
    let most = 0;
    for (let number = 1; number <= 2_000; number += 1) {
      machine.announce(number);
      most = Math.max(most, machine.join(number).length);
      // Members go, holders too: a join meets all phases.
      if (number % 50 === 0) machine.gone(number - 25);
      if (number % 170 === 0) machine.pass(300);
    }
    assert.equal(most <= 15, true, `${most} messages`);
  });
});
