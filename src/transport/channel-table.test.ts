import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChannelTable } from './channel-table.ts';
import type { OpenMessage } from './messages.ts';
import { SNAPSHOT } from './transport-harness.ts';

const open = (channel: number): OpenMessage => ({
  kind: 'open',
  channel,
  snapshot: SNAPSHOT,
  pieceCount: 10,
  ticket: new Uint8Array(),
});
const bitfield = new Uint8Array(2);
const violation = { code: 'peer_protocol' };

test('the dialler opens even channels, the acceptor odd ones, both rising', () => {
  const dialer = new ChannelTable('dialer', 10);
  const acceptor = new ChannelTable('acceptor', 10);
  assert.deepEqual([dialer.openOwn(1), dialer.openOwn(1)], [0, 2]);
  assert.deepEqual([acceptor.openOwn(1), acceptor.openOwn(1)], [1, 3]);
  assert.equal(acceptor.received(open(0)), 'deliver');
  assert.equal(acceptor.received(open(6)), 'deliver', 'numbers may be left out');
  assert.throws(() => acceptor.received(open(4)), violation, 'but not come back');
  assert.throws(() => acceptor.received(open(9)), violation, 'the remote has no odd ones');
});

test('nothing but knowledge and a close passes before a channel is opened', () => {
  const table = new ChannelTable('dialer', 10);
  const channel = table.openOwn(10);
  assert.equal(table.received({ kind: 'grants', channel, grants: [] }), 'deliver');
  assert.throws(() => table.received({ kind: 'have', channel, pieces: [] }), violation);
  assert.throws(() => table.received({ kind: 'request', channel, piece: 1 }), violation);
  assert.equal(table.sending({ kind: 'have', channel, pieces: [1] }), false);
  assert.equal(table.received({ kind: 'opened', channel, bitfield }), 'deliver');
  assert.equal(table.pieceCount(channel), 10);
  assert.equal(table.sending({ kind: 'have', channel, pieces: [1] }), true);
  assert.throws(() => table.received({ kind: 'opened', channel, bitfield }), violation, 'opened once');
});

test('the opener says nothing on a channel that is not opened yet', () => {
  const table = new ChannelTable('dialer', 10);
  table.received(open(1));
  assert.throws(() => table.received({ kind: 'grants', channel: 1, grants: [] }), violation);
  assert.throws(() => table.received({ kind: 'opened', channel: 1, bitfield }), violation);
});

test('pieces and bitfields fit the channel', () => {
  const table = new ChannelTable('acceptor', 10);
  table.received(open(0));
  table.sending({ kind: 'opened', channel: 0, bitfield });
  const wrong = [
    { kind: 'have', channel: 0, pieces: [3, 10] },
    { kind: 'request', channel: 0, piece: 10 },
    { kind: 'bitfield', channel: 0, bitfield: new Uint8Array(3) },
    { kind: 'bitfield', channel: 0, bitfield: new Uint8Array([0, 1]) },
  ] as const;
  for (const message of wrong) assert.throws(() => table.received(message), violation, message.kind);
});

test('what crosses a close is dropped, what was never opened is a violation', () => {
  const table = new ChannelTable('dialer', 10);
  const channel = table.openOwn(10);
  table.received({ kind: 'opened', channel, bitfield });
  assert.equal(table.sending({ kind: 'close', channel }), true);
  assert.equal(table.sending({ kind: 'close', channel }), false);
  assert.equal(table.received({ kind: 'have', channel, pieces: [99] }), 'drop');
  assert.equal(table.received({ kind: 'close', channel }), 'drop');
  assert.throws(() => table.received({ kind: 'have', channel: 2, pieces: [] }), violation);
  assert.throws(() => table.received({ kind: 'have', channel: 1, pieces: [] }), violation);
});

test('channels are bounded: ours are not asked for, the remote is refused', () => {
  const table = new ChannelTable('dialer', 2);
  table.openOwn(1);
  assert.equal(table.received(open(1)), 'deliver');
  assert.equal(table.received(open(3)), 'refuse');
  assert.throws(() => table.openOwn(1), { code: 'limit_exceeded' });
  table.received({ kind: 'refused', channel: 0, code: 'busy' });
  assert.equal(table.openOwn(1), 2);
});
