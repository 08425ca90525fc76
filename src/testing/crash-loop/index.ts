// Kills a downloading process at random moments, over and over, and looks at what its store has after each kill: all that
// it had told to be verified, and not one wrong byte. At the end of each download the output is compared as well.

import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  createManifest,
  type Digest,
  MiB,
  type OpenBlob,
  PieceMap,
  parseDigest,
  parseRepoPath,
  pieceSize,
  seededRandom,
  silentLogger,
} from '../../core/index.ts';
import { loadPieceHash } from '../../hashing/index.ts';
import type { DownloadFile } from '../../rpc/index.ts';
import { type DiskBlobStore, openBlobStore } from '../../store/index.ts';
import { systemClock } from '../../system/index.ts';
import { type DfgetLine, startDfget, startEmulator, wrongFiles } from '../cluster/index.ts';

export interface CrashLoopOptions {
  /** Everything is kept below it. */
  readonly folder: string;
  readonly kills: number;
  readonly sizeBytes: number;
  /** Of the origin: slow enough to be hit half way. */
  readonly bytesPerSecond: number;
  /** Of the moments. */
  readonly seed: number;
  readonly onKill?: (kill: CrashReport) => void;
}

/** What was found after one kill. */
export interface CrashReport {
  readonly kill: number;
  /** Bytes that the process had told to be verified. */
  readonly toldBytes: number;
  /** Bytes of verified pieces that the store has after it. */
  readonly heldBytes: number;
}

export interface CrashSummary {
  readonly kills: number;
  /** Downloads that came to their end in between. */
  readonly completed: number;
  readonly piecesChecked: number;
  /** Kills that hit a store with a partial blob in it. */
  readonly killsHalfWay: number;
}

const REPO = 'acme/crash';
const OUTPUT = 'out';
const CACHE = 'cache';

/** Throws an Error that names the kill where anything was lost or is wrong. */
export async function runCrashLoop(options: CrashLoopOptions): Promise<CrashSummary> {
  const { sizeBytes, bytesPerSecond } = options;
  const hub = await startEmulator({
    kind: 'huggingface',
    options: { bandwidth: { totalBytesPerSecond: bytesPerSecond } },
    repos: [{ id: REPO, model: { sizeBytes, shards: 3, seed: 'crash' } }],
  });
  try {
    return await new CrashLoop(options, hub.url).run();
  } finally {
    await hub.stop();
  }
}

class CrashLoop {
  readonly #options: CrashLoopOptions;
  readonly #hubUrl: string;
  readonly #random: () => number;
  /** By the digest that the hub publishes; filled by the first download that comes to its end. */
  readonly #truth = new Map<Digest, Buffer>();
  #files: readonly DownloadFile[] = [];
  #completed = 0;
  #piecesChecked = 0;
  #killsHalfWay = 0;

  constructor(options: CrashLoopOptions, hubUrl: string) {
    this.#options = options;
    this.#hubUrl = hubUrl;
    this.#random = seededRandom(options.seed);
  }

  async run(): Promise<CrashSummary> {
    await this.#finish();
    await this.#startAnew();
    for (let kill = 1; kill <= this.#options.kills; kill += 1) {
      const toldBytes = await this.#downloadAndKill();
      const heldBytes = await this.#checkStore(`kill ${kill}`);
      if (heldBytes < toldBytes) {
        throw new Error(`kill ${kill}: ${toldBytes} bytes were verified, ${heldBytes} are left`);
      }
      this.#options.onKill?.({ kill, toldBytes, heldBytes });
      if (heldBytes === this.#totalBytes()) {
        await this.#finish();
        await this.#startAnew();
      } else if (heldBytes > 0) this.#killsHalfWay += 1;
    }
    await this.#finish();
    return {
      kills: this.#options.kills,
      // The first one was for the truth.
      completed: this.#completed - 1,
      piecesChecked: this.#piecesChecked,
      killsHalfWay: this.#killsHalfWay,
    };
  }

  #totalBytes(): number {
    return this.#files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  #path(name: string): string {
    return join(this.#options.folder, name);
  }

  #start(onLine: (line: DfgetLine) => void) {
    const args = [`hf://${REPO}`, '-O', this.#path(OUTPUT), '--cache-dir', this.#path(CACHE), '--overwrite'];
    return startDfget(args, { env: { HF_ENDPOINT: this.#hubUrl }, onLine });
  }

  /** Lets a download come to its end, and compares the output with what the hub published. */
  async #finish(): Promise<void> {
    const result = await this.#start((line) => this.#note(line)).result;
    if (result.exitCode !== 0) throw new Error(`the download failed: ${result.stderr}`);
    const wrong = await wrongFiles(this.#path(OUTPUT), this.#files);
    if (wrong.length > 0) throw new Error(`the output is wrong: ${wrong.join(', ')}`);
    this.#completed += 1;
    for (const { path, digest } of this.#files) {
      this.#truth.set(digest as Digest, await readFile(join(this.#path(OUTPUT), path)));
    }
    this.#addPacks();
    await this.#checkStore('the end of a download');
  }

  /** What packs the small files are stored in, and the bytes of each. */
  #addPacks(): void {
    const listed = this.#files.map(({ path, sizeBytes, digest }) => ({
      path: parseRepoPath(path),
      sizeBytes,
      digest: parseDigest(digest),
    }));
    for (const { digest, parts = [] } of new PieceMap(createManifest(listed)).blobs) {
      const files = parts.map((part) => this.#truth.get(part.digest) ?? Buffer.alloc(0));
      if (files.length > 0) this.#truth.set(digest, Buffer.concat(files));
    }
  }

  async #startAnew(): Promise<void> {
    for (const name of [OUTPUT, CACHE]) await rm(this.#path(name), { recursive: true, force: true });
  }

  #note(line: DfgetLine): void {
    if (line.kind === 'resolved') this.#files = line.files;
  }

  /** Kills it some time after it began to move bytes, or before that; what it had told by then. */
  async #downloadAndKill(): Promise<number> {
    let toldBytes = 0;
    const started = Promise.withResolvers<void>();
    const run = this.#start((line) => {
      if (line.kind === 'resolved') started.resolve();
      if (line.kind === 'progress') toldBytes = line.bytesDone;
    });
    const isEarly = this.#random() < 0.1;
    await Promise.race([isEarly ? sleep(100 + this.#random() * 400) : started.promise, run.result]);
    await sleep(this.#random() * 1_200);
    run.child.kill('SIGKILL');
    await run.result;
    return toldBytes;
  }

  /** Opens the store as the next process would, and compares every piece that it holds. Bytes held. */
  async #checkStore(when: string): Promise<number> {
    const { hash } = await loadPieceHash();
    const store = await openBlobStore({
      folder: join(this.#path(CACHE), 'store'),
      logger: silentLogger,
      clock: systemClock,
      pieceHash: hash,
      waitForLockMs: 10_000,
    });
    try {
      return await this.#checkBlobs(store, when);
    } finally {
      await store.stop();
    }
  }

  async #checkBlobs(store: DiskBlobStore, when: string): Promise<number> {
    let heldBytes = 0;
    for (const { digest, sizeBytes, pieceLengthBytes, aliases } of store.list()) {
      const truth = [digest, ...aliases].map((name) => this.#truth.get(name)).find((bytes) => bytes);
      if (!truth) throw new Error(`${when}: the store has ${digest}, which is not the hub's`);
      const open = await store.open({ digest, sizeBytes, pieceLengthBytes });
      heldBytes += await this.#checkPieces(open, truth, when);
      await open.close();
    }
    return heldBytes;
  }

  async #checkPieces(open: OpenBlob, truth: Buffer, when: string): Promise<number> {
    let heldBytes = 0;
    for (const index of open.held.values()) {
      const bytes = Buffer.alloc(pieceSize(open.spec, index));
      await open.read(index, 0, bytes);
      const at = index * open.spec.pieceLengthBytes;
      if (!bytes.equals(truth.subarray(at, at + bytes.length))) {
        throw new Error(`${when}: piece ${index} of ${open.spec.digest} is wrong`);
      }
      heldBytes += bytes.length;
      this.#piecesChecked += 1;
    }
    return heldBytes;
  }
}

/** 40 MiB at 16 MiB/s: some four kills a download. */
export const CRASH_DEFAULTS = { sizeBytes: 40 * MiB, bytesPerSecond: 16 * MiB } as const;
