import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  AnaxError,
  type Digest,
  MAX_PIECE_LENGTH_BYTES,
  MAX_PIECES,
  type PeerId,
  type SnapshotId,
} from '../core/index.ts';
import { decodeMessage, encodeMessage } from './codec.ts';
import { frameTypes } from './frame-types.ts';
import { goodbyeCodes, refusalCodes, rejectCodes, type WireMessage } from './messages.ts';

const u32 = fc.nat(2 ** 32 - 1);
const channel = u32;
const piece = fc.nat(MAX_PIECES - 1);
const hex = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((value) => Buffer.from(value).toString('hex'));
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const upTo = (length: number) => fc.uint8Array({ maxLength: length });
const peerId = hex(16) as fc.Arbitrary<PeerId>;
const snapshot = hex(32) as fc.Arbitrary<SnapshotId>;
const digest = fc.oneof(
  hex(32).map((text) => `sha256:${text}` as Digest),
  hex(20).map((text) => `git-sha1:${text}` as Digest),
  hex(32).map((text) => `origin:${text}` as Digest),
);
const constant = <Kind extends string>(kind: Kind) => fc.constant(kind);
const method = fc.stringMatching(/^[!-~]{1,64}$/u);

const proof = fc.record(
  { digest: bytes(32), signer: peerId, signature: bytes(64) },
  { noNullPrototype: true },
);
const grant = fc.record(
  { snapshot, epoch: fc.nat(2 ** 48 - 1), readerKey: bytes(32), signature: bytes(64) },
  { noNullPrototype: true },
);
const verdict = fc.record(
  {
    blob: digest,
    good: fc.boolean(),
    root: bytes(32),
    sha256: bytes(32),
    signer: peerId,
    signature: bytes(64),
  },
  { noNullPrototype: true },
);

const shapes = {
  hello: {
    kind: constant('hello'),
    version: fc.nat(0xffff),
    peerId,
    publicKey: bytes(32),
    listenPort: fc.nat(0xffff),
    features: u32,
  },
  goodbye: {
    kind: constant('goodbye'),
    code: fc.constantFrom(...goodbyeCodes),
    text: fc.string({ unit: 'grapheme-ascii', maxLength: 256 }),
  },
  ping: { kind: constant('ping'), token: u32 },
  pong: { kind: constant('pong'), token: u32 },
  open: { kind: constant('open'), channel, snapshot, pieceCount: fc.nat(MAX_PIECES), ticket: upTo(1024) },
  opened: { kind: constant('opened'), channel, bitfield: upTo(2000) },
  bitfield: { kind: constant('bitfield'), channel, bitfield: upTo(2000) },
  refused: { kind: constant('refused'), channel, code: fc.constantFrom(...refusalCodes) },
  close: { kind: constant('close'), channel },
  have: { kind: constant('have'), channel, pieces: fc.array(piece, { maxLength: 200 }) },
  grants: { kind: constant('grants'), channel, grants: fc.array(grant, { maxLength: 8 }) },
  verdicts: { kind: constant('verdicts'), channel, verdicts: fc.array(verdict, { maxLength: 8 }) },
  request: { kind: constant('request'), channel, piece },
  cancel: { kind: constant('cancel'), channel, piece },
  reject: {
    kind: constant('reject'),
    channel,
    piece,
    code: fc.constantFrom(...rejectCodes),
    retryAfterMs: u32,
  },
  piece: {
    kind: constant('piece'),
    channel,
    piece,
    sizeBytes: fc.integer({ min: 1, max: MAX_PIECE_LENGTH_BYTES }),
    proof,
  },
  call: { kind: constant('call'), id: u32, timeoutMs: u32, method, body: upTo(2000) },
  answer: { kind: constant('answer'), id: u32, ok: fc.boolean(), last: fc.boolean(), body: upTo(2000) },
  abandon: { kind: constant('abandon'), id: u32 },
} satisfies Record<WireMessage['kind'], Record<string, fc.Arbitrary<unknown>>>;

const message = fc.oneof(
  ...Object.values(shapes).map((shape) =>
    fc.record(shape as Record<string, fc.Arbitrary<unknown>>, { noNullPrototype: true }),
  ),
) as unknown as fc.Arbitrary<WireMessage>;

function decodeFrame(frame: Buffer): WireMessage {
  assert.equal(frame.readUInt32BE(0), frame.length - 4);
  return decodeMessage(frame.readUInt8(4), frame.subarray(5));
}

test('every message comes back as it was sent', () => {
  fc.assert(
    fc.property(message, (sent) => {
      assert.deepEqual(decodeFrame(encodeMessage(sent)), sent);
    }),
    { numRuns: 500 },
  );
});

test('what is decoded keeps nothing of the buffer that it was read from', () => {
  fc.assert(
    fc.property(message, (sent) => {
      const frame = encodeMessage(sent);
      const received = decodeFrame(frame);
      frame.fill(0xee);
      assert.deepEqual(received, sent);
    }),
  );
});

test('any bytes are a message or a peer_protocol error', () => {
  const types = fc.oneof(fc.nat(255), fc.constantFrom(...Object.values(frameTypes).map(({ type }) => type)));
  fc.assert(
    fc.property(types, fc.uint8Array({ maxLength: 400 }), (type, payload) => {
      try {
        decodeMessage(type, Buffer.from(payload));
      } catch (error) {
        assert.ok(error instanceof AnaxError && error.code === 'peer_protocol', String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

test('a message that is cut short or made longer never passes for the same one', () => {
  fc.assert(
    fc.property(message, fc.boolean(), (sent, longer) => {
      const frame = encodeMessage(sent);
      const payload = frame.subarray(5);
      const changed = longer ? Buffer.concat([payload, Buffer.from([0])]) : payload.subarray(0, -1);
      if (payload.length === 0) return;
      try {
        assert.notDeepEqual(
          decodeMessage(frame.readUInt8(4), changed),
          sent.kind === 'hello' ? undefined : sent,
        );
      } catch (error) {
        assert.ok(error instanceof AnaxError, String(error));
      }
    }),
  );
});

test('a hello of a later version may have more fields', () => {
  const hello = fc.sample(fc.record(shapes.hello, { noNullPrototype: true }), 1)[0] as WireMessage;
  const frame = encodeMessage(hello);
  assert.deepEqual(decodeMessage(1, Buffer.concat([frame.subarray(5), Buffer.alloc(40, 9)])), hello);
});
