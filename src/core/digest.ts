// Digests name content. `sha256:` is the hash of the bytes; `git-sha1:` is git's blob id of the bytes (what a hub
// publishes for small files); `origin:` stands in where an origin publishes no hash: it names a URL at one version
// (strong validator and size), so it identifies content but cannot verify it; `pack:` names a row of small files (see
// pack.ts), which are verified one by one.

import { createHash, type Hash } from 'node:crypto';
import type { Brand } from './brand.ts';
import { AnaxError } from './error.ts';

export type ContentAlgorithm = 'sha256' | 'git-sha1';

export type DigestAlgorithm = ContentAlgorithm | 'origin' | 'pack';

/** `<algorithm>:<lower-case hex>`, checked. */
export type Digest = Brand<string, 'Digest'>;

const HEX_LENGTH: Readonly<Record<DigestAlgorithm, number>> = {
  sha256: 64,
  'git-sha1': 40,
  origin: 64,
  pack: 64,
};
const FORM = /^(sha256|git-sha1|origin|pack):([0-9a-f]+)$/u;

/** Reads a digest; throws `usage_invalid` where it is none. */
export function parseDigest(text: string): Digest {
  const match = FORM.exec(text.toLowerCase());
  const algorithm = match?.[1] as DigestAlgorithm | undefined;
  if (!match || !algorithm || match[2]?.length !== HEX_LENGTH[algorithm]) {
    throw new AnaxError('usage_invalid', `not a digest: ${text.slice(0, 100)}`, {
      hint: 'a digest is written sha256:<64 hex digits> or git-sha1:<40 hex digits>',
    });
  }
  return match[0] as Digest;
}

export function digestFromHex(algorithm: DigestAlgorithm, hex: string): Digest {
  return parseDigest(`${algorithm}:${hex}`);
}

export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.slice(0, digest.indexOf(':')) as DigestAlgorithm;
}

export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** The hash function that the bytes can be checked by; `undefined` where the digest only names them. */
export function contentAlgorithm(digest: Digest): ContentAlgorithm | undefined {
  const algorithm = digestAlgorithm(digest);
  return algorithm === 'sha256' || algorithm === 'git-sha1' ? algorithm : undefined;
}

/** Whether the bytes can be checked against the digest. */
export function isVerifiable(digest: Digest): boolean {
  return contentAlgorithm(digest) !== undefined;
}

/** Identity of content whose origin publishes no hash: where it is, at which version, how large. */
export function originDigest(url: string, validator: string, sizeBytes: number): Digest {
  const hex = createHash('sha256').update(`${url}\0${validator}\0${sizeBytes}`).digest('hex');
  return `origin:${hex}` as Digest;
}

/** A running hash over content of a known size, in order. `origin:` digests have none. */
export interface ContentHasher {
  update(bytes: Uint8Array): void;
  digest(): Digest;
}

export function createContentHasher(algorithm: ContentAlgorithm, sizeBytes: number): ContentHasher {
  const hash: Hash = createHash(algorithm === 'sha256' ? 'sha256' : 'sha1');
  if (algorithm === 'git-sha1') hash.update(`blob ${sizeBytes}\0`);
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => `${algorithm}:${hash.digest('hex')}` as Digest,
  };
}

export function digestOf(algorithm: ContentAlgorithm, bytes: Uint8Array): Digest {
  const hasher = createContentHasher(algorithm, bytes.length);
  hasher.update(bytes);
  return hasher.digest();
}
