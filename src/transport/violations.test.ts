import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createIdentity, MiB } from '../core/index.ts';
import { BufferPool } from './buffer-pool.ts';
import { encodeMessage, writeChunkHead } from './codec.ts';
import { CHUNK_HEAD_BYTES } from './frame-types.ts';
import { helloFor } from './handshake.ts';
import type { LinkLimits } from './limits.ts';
import type { GoodbyeCode, WireMessage } from './messages.ts';
import type { PeerLink } from './peer-link.ts';
import { contentOf, PIECES, proof, RawPeer, readerOf, SNAPSHOT, TestEnd } from './transport-harness.ts';

const HELLO = { listenPort: 0, role: 'dialer' } as const;

interface Scene {
  readonly end: TestEnd;
  readonly raw: RawPeer;
  readonly port: number;
}

/** A real end that listens, and a raw peer that connects to it. */
async function scene(act: (scene: Scene) => Promise<void>, limits: Partial<LinkLimits> = {}): Promise<void> {
  const receivePool = new BufferPool(16 * MiB);
  const end = new TestEnd({ receivePool, limits: { lingerMs: 50, ...limits } });
  try {
    const { port } = await end.listen();
    await using raw = new RawPeer(port);
    await act({ end, raw, port });
    assert.equal(receivePool.leasedBytes, 0, 'no buffer is lost');
  } finally {
    await end.transport.stop();
  }
}

/** The raw peer opens a channel, the end accepts it and asks for piece 0 of 100 bytes. */
async function asked({ end, raw }: Scene): Promise<{ link: PeerLink; piece: Promise<unknown> }> {
  raw.sayHello();
  const link = await end.links.next();
  raw.say({ kind: 'open', channel: 0, snapshot: SNAPSHOT, pieceCount: PIECES, ticket: new Uint8Array() });
  await end.inbox.next();
  link.send({ kind: 'opened', channel: 0, bitfield: new Uint8Array(PIECES / 8) });
  const piece = link.requestPiece({ channel: 0, piece: 0, sizeBytes: 100 });
  piece.catch(() => undefined);
  await raw.hear('request');
  return { link, piece };
}

function chunk(piece: number, payload: Buffer, channel = 0): Buffer {
  const head = Buffer.alloc(CHUNK_HEAD_BYTES);
  writeChunkHead(head, channel, piece, payload.length);
  return Buffer.concat([head, payload]);
}

const head = (piece: number, sizeBytes: number): WireMessage => ({
  kind: 'piece',
  channel: 0,
  piece,
  sizeBytes,
  proof,
});
const bytes = (message: WireMessage) => encodeMessage(message);

/** What a peer may not send to an end that asked for piece 0 with 100 bytes on channel 0. */
const offences: Record<string, Buffer> = {
  'an unknown type': Buffer.from([0, 0, 0, 1, 200]),
  'a length of zero': Buffer.from([0, 0, 0, 0, 3]),
  'a length over the limit': Buffer.from([255, 255, 255, 255, 36]),
  'random bytes': Buffer.from('GET / HTTP/1.1\r\nHost: example\r\n\r\n'),
  'a second hello': bytes(helloFor(createIdentity(), HELLO)),
  'a piece that was not asked for': bytes(head(1, 100)),
  'a piece of the wrong size': bytes(head(0, 99)),
  'a chunk without a piece': chunk(0, Buffer.alloc(10)),
  'a chunk of another piece': Buffer.concat([bytes(head(0, 100)), chunk(1, Buffer.alloc(10))]),
  'a chunk of another channel': Buffer.concat([bytes(head(0, 100)), chunk(0, Buffer.alloc(10), 2)]),
  'a chunk too many': Buffer.concat([bytes(head(0, 100)), chunk(0, Buffer.alloc(101))]),
  'a piece inside a piece': Buffer.concat([
    bytes(head(0, 100)),
    chunk(0, Buffer.alloc(10)),
    bytes(head(0, 100)),
  ]),
  'a reject of what was not asked for': bytes({
    kind: 'reject',
    channel: 0,
    piece: 5,
    code: 'busy',
    retryAfterMs: 0,
  }),
  'a request on no channel': bytes({ kind: 'request', channel: 8, piece: 0 }),
  'a request out of range': bytes({ kind: 'request', channel: 0, piece: PIECES }),
  'a request made twice': Buffer.concat([1, 2].map(() => bytes({ kind: 'request', channel: 0, piece: 3 }))),
  'a have out of range': bytes({ kind: 'have', channel: 0, pieces: [PIECES] }),
  'a bitfield of the wrong length': bytes({ kind: 'bitfield', channel: 0, bitfield: new Uint8Array(3) }),
  'an answer to no open': bytes({ kind: 'refused', channel: 0, code: 'busy' }),
  "a channel that is not the peer's to open": bytes({
    kind: 'open',
    channel: 1,
    snapshot: SNAPSHOT,
    pieceCount: 1,
    ticket: new Uint8Array(),
  }),
  'an answer to no call': bytes({ kind: 'answer', id: 0, ok: true, last: true, body: new Uint8Array() }),
  'the end of no call': bytes({ kind: 'abandon', id: 0 }),
};

for (const [name, offence] of Object.entries(offences)) {
  test(`${name} ends the link with a goodbye`, async () => {
    await scene(async (it) => {
      const { link, piece } = await asked(it);
      it.raw.socket.write(offence);
      assert.equal((await it.raw.hear('goodbye')).code, 'protocol');
      const { by, code, error } = await link.closed;
      assert.deepEqual([by, code, error.code], ['local', 'protocol', 'peer_protocol']);
      await assert.rejects(piece, { code: 'peer_protocol' });
    });
  });
}

function hello(change: Partial<Extract<WireMessage, { kind: 'hello' }>>): WireMessage {
  return { ...helloFor(createIdentity(), HELLO), ...change };
}

const badHellos: [string, GoodbyeCode, (end: TestEnd) => Buffer][] = [
  ['another message first', 'protocol', () => bytes({ kind: 'ping', token: 1 })],
  [
    'another magic',
    'protocol',
    () => {
      const frame = bytes(hello({}));
      frame.write('XNAX', 5);
      return frame;
    },
  ],
  ['version 0', 'version', () => bytes(hello({ version: 0 }))],
  ['an id of another key', 'identity', () => bytes(hello({ peerId: createIdentity().id }))],
  ['our own id', 'identity', (end) => bytes(helloFor(end.identity, HELLO))],
];

for (const [name, code, say] of badHellos) {
  test(`a handshake with ${name} ends with the code ${code}`, async () => {
    await scene(async ({ end, raw }) => {
      raw.socket.write(say(end));
      assert.equal((await raw.hear('goodbye')).code, code);
      await raw.closed;
      assert.equal(end.links.size, 0, 'nobody was told of such a link');
    });
  });
}

test('a handshake that does not come ends after its deadline', async () => {
  await scene(
    async ({ raw }) => {
      assert.equal((await raw.hear('goodbye')).code, 'timeout');
      await raw.closed;
    },
    { helloTimeoutMs: 10 },
  );
});

test('a later version is spoken to', async () => {
  await scene(async ({ end, raw }) => {
    raw.say(hello({ version: 9, features: 0xffff }));
    assert.ok(await end.links.next());
  });
});

test('who dials a peer by its id gets that peer or none', async () => {
  await scene(async ({ port }) => {
    const dialer = new TestEnd();
    const { attach, transport } = dialer;
    const expectedPeerId = createIdentity().id;
    const dialled = transport.dial({ host: '127.0.0.1', port, expectedPeerId, attach });
    await assert.rejects(dialled, { code: 'peer_protocol' });
    await transport.stop();
  });
});

test('bytes drawn at random after the hello end the link or do nothing', async () => {
  const frames = fc.array(
    fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 40 }),
      fc.constantFrom(...Object.values(offences)),
      fc.nat(60).map((type) => Buffer.from([0, 0, 0, 9, type, 0, 0, 0, 0, 0, 0, 0, 0])),
    ),
    { minLength: 1, maxLength: 6 },
  );
  await fc.assert(
    fc.asyncProperty(frames, async (parts) => {
      await scene(async (it) => {
        const { link } = await asked(it);
        it.raw.socket.end(Buffer.concat(parts));
        const { by } = await link.closed;
        assert.ok(by === 'local' || by === 'network' || by === 'remote');
      });
    }),
    { numRuns: 30 },
  );
});

test('a peer that falls silent is dead after the limit, and was pinged before', async () => {
  await scene(
    async ({ end, raw }) => {
      raw.sayHello();
      const link = await end.links.next();
      await raw.hear('ping');
      assert.equal((await raw.hear('goodbye')).code, 'timeout');
      assert.equal((await link.closed).error.code, 'network_timeout');
    },
    { pingAfterMs: 20, deadAfterMs: 400 },
  );
});

test('pings are answered and measured', async () => {
  await scene(
    async ({ end, raw }) => {
      raw.sayHello();
      const link = await end.links.next();
      raw.say({ kind: 'ping', token: 77 });
      assert.equal((await raw.hear('pong')).token, 77);
      // A busy machine may send another ping before it has read the pong to the first.
      while (link.stats.rttMs === undefined) raw.say({ kind: 'pong', token: (await raw.hear('ping')).token });
      assert.ok(link.stats.rttMs >= 0);
    },
    { pingAfterMs: 10 },
  );
});

test('a piece that is begun and does not go on ends the link, and its buffer comes back', async () => {
  await scene(
    async (it) => {
      const { link, piece } = await asked(it);
      it.raw.say(head(0, 100));
      assert.equal((await it.raw.hear('goodbye')).code, 'slow');
      await assert.rejects(piece, { code: 'network_timeout' });
      await link.closed;
    },
    { pieceStallMs: 20 },
  );
});

test('a peer that does not read costs two step buffers, and is dropped after the limit', async () => {
  await scene(
    async (it) => {
      const { link } = await asked(it);
      it.raw.socket.pause();
      const count = 8;
      const sends = Array.from({ length: count }, (_, piece) => {
        it.raw.say({ kind: 'request', channel: 0, piece: piece + 10 });
        return piece + 10;
      });
      let readBytes = 0;
      const outcomes = sends.map(async (piece) => {
        assert.equal((await it.end.inbox.next()).kind, 'request');
        const content = readerOf(contentOf(piece, 16 * MiB));
        await link.sendPiece({
          channel: 0,
          piece,
          sizeBytes: 16 * MiB,
          proof,
          read: async (offset, target) => {
            readBytes += target.length;
            await content(offset, target);
          },
        });
      });
      const settled = await Promise.allSettled(outcomes);
      const { code } = await link.closed;
      assert.equal(code, 'slow');
      assert.ok(settled.some(({ status }) => status === 'rejected'));
      // The kernel's own buffers take some megabytes; 128 MiB were asked for.
      assert.ok(readBytes < 64 * MiB, `${readBytes} bytes were read for a peer that takes none`);
    },
    { writeStallMs: 300 },
  );
});

test('who sends to a peer that takes nothing is told, once for each piece', async () => {
  await scene(
    async (it) => {
      const { link } = await asked(it);
      it.raw.socket.pause();
      it.raw.say({ kind: 'request', channel: 0, piece: 1 });
      await it.end.inbox.next();
      const read = readerOf(contentOf(1, 16 * MiB));
      let stalls = 0;
      await new Promise<void>((stalled) => {
        const onStalled = () => {
          stalls += 1;
          stalled();
        };
        const common = { channel: 0, piece: 1, sizeBytes: 16 * MiB, proof };
        link.sendPiece({ ...common, read, onStalled }).catch(() => undefined);
      });
      assert.equal((await link.closed).code, 'slow');
      assert.equal(stalls, 1);
    },
    { stalledAfterMs: 20, writeStallMs: 400 },
  );
});

test('control for a peer that does not read is bounded', async () => {
  await scene(
    async (it) => {
      const { link } = await asked(it);
      it.raw.socket.pause();
      const pieces = Array.from({ length: 4096 }, (_, at) => at % PIECES);
      let ended = false;
      const end = link.closed.then((reason) => {
        ended = true;
        return reason;
      });
      for (let sent = 0; sent < 100_000 && !ended; sent += 64) {
        for (let at = 0; at < 64; at += 1) link.send({ kind: 'have', channel: 0, pieces });
        await new Promise(setImmediate);
      }
      assert.equal((await end).code, 'slow');
    },
    { maxControlBytes: 2 * MiB },
  );
});

test('calls of a peer that does not read the answers are bounded', async () => {
  await scene(
    async (it) => {
      const { link } = await asked(it);
      it.end.onCall = () => new Promise(() => undefined);
      it.raw.socket.pause();
      let ended = false;
      const end = link.closed.then((reason) => {
        ended = true;
        return reason;
      });
      for (let id = 0; id < 1_000_000 && !ended; ) {
        const calls: WireMessage[] = Array.from({ length: 1000 }, () => {
          id += 1;
          return { kind: 'call', id, timeoutMs: 1000, method: 'x', body: new Uint8Array() };
        });
        it.raw.say(...calls);
        await new Promise(setImmediate);
      }
      assert.equal((await end).code, 'slow');
    },
    { maxControlBytes: 256 * 1024 },
  );
});

test('a remote that hangs up in the middle of a piece is a lost link', async () => {
  await scene(async (it) => {
    const { link, piece } = await asked(it);
    it.raw.socket.end(Buffer.concat([bytes(head(0, 100)), chunk(0, Buffer.alloc(10))]));
    await assert.rejects(piece, { code: 'network_unreachable' });
    const { by, code } = await link.closed;
    assert.deepEqual([by, code], ['network', 'lost']);
  });
});

test('what crosses the end of a channel or of a request does no harm', async () => {
  await scene(async (it) => {
    const { link, piece } = await asked(it);
    link.send({ kind: 'close', channel: 0 });
    await it.raw.hear('close');
    it.raw.say({ kind: 'have', channel: 0, pieces: [1] }, { kind: 'request', channel: 0, piece: 2 });
    assert.equal((await it.raw.hear('reject')).code, 'closed');
    it.raw.say({ kind: 'cancel', channel: 0, piece: 2 }, { kind: 'close', channel: 0 });
    it.raw.say({ kind: 'reject', channel: 0, piece: 0, code: 'closed', retryAfterMs: 0 });
    await assert.rejects(piece, { reason: 'closed' });
  });
});
