// Appends records to a journal file. The file never has a hole: a failed write is simply written over by the one after it.
//
// A record goes into the page cache, and is written by this thread itself while that is quick: another thread takes longer
// to wake than the write takes. Where the disk has to be waited for, the pool does it, and records that arrive meanwhile
// go out together in the next write.

import { type BlobSpec, DiskPace } from '../core/index.ts';
import {
  encodeHeader,
  encodeRecords,
  headerSeed,
  type JournalContent,
  type JournalRecord,
} from './journal-format.ts';
import { type StoreFile, type StoreFs, writeFully } from './store-fs.ts';

interface Pending {
  readonly records: readonly JournalRecord[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Journal {
  readonly #fs: StoreFs;
  readonly #file: StoreFile;
  readonly #pace = new DiskPace();
  readonly #seed: number;
  #position: number;
  #sequence: number;
  #pending: Pending[] = [];
  #pumping = false;

  constructor(fs: StoreFs, file: StoreFile, at: { seed: number; position: number; sequence: number }) {
    this.#fs = fs;
    this.#file = file;
    this.#seed = at.seed;
    this.#position = at.position;
    this.#sequence = at.sequence;
  }

  /** How many records are in the file, by write(2): what survives the end of the process. */
  get written(): number {
    return this.#sequence;
  }

  /** Resolves when the records are in the page cache. */
  async append(records: readonly JournalRecord[]): Promise<void> {
    if (!this.#pumping && this.#pace.isQuick(performance.now())) return this.#writeHere(records);
    await new Promise<void>((resolve, reject) => {
      this.#pending.push({ records, resolve, reject });
      if (!this.#pumping) void this.#pump();
    });
  }

  async #pump(): Promise<void> {
    this.#pumping = true;
    while (this.#pending.length > 0) {
      const batch = this.#pending;
      this.#pending = [];
      try {
        await this.#write(batch.flatMap(({ records }) => records));
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#pumping = false;
  }

  #writeHere(records: readonly JournalRecord[]): void {
    const bytes = encodeRecords(records, this.#sequence, this.#seed);
    const beganMs = performance.now();
    for (let done = 0; done < bytes.length; ) {
      done += this.#fs.writeNow(this.#file, bytes.subarray(done), this.#position + done);
    }
    this.#pace.took(bytes.length, beganMs, performance.now());
    this.#wrote(bytes, records);
  }

  async #write(records: readonly JournalRecord[]): Promise<void> {
    const bytes = encodeRecords(records, this.#sequence, this.#seed);
    await writeFully(this.#file, bytes, this.#position);
    this.#wrote(bytes, records);
  }

  #wrote(bytes: Buffer, records: readonly JournalRecord[]): void {
    this.#position += bytes.length;
    this.#sequence += records.length;
  }

  async sync(): Promise<void> {
    await this.#file.datasync();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

export async function createJournal(fs: StoreFs, path: string, spec: BlobSpec): Promise<Journal> {
  const file = await fs.open(path, 'w', 0o600);
  try {
    const header = encodeHeader(spec);
    await writeFully(file, header, 0);
    return new Journal(fs, file, { seed: headerSeed(header), position: header.length, sequence: 0 });
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Opens a journal behind its last whole record. */
export async function continueJournal(fs: StoreFs, path: string, content: JournalContent): Promise<Journal> {
  const file = await fs.open(path, 'r+');
  try {
    await file.truncate(content.validBytes);
    const { seed, validBytes, records } = content;
    return new Journal(fs, file, { seed, position: validBytes, sequence: records.length });
  } catch (error) {
    await file.close();
    throw error;
  }
}
