// One running read of the origin: a stretch of one blob, cut into pieces as the bytes arrive. A connection that is cut
// is taken up where it ended, by a new request for the rest; bytes that arrived are not asked for again.

import {
  AnaxError,
  type Clock,
  type Credentials,
  type ListedFile,
  type OriginStream,
  type PieceIntake,
  type PinnedRef,
  type Source,
} from '../core/index.ts';

export interface OriginReadJob {
  readonly source: Source;
  readonly ref: PinnedRef;
  readonly file: ListedFile;
  readonly pieceLengthBytes: number;
  /** Of the blob. */
  readonly firstPiece: number;
  /** The first piece not to be read. It may come down while the read runs: another reads the rest. */
  readonly endPiece: () => number;
  /** The server knows no ranges: what comes before the first piece may be read as well. */
  readonly mayReadThrough?: boolean;
  readonly credentials: Credentials;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Resolves when a request may be sent; what it gives is called when the answer has ended. */
  readonly begin: () => Promise<() => void>;
  /** Resolves when the origin may be asked for bytes. */
  readonly mayAsk: () => Promise<void>;
  /** Resolves when more of them may be taken. */
  readonly mayRead: () => Promise<void>;
  /** Bytes as they arrive. The next are taken when it resolves. */
  readonly onBytes: (bytes: number) => Promise<void>;
  /** Takes what comes in in this thread. */
  readonly intakeOf: (stream: OriginStream, capacityBytes: number) => PieceIntake;
  /** A whole piece; it is there until the promise resolves. */
  readonly onPiece: (index: number, piece: PieceIntake) => Promise<void>;
}

/** Cuts in a row without a byte between before the read gives up. */
const MAX_FRUITLESS_RESUMES = 5;
const RESUME_PAUSE_MS = 200;

/** Resolves when every piece was handed over; throws what the source says otherwise. */
export async function runOriginRead(job: OriginReadJob): Promise<void> {
  const progress = new Progress(job);
  let fruitless = 0;
  while (!progress.done) {
    const before = progress.position;
    try {
      await streamInto(job, progress);
    } catch (error) {
      if (!isCut(error) || job.signal.aborted) throw error;
      fruitless = progress.position > before ? 0 : fruitless + 1;
      if (fruitless > MAX_FRUITLESS_RESUMES) throw error;
      await job.clock.sleep(RESUME_PAUSE_MS * 2 ** fruitless, job.signal);
    }
  }
}

function isCut(error: unknown): boolean {
  return (
    error instanceof AnaxError && (error.code === 'network_unreachable' || error.code === 'network_timeout')
  );
}

async function streamInto(job: OriginReadJob, progress: Progress): Promise<void> {
  await job.mayAsk();
  const end = await job.begin();
  const range = { start: progress.position, end: progress.end };
  const { credentials, signal, mayReadThrough = false } = job;
  try {
    const stream = await job.source.get(job.ref, job.file, range, { credentials, signal, mayReadThrough });
    const capacityBytes = progress.pieceSize;
    const intake = stream.intake?.(capacityBytes) ?? job.intakeOf(stream, capacityBytes);
    try {
      await progress.continueIn(intake);
      await takePieces(job, progress, intake);
    } catch (error) {
      await progress.keepFrom(intake);
      throw error;
    } finally {
      await intake.close();
    }
  } finally {
    end();
  }
}

async function takePieces(job: OriginReadJob, progress: Progress, intake: PieceIntake): Promise<void> {
  while (!progress.done) {
    const bytes = await intake.gather(progress.filled, progress.pieceSize - progress.filled);
    if (bytes === 0)
      throw new AnaxError('network_unreachable', 'the origin gave fewer bytes than it was asked for');
    progress.filled += bytes;
    await job.onBytes(bytes);
    if (progress.filled === progress.pieceSize) {
      await job.onPiece(progress.piece, intake);
      progress.next();
    }
    if (!progress.done) await job.mayRead();
  }
}

/** How far a read is. The first pieces are the longest: only the last of a file is shorter. */
class Progress {
  readonly #job: OriginReadJob;
  /** The piece that is being read. */
  piece: number;
  /** Bytes of it that have arrived. */
  filled = 0;
  /** Those bytes, where the stream that they came by was cut. */
  #kept: Uint8Array | undefined;

  constructor(job: OriginReadJob) {
    this.#job = job;
    this.piece = job.firstPiece;
  }

  get #pieceStart(): number {
    return this.piece * this.#job.pieceLengthBytes;
  }

  get pieceSize(): number {
    const { pieceLengthBytes, file } = this.#job;
    return Math.min(pieceLengthBytes, file.sizeBytes - this.#pieceStart);
  }

  /** In the file. */
  get position(): number {
    return this.#pieceStart + this.filled;
  }

  get end(): number {
    return Math.min(this.#job.endPiece() * this.#job.pieceLengthBytes, this.#job.file.sizeBytes);
  }

  get done(): boolean {
    return this.position >= this.end;
  }

  next(): void {
    this.piece += 1;
    this.filled = 0;
  }

  /** What a new request continues is taken over from the one that was cut. */
  async continueIn(intake: PieceIntake): Promise<void> {
    if (this.#kept) await intake.refill(this.#kept);
    this.#kept = undefined;
  }

  /** Keeps what has arrived of a piece; where it is lost with its thread, the piece is read again. */
  async keepFrom(intake: PieceIntake): Promise<void> {
    if (this.filled === 0) return;
    try {
      this.#kept = (await intake.bytes()).slice();
    } catch {
      this.filled = 0;
    }
  }
}
