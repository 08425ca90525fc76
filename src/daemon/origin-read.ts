// One running read of the origin: a stretch of one blob, cut into pieces as the bytes arrive. A connection that is cut
// is taken up where it ended, by a new request for the rest; bytes that arrived are not asked for again.

import {
  AnaxError,
  type Clock,
  type Credentials,
  type ListedFile,
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
  /** A whole piece; its bytes are good until the promise resolves. */
  readonly onPiece: (index: number, bytes: Buffer) => Promise<void>;
}

/** Cuts in a row without a byte between before the read gives up. */
const MAX_FRUITLESS_RESUMES = 5;
const RESUME_PAUSE_MS = 200;

/** Resolves when every piece was handed over; throws what the source says otherwise. */
export async function runOriginRead(job: OriginReadJob): Promise<void> {
  const assembly = new PieceAssembly(job);
  let fruitless = 0;
  while (!assembly.done) {
    const before = assembly.position;
    try {
      await streamInto(job, assembly);
    } catch (error) {
      if (!isCut(error) || job.signal.aborted) throw error;
      fruitless = assembly.position > before ? 0 : fruitless + 1;
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

async function streamInto(job: OriginReadJob, assembly: PieceAssembly): Promise<void> {
  await job.mayAsk();
  const end = await job.begin();
  const range = { start: assembly.position, end: assembly.end };
  const context = { credentials: job.credentials, signal: job.signal };
  try {
    for await (const chunk of job.source.get(job.ref, job.file, range, context)) {
      await job.onBytes(chunk.length);
      await assembly.add(chunk);
      if (assembly.done) return;
      await job.mayRead();
    }
  } finally {
    end();
  }
}

/** Gathers chunks into whole pieces, in one buffer: a piece is stored before the next begins. */
class PieceAssembly {
  position: number;
  readonly #job: OriginReadJob;
  readonly #buffer: Buffer;
  #filled = 0;

  constructor(job: OriginReadJob) {
    this.#job = job;
    this.position = job.firstPiece * job.pieceLengthBytes;
    this.#buffer = Buffer.allocUnsafeSlow(Math.min(job.pieceLengthBytes, this.end - this.position));
  }

  get end(): number {
    return Math.min(this.#job.endPiece() * this.#job.pieceLengthBytes, this.#job.file.sizeBytes);
  }

  get done(): boolean {
    return this.position >= this.end;
  }

  async add(chunk: Uint8Array): Promise<void> {
    for (let taken = 0; taken < chunk.length && !this.done; ) {
      const { pieceLengthBytes } = this.#job;
      const index = Math.floor(this.position / pieceLengthBytes);
      const size = Math.min(pieceLengthBytes, this.end - index * pieceLengthBytes);
      const take = Math.min(size - this.#filled, chunk.length - taken);
      this.#buffer.set(chunk.subarray(taken, taken + take), this.#filled);
      this.#filled += take;
      this.position += take;
      taken += take;
      if (this.#filled < size) continue;
      this.#filled = 0;
      await this.#job.onPiece(index, this.#buffer.subarray(0, size));
    }
  }
}
