// `anax verify`: reads what the cache holds at a limited rate, drops exactly the pieces that are not what was once
// verified, and has what was complete made whole again.

import {
  type BlobStore,
  type Clock,
  MiB,
  type OpenBlob,
  type PieceHash,
  pieceSize,
  type StoredBlob,
} from '../core/index.ts';
import type { VerifyEvent, VerifyRequest } from '../rpc/index.ts';
import { ByteRate } from '../transport/index.ts';
import { namesIn, selectBlobs } from './cache-control.ts';
import { nanoseconds, pace } from './pace.ts';
import { checkPiece } from './piece-check.ts';
import type { RepairOutcome, Repairs } from './repairs.ts';

/** Per second; 2 TB take two hours and less than a tenth of a core. */
const DEFAULT_RATE_BYTES = 256 * MiB;

/** Progress is told this often. */
const PROGRESS_MS = 1_000;

export interface VerifyDeps {
  readonly store: BlobStore;
  readonly hash: PieceHash;
  readonly clock: Clock;
  readonly repairs: Pick<Repairs, 'note' | 'repair'>;
}

interface Repair {
  readonly blob: StoredBlob;
  readonly outcome: Promise<RepairOutcome>;
}

/** Throws `blob_not_found` for a target that is not there, and the signal's reason. */
export async function* verifyCache(
  deps: VerifyDeps,
  { target, bytesPerSecond = DEFAULT_RATE_BYTES }: VerifyRequest,
  signal: AbortSignal,
): AsyncGenerator<VerifyEvent> {
  const blobs = selectBlobs(deps.store, target);
  const totalBytes = blobs.reduce((sum, { heldBytes }) => sum + heldBytes, 0);
  const rate = new ByteRate();
  rate.set(bytesPerSecond, nanoseconds(deps.clock));
  const scrub = new Scrub(deps, rate, signal);
  const ended = new AbortController();
  const repairs: Repair[] = [];
  let badBlobs = 0;
  try {
    for (const [blobsDone, blob] of blobs.entries()) {
      const tell = (): VerifyEvent => ({
        kind: 'progress',
        blobs: blobsDone,
        totalBlobs: blobs.length,
        bytes: scrub.bytes,
        totalBytes,
      });
      const badPieces = yield* scrub.check(blob, tell);
      const { digest, sizeBytes } = blob;
      yield { kind: 'blob', digest, sizeBytes, good: badPieces === 0, badPieces };
      if (badPieces === 0) continue;
      badBlobs += 1;
      deps.repairs.note(digest, badPieces, 'a check of the cache');
      if (blob.state === 'complete') {
        const names = namesIn(blob);
        const until = AbortSignal.any([signal, ended.signal]);
        const outcome = deps.repairs.repair({ digest, names }, until);
        // Awaited below; an abort before that is no bug.
        outcome.catch(() => undefined);
        repairs.push({ blob, outcome });
      }
    }
    const repairedBlobs = yield* tellRepairs(repairs);
    yield { kind: 'done', blobs: blobs.length, badBlobs, repairedBlobs, bytes: scrub.bytes };
  } finally {
    ended.abort();
  }
}

/** How each repair went; how many went well. */
async function* tellRepairs(repairs: readonly Repair[]): AsyncGenerator<VerifyEvent, number> {
  let repaired = 0;
  for (const { blob, outcome } of repairs) {
    const result = await outcome;
    if (result.ok) repaired += 1;
    yield { kind: 'repair', digest: blob.digest, ...result };
  }
  return repaired;
}

class Scrub {
  readonly #deps: VerifyDeps;
  readonly #rate: ByteRate;
  readonly #signal: AbortSignal;
  #toldAtMs: number;
  /** Read so far. */
  bytes = 0;

  constructor(deps: VerifyDeps, rate: ByteRate, signal: AbortSignal) {
    this.#deps = deps;
    this.#rate = rate;
    this.#signal = signal;
    this.#toldAtMs = deps.clock.now();
  }

  /** Drops the wrong pieces of one blob; how many there were. */
  async *check(blob: StoredBlob, progress: () => VerifyEvent): AsyncGenerator<VerifyEvent, number> {
    const { digest, sizeBytes, pieceLengthBytes, state } = blob;
    const open = await this.#deps.store.open({ digest, sizeBytes, pieceLengthBytes });
    try {
      // A complete blob whose file was changed has lost its wrong pieces by being opened.
      const lost = state === 'complete' ? open.held.length - open.held.count : 0;
      return lost + (yield* this.#dropBad(open, progress));
    } finally {
      await open.close();
    }
  }

  async *#dropBad(open: OpenBlob, progress: () => VerifyEvent): AsyncGenerator<VerifyEvent, number> {
    const { spec, held } = open;
    const bad: number[] = [];
    let lost = 0;
    const buffer = Buffer.allocUnsafe(Math.min(spec.pieceLengthBytes, spec.sizeBytes));
    for (const index of held.values()) {
      this.#signal.throwIfAborted();
      let finding = await checkPiece(open, index, this.#deps.hash, buffer);
      if (finding === 'changed') {
        lost += await this.#lostByChange(open);
        if (!held.has(index)) continue;
        finding = await checkPiece(open, index, this.#deps.hash, buffer);
      }
      if (finding !== 'good') bad.push(index);
      const size = pieceSize(spec, index);
      this.bytes += size;
      if (this.#isTimeToTell()) yield progress();
      await pace(this.#rate, this.#deps.clock, size, this.#signal);
    }
    if (bad.length > 0) await open.drop(bad);
    return lost + bad.length;
  }

  /** The file was changed a moment ago: the store looks what is left of it. How many pieces are not. */
  async #lostByChange({ spec, held }: OpenBlob): Promise<number> {
    const before = held.count;
    await this.#deps.store.find(spec.digest);
    return before - held.count;
  }

  #isTimeToTell(): boolean {
    const nowMs = this.#deps.clock.now();
    if (nowMs < this.#toldAtMs + PROGRESS_MS) return false;
    this.#toldAtMs = nowMs;
    return true;
  }
}
