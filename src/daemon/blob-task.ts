// One blob of a swarm on this host, from its first piece to its verdict. A blob is complete only when the whole of it
// was found to be what the origin published: by the reader, who signs a verdict, or where no verdict comes, by this
// host itself.

import {
  AnaxError,
  assert,
  contentAlgorithm,
  type Digest,
  digestAlgorithm,
  digestHex,
  digestOf,
  isVerifiable,
  type MappedBlob,
  MiB,
  type OpenBlob,
  type PieceHash,
  type Verdict,
  type WholeDigests,
} from '../core/index.ts';

export type BlobStatus = 'filling' | 'checking' | 'complete' | 'failed';

/** Up to this size a host checks a blob's whole digest itself even with a verdict: it costs little and gives aliases. */
const ALWAYS_CHECKED_BYTES = 1 * MiB;

export class BlobTask {
  readonly mapped: MappedBlob;
  readonly open: OpenBlob;
  /** A file of the snapshot that has this content, for messages. */
  readonly path: string;
  status: BlobStatus;
  error: AnaxError | undefined;
  verdict: Verdict | undefined;
  /** The whole digests, once this host computed them. */
  whole: WholeDigests | undefined;
  /** Whether it was complete and lost pieces, which are being fetched again. */
  isDamaged = false;
  /** Why files of a pack can't be had; the others can. */
  readonly #fileErrors = new Map<Digest, AnaxError>();
  #settled = Promise.withResolvers<void>();

  constructor(mapped: MappedBlob, open: OpenBlob, path: string) {
    this.mapped = mapped;
    this.open = open;
    this.path = path;
    this.status = 'filling';
    this.#settled.promise.catch(noHarm);
    if (open.state === 'complete') this.complete();
  }

  get isSettled(): boolean {
    return this.status === 'complete' || this.status === 'failed';
  }

  /** Bytes of the pieces that are held. */
  get heldBytes(): number {
    const { held } = this.open;
    const { sizeBytes, pieceLengthBytes } = this.mapped;
    if (held.isFull) return sizeBytes;
    const last = held.length - 1;
    const short = held.has(last) ? held.length * pieceLengthBytes - sizeBytes : 0;
    return held.count * pieceLengthBytes - short;
  }

  /** Resolves when the blob is complete; rejects with why it can't be. */
  get settled(): Promise<void> {
    return this.#settled.promise;
  }

  complete(): void {
    this.status = 'complete';
    this.isDamaged = false;
    this.#settled.resolve();
  }

  /** Pieces of the complete blob turned out to be damaged: it is under way again. */
  reopen(): void {
    assert(this.status === 'complete', 'only what is complete can be damaged');
    this.status = 'filling';
    this.isDamaged = true;
    this.#settled = Promise.withResolvers();
    this.#settled.promise.catch(noHarm);
  }

  fail(error: AnaxError): void {
    if (this.isSettled) return;
    this.status = 'failed';
    this.error = error;
    this.#settled.reject(error);
  }

  /** A file of the pack is not to be had. The first reason stays. */
  failFile(digest: Digest, error: AnaxError): void {
    if (!this.#fileErrors.has(digest)) this.#fileErrors.set(digest, error);
  }

  get hasFailed(): boolean {
    return this.status === 'failed' || this.#fileErrors.size > 0;
  }

  /** Resolves when the file, the blob itself or one of a pack, is complete; rejects with why it can't be. */
  async fileSettled(digest: Digest): Promise<void> {
    await this.#settled.promise;
    const error = this.#fileErrors.get(digest);
    if (error) throw error;
  }

  get isSmall(): boolean {
    return this.mapped.sizeBytes <= ALWAYS_CHECKED_BYTES;
  }

  /** BLAKE3 over the digests of all pieces, in order. Every piece is held. */
  root(hash: PieceHash): Uint8Array {
    const count = this.open.held.length;
    const digests = new Uint8Array(count * 32);
    for (let index = 0; index < count; index += 1) {
      const proof = this.open.proof(index);
      assert(proof, 'a held piece has a proof');
      digests.set(proof.digest, index * 32);
    }
    return hash(digests);
  }

  /** Throws `digest_mismatch` unless the digests are of what the origin published. */
  check(whole: WholeDigests): void {
    this.whole = whole;
    const expected = this.mapped.digest;
    if (!isVerifiable(expected)) return;
    const actual = digestAlgorithm(expected) === 'sha256' ? whole.sha256 : whole.gitSha1;
    assert(actual, 'the digest that a blob is known by is computed');
    if (actual !== expected) throw mismatch(this.path, expected, actual);
  }

  /** Other names of the content. */
  aliases(): Digest[] {
    const names = this.whole ? digestsOf(this.whole) : verdictName(this.verdict);
    return [...names, this.mapped.digest].filter((name) => name !== this.open.spec.digest);
  }
}

/** Whoever waits for a blob sees why it failed; that nobody waits is no bug. */
function noHarm(): void {}

function digestsOf({ sha256, gitSha1 }: WholeDigests): Digest[] {
  return gitSha1 === undefined ? [sha256] : [sha256, gitSha1];
}

function verdictName(verdict: Verdict | undefined): Digest[] {
  if (!verdict?.sha256.some((byte) => byte !== 0)) return [];
  return [`sha256:${Buffer.from(verdict.sha256).toString('hex')}` as Digest];
}

export function mismatch(path: string, expected: Digest, actual: Digest): AnaxError {
  return new AnaxError('digest_mismatch', path, { details: { file: path, expected, actual } });
}

/** The sha256 of a verdict: what the reader computed, or zeros where it did not. */
export function sha256Bytes(whole: WholeDigests | undefined, digest: Digest): Uint8Array {
  if (whole) return Buffer.from(digestHex(whole.sha256), 'hex');
  if (digestAlgorithm(digest) === 'sha256') return Buffer.from(digestHex(digest), 'hex');
  return new Uint8Array(32);
}

/** What a bad verdict of a reader says, as an error on this host. */
export function errorOfVerdict(path: string, expected: Digest, verdict: Verdict): AnaxError {
  const [actual] = verdictName(verdict);
  if (actual === undefined || digestAlgorithm(expected) !== 'sha256') {
    return new AnaxError('digest_mismatch', path, { details: { file: path, expected } });
  }
  return mismatch(path, expected, actual);
}

/** Throws `digest_mismatch` unless the bytes are what the digest says, where it says something of them. */
export function checkContent(path: string, digest: Digest, bytes: Uint8Array): void {
  const algorithm = contentAlgorithm(digest);
  if (!algorithm) return;
  const actual = digestOf(algorithm, bytes);
  if (actual !== digest) throw mismatch(path, digest, actual);
}

/** An empty file has no pieces to transfer, but its published digest is checked all the same. */
export function checkEmptyFile(path: string, digest: Digest): void {
  checkContent(path, digest, new Uint8Array(0));
}
