import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Keepalive, type LinkActivity } from './keepalive.ts';
import { defaultLinkLimits } from './limits.ts';

const quiet: LinkActivity = {
  nowMs: 100_000,
  lastReadAtMs: 100_000,
  lastWriteAtMs: 100_000,
  reading: true,
  writingForMs: 0,
  stalledForMs: 0,
  lastChunkAtMs: undefined,
  sendersWait: false,
  receiversWait: false,
};

function check(change: Partial<LinkActivity>): string {
  const step = new Keepalive(defaultLinkLimits).check({ ...quiet, ...change });
  return step.kind === 'dead' ? step.code : step.kind;
}

test('a busy link is left alone', () => assert.equal(check({}), 'nothing'));

test('silence of either side leads to a ping, once in a while', () => {
  assert.equal(check({ lastReadAtMs: 95_000 }), 'ping');
  assert.equal(check({ lastWriteAtMs: 95_000 }), 'ping');
  assert.equal(check({ lastWriteAtMs: 95_001 }), 'nothing');
  const keepalive = new Keepalive(defaultLinkLimits);
  const silent = { ...quiet, lastReadAtMs: 95_000 };
  assert.equal(keepalive.check(silent).kind, 'ping');
  assert.equal(keepalive.check({ ...silent, nowMs: 101_000 }).kind, 'nothing');
  assert.equal(keepalive.check({ ...silent, nowMs: 105_000 }).kind, 'ping');
});

test('a silent remote is dead, unless we do not listen', () => {
  assert.equal(check({ lastReadAtMs: 85_000 }), 'timeout');
  assert.equal(check({ lastReadAtMs: 85_000, reading: false }), 'ping');
});

test('a remote that takes nothing is dead, even if we do not listen', () => {
  assert.equal(check({ stalledForMs: 15_000 }), 'slow');
  assert.equal(check({ stalledForMs: 15_000, reading: false }), 'slow');
});

test('a remote that takes a little now and then has a minute for each write', () => {
  assert.equal(check({ writingForMs: 59_999 }), 'nothing');
  assert.equal(check({ writingForMs: 60_000 }), 'slow');
});

test('a piece that does not go on ends the link', () => {
  assert.equal(check({ lastChunkAtMs: 85_000 }), 'slow');
  assert.equal(check({ lastChunkAtMs: 85_001 }), 'nothing');
  assert.equal(check({ lastChunkAtMs: 85_000, reading: false }), 'nothing');
});

test('where others wait for its buffer, a link gets less time', () => {
  assert.equal(check({ stalledForMs: 5_000, sendersWait: true }), 'slow');
  assert.equal(check({ stalledForMs: 5_000, receiversWait: true }), 'nothing');
  assert.equal(check({ lastChunkAtMs: 95_000, receiversWait: true }), 'slow');
  assert.equal(check({ lastChunkAtMs: 95_000, sendersWait: true }), 'nothing');
});
