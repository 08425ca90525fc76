// A body in chunks (RFC 9112, 7.1), taken apart. Extensions and trailers are read over.

import { AnaxError } from '../core/index.ts';
import { type BulkBody, dumpBody, type LargeBody } from './bulk-body.ts';

/** A chunk's size line, and each line of the trailer, at most. */
const MAX_LINE_CHARACTERS = 4_096;

/** The same body without its framing. Throws `origin_protocol`, and `network_unreachable` where it is cut. */
export function dechunked(body: BulkBody): LargeBody {
  const chunks = { [Symbol.asyncIterator]: () => dechunk(body) };
  return {
    ...chunks,
    dump: ({ limit }) => dumpBody(chunks, limit),
    destroy: () => body.destroy(),
  };
}

async function* dechunk(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let state: 'size' | 'data' | 'end of data' | 'trailer' = 'size';
  let left = 0;
  let line = '';
  for await (const bytes of source) {
    for (let at = 0; at < bytes.length; ) {
      if (state === 'data') {
        const data = bytes.subarray(at, at + left);
        yield data;
        at += data.length;
        left -= data.length;
        if (left === 0) state = 'end of data';
        continue;
      }
      const byte = bytes[at] ?? 0;
      at += 1;
      if (byte !== 0x0a) {
        line += String.fromCharCode(byte);
        if (line.length > MAX_LINE_CHARACTERS) throw wrong();
        continue;
      }
      const text = line.replace(/\r$/u, '');
      line = '';
      if (state === 'size') {
        left = sizeIn(text);
        state = left === 0 ? 'trailer' : 'data';
      } else if (state === 'end of data') {
        if (text !== '') throw wrong();
        state = 'size';
      } else if (text === '') return;
    }
  }
  throw new AnaxError('network_unreachable', 'the connection closed within a body in chunks');
}

function sizeIn(line: string): number {
  const digits = /^([0-9a-f]{1,12})[ \t]*(?:;.*)?$/iu.exec(line)?.[1];
  if (digits === undefined) throw wrong();
  return Number.parseInt(digits, 16);
}

function wrong(): AnaxError {
  return new AnaxError('origin_protocol', 'a body in chunks makes no sense');
}
