// A host's reading of the origin, as src/daemon/origin-side.ts and origin-read.ts do it: streams of pieces that are
// held, cut, taken up again, retried, and ended when the lease is lost.

import { AnaxError, type ErrorRecord, type Range, toErrorRecord } from '../core/index.ts';
import type { ReadPace } from '../swarm/index.ts';
import type { Entry } from './agenda.ts';
import type { Transfer } from './flows.ts';
import type { SimHost } from './host.ts';
import { PIECE_BYTES } from './options.ts';
import type { World } from './world.ts';

const MAX_ATTEMPTS = 6;
const BACKOFF_BASE_MS = 500;
const RESUME_PAUSE_MS = 200;

/** A running read: a stretch of pieces in one request, or in several when it is cut. */
interface Read {
  readonly readId: number;
  pieces: Range;
  /** The piece that is coming, and how much of it has not come. */
  piece: number;
  leftBytes: number;
  attempts: number;
  /** Of the URL that it asks. */
  urlAge: number;
  transfer: Transfer | undefined;
  pause: Entry | undefined;
  close: () => void;
}

export class OriginReader {
  readonly #world: World;
  readonly #host: SimHost;
  readonly #reads = new Set<Read>();
  /** Reads that wait for the swarm. */
  readonly #held = new Set<Read>();
  #pace: ReadPace = 'all';
  #pausedUntilMs = 0;
  /** Of the lease that this host has; 0 for none. */
  leaseEpoch = 0;
  /** Whether it has a grant to be elected by. */
  isDeputy = false;

  constructor(world: World, host: SimHost) {
    this.#world = world;
    this.#host = host;
  }

  /** What is being read, for the checks. */
  *running(): Generator<Range> {
    for (const { pieces } of this.#reads) yield pieces;
  }

  takeLease(epoch: number, spans: readonly Range[]): void {
    this.leaseEpoch = epoch;
    this.#host.feed({ kind: 'lease', epoch, spans });
  }

  loseLease(epoch: number): void {
    if (this.leaseEpoch === 0 || this.leaseEpoch > epoch) return;
    this.leaseEpoch = 0;
    const ended = [...this.#reads];
    this.stop();
    this.#host.feed({ kind: 'leaseLost' });
    for (const { readId } of ended) this.#host.feed({ kind: 'readEnded', readId, error: undefined });
  }

  leaseDone(epoch: number, error: ErrorRecord | undefined): void {
    this.leaseEpoch = 0;
    const ended = {
      kind: 'leaseDone',
      peer: this.#host.info.id,
      snapshot: this.#world.snapshot,
      epoch,
    } as const;
    this.#host.session?.attendance.send(error ? { ...ended, error } : ended);
  }

  shorten(readId: number, end: number): void {
    for (const read of this.#reads) {
      if (read.readId !== readId) continue;
      read.pieces = { ...read.pieces, end };
      if (read.piece < end) continue;
      this.#halt(read);
      this.#held.delete(read);
      this.#end(read, undefined);
    }
  }

  setPace(pace: ReadPace): void {
    this.#pace = pace;
    const waiting = [...this.#held];
    this.#held.clear();
    for (const read of waiting) this.#stream(read);
  }

  read(readId: number, pieces: Range): void {
    this.#world.checks.reading(this.#host, pieces);
    const read: Read = {
      readId,
      pieces,
      piece: pieces.start,
      leftBytes: PIECE_BYTES,
      attempts: 0,
      urlAge: this.#world.origin.urlAge,
      transfer: undefined,
      pause: undefined,
      close: () => {},
    };
    this.#reads.add(read);
    this.#request(read, 0);
  }

  /** What the scheduler says of the origin: here only its pauses. */
  share({ pauseMs }: { readonly pauseMs: number }): void {
    this.#pausedUntilMs = this.#world.agenda.nowMs + pauseMs;
  }

  #request(read: Read, afterMs: number): void {
    const { agenda, options, origin } = this.#world;
    read.pause = agenda.after(afterMs, () => {
      const pauseMs = this.#pausedUntilMs - agenda.nowMs;
      if (pauseMs > 0) return this.#request(read, pauseMs);
      origin.requests += 1;
      read.pause = agenda.after(options.originLatencyMs, () => {
        if (agenda.nowMs < origin.throttledUntilMs) return this.#throttled(read);
        if (origin.isFailing) return this.#refused(read);
        if (read.urlAge < origin.urlAge) return this.#resolveAgain(read);
        read.attempts = 0;
        read.close = origin.open(() => this.#cut(read));
        this.#stream(read);
      });
    });
  }

  /** It asks to wait, which is obeyed, and told to the others. */
  #throttled(read: Read): void {
    const { agenda, origin } = this.#world;
    const waitMs = origin.throttledUntilMs - agenda.nowMs;
    this.#host.session?.attendance.send({ kind: 'throttled', peer: this.#host.info.id, waitMs });
    this.#request(read, waitMs);
  }

  #resolveAgain(read: Read): void {
    read.urlAge = this.#world.origin.urlAge;
    this.#request(read, 0);
  }

  #refused(read: Read): void {
    read.attempts += 1;
    if (read.attempts < MAX_ATTEMPTS) {
      const jitter = 0.5 + this.#world.random() / 2;
      return this.#request(read, BACKOFF_BASE_MS * 2 ** (read.attempts - 1) * jitter);
    }
    this.#end(read, toErrorRecord(new AnaxError('origin_unavailable')));
  }

  #cut(read: Read): void {
    this.#held.delete(read);
    this.#halt(read);
    this.#request(read, RESUME_PAUSE_MS);
  }

  #stream(read: Read): void {
    if (this.#pace !== 'all' && this.#pace !== read.readId) {
      this.#held.add(read);
      return;
    }
    const pipes = [this.#world.origin.pipe, this.#host.down];
    read.transfer = this.#world.flows.start(pipes, read.leftBytes, () => this.#arrived(read));
  }

  #arrived(read: Read): void {
    const { origin } = this.#world;
    const { piece } = read;
    origin.bytes += read.leftBytes;
    origin.readCounts[piece] = (origin.readCounts[piece] ?? 0) + 1;
    this.#world.checks.readPiece(piece);
    read.transfer = undefined;
    read.piece += 1;
    read.leftBytes = PIECE_BYTES;
    const isLast = read.piece >= read.pieces.end;
    if (isLast) read.close();
    this.#host.store(piece, 'origin', () => {
      if (isLast && this.#reads.has(read)) this.#end(read, undefined);
    });
    if (!isLast) this.#stream(read);
  }

  #end(read: Read, error: ErrorRecord | undefined): void {
    this.#reads.delete(read);
    read.close();
    this.#host.feed({ kind: 'readEnded', readId: read.readId, error });
  }

  /** Stops the stream; what came of a piece is kept. */
  #halt(read: Read): void {
    const { agenda, flows, origin } = this.#world;
    read.close();
    if (read.pause) agenda.cancel(read.pause);
    if (!read.transfer) return;
    const leftBytes = flows.stop(read.transfer);
    origin.bytes += read.leftBytes - leftBytes;
    read.leftBytes = leftBytes;
    read.transfer = undefined;
  }

  stop(): void {
    for (const read of this.#reads) {
      this.#halt(read);
      this.#world.checks.abandonedBytes += PIECE_BYTES - read.leftBytes;
    }
    this.#reads.clear();
    this.#held.clear();
  }
}
