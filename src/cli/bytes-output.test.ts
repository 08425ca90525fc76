import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { AnaxError } from '../core/index.ts';
import { createBytesOutput } from './bytes-output.ts';

const BYTES = Buffer.from('bytes');
const never = new AbortController().signal;

test('a write ends when the bytes were taken', async () => {
  const written: string[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      setImmediate(() => {
        written.push(chunk.toString());
        done();
      });
    },
  });
  const output = createBytesOutput(stream);
  await output.write(BYTES, never);
  assert.deepEqual(written, ['bytes']);
  assert.equal(output.isStuck, false);
  assert.equal(stream.listenerCount('error'), 0);
});

test('an error is told once, to who writes', async () => {
  const error = Object.assign(new Error('no reader'), { code: 'EPIPE' });
  const stream = new Writable({ write: (_chunk, _encoding, done) => done(error) });
  const output = createBytesOutput(stream);
  await assert.rejects(output.write(BYTES, never), error);
  await new Promise(setImmediate);
  assert.equal(output.isStuck, false);
});

test('an abort does not wait for who reads, and leaves the output stuck', async () => {
  const output = createBytesOutput(new Writable({ write: () => undefined }));
  const abort = new AbortController();
  const writing = output.write(BYTES, abort.signal);
  const reason = new AnaxError('interrupted');
  abort.abort(reason);
  await assert.rejects(writing, reason);
  assert.equal(output.isStuck, true);
  await assert.rejects(output.write(BYTES, abort.signal), reason);
});
