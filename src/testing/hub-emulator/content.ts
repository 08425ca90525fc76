/**
 * What a file of an emulated hub consists of: bytes in memory, a file on disk, generated data, or several of
 * these in a row. Content is read at any offset into a buffer of the caller, so 10 GiB cost no memory.
 * Invariant: the bytes at an offset never change during the life of a Content; digests are computed at most once.
 */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { open } from 'node:fs/promises';

export interface Content {
  readonly sizeBytes: number;
  /** Fills `target` from `offsetBytes` on; returns how many bytes it wrote (0 only at the end). */
  readInto(target: Uint8Array, offsetBytes: number): number | Promise<number>;
  /** Hex SHA-256 of all bytes: a hub's LFS oid. Streamed at the first call (about 0.5 s a GiB), then remembered. */
  sha256(): Promise<string>;
  /** Hex SHA-1 of the git blob: a hub's id of a small file. */
  gitSha1(): Promise<string>;
}

export interface KnownDigests {
  readonly sha256?: string;
  readonly gitSha1?: string;
}

/** Bytes read at a time while hashing. */
const HASH_CHUNK_BYTES = 1 << 20;
/** Bytes hashed before other events get a turn: about 4 ms. */
const HASH_TURN_BYTES = 8 << 20;

/** Content from a read function. `known` digests are believed, so that 60 GB of zeros need no hashing. */
export function makeContent(
  sizeBytes: number,
  readInto: Content['readInto'],
  known: KnownDigests = {},
): Content {
  let sha256: Promise<string> | undefined = known.sha256 ? Promise.resolve(known.sha256) : undefined;
  let gitSha1: Promise<string> | undefined = known.gitSha1 ? Promise.resolve(known.gitSha1) : undefined;
  const content: Content = {
    sizeBytes,
    readInto,
    sha256: () => (sha256 ??= digest(content, 'sha256', '')),
    gitSha1: () => (gitSha1 ??= digest(content, 'sha1', `blob ${sizeBytes}\0`)),
  };
  return content;
}

export function bytesContent(data: Uint8Array | string): Content {
  const bytes = typeof data === 'string' ? Buffer.from(data, 'utf8') : data;
  return makeContent(bytes.byteLength, (target, offsetBytes) => {
    const slice = bytes.subarray(offsetBytes, offsetBytes + target.byteLength);
    target.set(slice);
    return slice.byteLength;
  });
}

/** A file on disk, which must not change while it is served. */
export function fileContent(path: string, known: KnownDigests = {}): Content {
  const read = async (target: Uint8Array, offsetBytes: number): Promise<number> => {
    await using handle = await open(path, 'r');
    return (await handle.read(target, 0, target.byteLength, offsetBytes)).bytesRead;
  };
  return makeContent(statSync(path).size, read, known);
}

/** Zeros: the cheapest content for sizes that only have to be announced (give the digest, it is not computed). */
export function zeroContent(sizeBytes: number, known: KnownDigests = {}): Content {
  const read = (target: Uint8Array, offsetBytes: number): number => {
    const length = Math.max(0, Math.min(target.byteLength, sizeBytes - offsetBytes));
    target.fill(0, 0, length);
    return length;
  };
  return makeContent(sizeBytes, read, known);
}

/** Several contents in a row, e.g. a safetensors header and its generated tensors. */
export function concatContent(parts: readonly Content[]): Content {
  const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
  return makeContent(sizeBytes, (target, offsetBytes) => {
    let start = 0;
    for (const part of parts) {
      if (offsetBytes < start + part.sizeBytes) {
        const room = Math.min(target.byteLength, start + part.sizeBytes - offsetBytes);
        return part.readInto(target.subarray(0, room), offsetBytes - start);
      }
      start += part.sizeBytes;
    }
    return 0;
  });
}

/** All bytes of a small content at once. */
export async function readAll(content: Content, limitBytes = 64 << 20): Promise<Buffer> {
  if (content.sizeBytes > limitBytes) throw new RangeError(`content of ${content.sizeBytes} bytes`);
  const all = Buffer.alloc(content.sizeBytes);
  await readFully(content, all, 0);
  return all;
}

/** Fills `target` completely unless the content ends; returns the bytes written. */
export async function readFully(content: Content, target: Uint8Array, offsetBytes: number): Promise<number> {
  let done = 0;
  while (done < target.byteLength) {
    const read = await content.readInto(target.subarray(done), offsetBytes + done);
    if (read === 0) break;
    done += read;
  }
  return done;
}

async function digest(content: Content, algorithm: 'sha1' | 'sha256', prefix: string): Promise<string> {
  const hash = createHash(algorithm).update(prefix);
  const chunk = Buffer.allocUnsafe(Math.min(HASH_CHUNK_BYTES, content.sizeBytes));
  for (let offset = 0, turn = 0; offset < content.sizeBytes; ) {
    const read = await content.readInto(chunk, offset);
    if (read === 0) throw new RangeError(`content ends at ${offset} of ${content.sizeBytes} bytes`);
    hash.update(chunk.subarray(0, read));
    offset += read;
    turn += read;
    if (turn >= HASH_TURN_BYTES) {
      turn = 0;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return hash.digest('hex');
}
