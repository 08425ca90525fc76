import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bitfield, type PeerId, type PeerInfo } from '../core/index.ts';
import {
  createSuccession,
  hearNews,
  type MemberNews,
  newsOf,
  type SelfFacts,
  type SuccessionEffect,
  successionTick,
  vote,
  voteReceived,
} from './index.ts';

const PIECES = 8;

function infoOf(number: number): PeerInfo {
  const id = number.toString(16).padStart(32, '0') as PeerId;
  const common = { host: 'h', port: 1, role: 'peer', zone: '', hostname: '', version: '' } as const;
  return { ...common, id, publicKey: new Uint8Array(32) };
}

function newsFrom(number: number, more: Partial<MemberNews> = {}): MemberNews {
  return { info: infoOf(number), ageMs: 0, isDeputy: false, leaseEpoch: 0, ...more };
}

/** A deputy without a scheduler that lacks pieces which no neighbour has. */
function facts(number: number, more: Partial<SelfFacts> = {}): SelfFacts {
  return {
    info: infoOf(number),
    isAttended: false,
    isDeputy: true,
    leaseEpoch: 0,
    isStarved: true,
    lastProgressMs: 0,
    held: new Bitfield(PIECES),
    neighbours: [infoOf(9).id],
    ...more,
  };
}

function held(...pieces: number[]): Uint8Array {
  const field = new Bitfield(PIECES);
  for (const piece of pieces) field.add(piece);
  return field.toBytes();
}

function canvassed(effects: readonly SuccessionEffect[]): readonly PeerId[] | undefined {
  const effect = effects.find(({ kind }) => kind === 'canvass');
  return effect?.kind === 'canvass' ? effect.to.map(({ id }) => id) : undefined;
}

/** Deputy 1 that knows the members 2 and 3, and has been without a scheduler since 0. */
function deputy(self: SelfFacts = facts(1)) {
  const state = createSuccession(() => 0);
  successionTick(state, self, 0);
  hearNews(state, self, [newsFrom(2), newsFrom(3)], 9_000);
  return state;
}

test('a deputy stands after ten seconds, asks all members it knows, and reads what none of them has', () => {
  const self = facts(1, { held: Bitfield.fromBytes(PIECES, held(0)) ?? assert.fail() });
  const state = deputy(self);
  assert.equal(canvassed(successionTick(state, self, 9_999)), undefined);
  assert.deepEqual(canvassed(successionTick(state, self, 10_000)), [infoOf(2).id, infoOf(3).id]);
  const first = voteReceived(state, self, infoOf(2).id, { yes: true, epoch: 41, held: held(1, 2) }, 10_100);
  assert.deepEqual(first, []);
  const last = voteReceived(state, self, infoOf(3).id, { yes: true, epoch: 7, held: held(7) }, 10_200);
  assert.deepEqual(last, [{ kind: 'elected', epoch: 42, spans: [{ start: 3, end: 7 }] }]);
});

for (const [what, answer] of [
  ['one that votes for another', { yes: false, epoch: 0, held: held() }],
] as const) {
  test(`${what} keeps a deputy from reading; it stands again later`, () => {
    const self = facts(1);
    const state = deputy(self);
    successionTick(state, self, 10_000);
    voteReceived(state, self, infoOf(2).id, answer, 10_100);
    assert.deepEqual(voteReceived(state, self, infoOf(3).id, { ...answer, yes: true }, 10_200), []);
    assert.equal(canvassed(successionTick(state, self, 15_000)), undefined);
    assert.ok(canvassed(successionTick(state, self, 15_200)));
  });
}

test('who does not answer in time, or cannot be reached, is not waited for', () => {
  const self = facts(1);
  const state = deputy(self);
  successionTick(state, self, 10_000);
  voteReceived(state, self, infoOf(2).id, undefined, 10_100);
  const effects = successionTick(state, self, 13_000);
  assert.deepEqual(
    effects.filter(({ kind }) => kind === 'elected'),
    [{ kind: 'elected', epoch: 1, spans: [{ start: 0, end: PIECES }] }],
  );
});

test('nothing is read where the members have everything between them', () => {
  const self = facts(1);
  const state = deputy(self);
  successionTick(state, self, 10_000);
  voteReceived(state, self, infoOf(2).id, { yes: true, epoch: 0, held: held(0, 1, 2, 3) }, 10_100);
  const yes = { yes: true, epoch: 0, held: held(4, 5, 6, 7) };
  assert.deepEqual(voteReceived(state, self, infoOf(3).id, yes, 10_100), []);
});

for (const [what, self, news] of [
  ['has a scheduler', facts(1, { isAttended: true }), []],
  ['is no deputy', facts(1, { isDeputy: false }), []],
  ['gets what it lacks', facts(1, { isStarved: false }), []],
  ['got something lately', facts(1, { lastProgressMs: 5_001 }), []],
  ['reads already', facts(1, { leaseEpoch: 3 }), []],
  ['knows of a reader', facts(1), [newsFrom(4, { leaseEpoch: 5 })]],
  ['knows a deputy of lower id', facts(1), [newsFrom(0, { isDeputy: true })]],
] as const) {
  test(`who ${what} does not stand`, () => {
    const state = deputy(self);
    hearNews(state, self, news, 9_000);
    assert.equal(canvassed(successionTick(state, self, 10_000)), undefined);
  });
}

test('a deputy that is not heard of any more gives way to the next', () => {
  const self = facts(1);
  const state = deputy(self);
  hearNews(state, self, [newsFrom(0, { isDeputy: true, ageMs: 4_000 })], 9_000);
  assert.equal(canvassed(successionTick(state, self, 19_999)), undefined);
  assert.ok(canvassed(successionTick(state, self, 20_000)));
});

test('a vote is for one candidate, until its time is over', () => {
  const self = facts(5);
  const state = createSuccession(() => 0);
  const [one, other] = [infoOf(1).id, infoOf(2).id];
  assert.equal(vote(state, self, one, 0).yes, true);
  assert.equal(vote(state, self, one, 5_000).yes, true);
  assert.equal(vote(state, self, other, 14_999).yes, false);
  assert.equal(vote(state, self, other, 15_000).yes, true);
});

for (const [what, self, news] of [
  ['has a scheduler', facts(5, { isAttended: true }), []],
  ['reads', facts(5, { leaseEpoch: 4 }), []],
  ['knows somebody who reads', facts(5), [newsFrom(3, { leaseEpoch: 4 })]],
] as const) {
  test(`who ${what} votes for nobody, and says which epochs there were`, () => {
    const state = createSuccession(() => 0);
    hearNews(state, self, news, 0);
    const answer = vote(state, self, infoOf(1).id, 0);
    assert.equal(answer.yes, false);
    assert.equal(answer.epoch, self.isAttended ? 0 : 4);
  });
}

test('news are exchanged every two seconds without a scheduler, the latest counts, and the old is forgotten', () => {
  const self = facts(1, { neighbours: [2, 3, 4, 5].map((number) => infoOf(number).id) });
  const state = createSuccession(() => 0);
  const told = (nowMs: number) => successionTick(state, self, nowMs).map(({ kind }) => kind);
  assert.deepEqual([told(0), told(1_999), told(2_000)], [['gossip'], [], ['gossip']]);
  hearNews(state, self, [newsFrom(7, { ageMs: 1_000, leaseEpoch: 2 })], 5_000);
  hearNews(
    state,
    self,
    [newsFrom(7, { ageMs: 3_000, leaseEpoch: 0 }), newsFrom(8, { ageMs: 15_000 })],
    5_500,
  );
  assert.deepEqual(
    newsOf(state, self, 6_000).map(({ info, ageMs, leaseEpoch }) => [info.id, ageMs, leaseEpoch]),
    [
      [infoOf(1).id, 0, 0],
      [infoOf(7).id, 2_000, 2],
    ],
  );
  successionTick(state, self, 19_000);
  assert.equal(newsOf(state, self, 19_000).length, 1);
});

test('members that were not known are dialled while neighbours are few', () => {
  const news = Array.from({ length: 30 }, (_, at) => newsFrom(10 + at));
  for (const [count, dialled] of [
    [2, 10],
    [12, 0],
  ] as const) {
    const self = facts(1, { neighbours: Array.from({ length: count }, (_, at) => infoOf(100 + at).id) });
    const [effect] = hearNews(
      createSuccession(() => 0),
      self,
      news,
      0,
    );
    assert.equal(effect?.kind === 'acquaint' ? effect.peers.length : 0, dialled);
  }
});

test('a bounded number of members is remembered, deputies longest', () => {
  const state = createSuccession(() => 0, { members: 4 });
  const self = facts(1);
  hearNews(state, self, [newsFrom(2, { isDeputy: true })], 0);
  for (let number = 3; number < 20; number += 1) hearNews(state, self, [newsFrom(number)], 0);
  const known = newsOf(state, self, 0).map(({ info }) => info.id);
  assert.equal(known.length, 5);
  assert.ok(known.includes(infoOf(2).id));
});
