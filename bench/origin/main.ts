// npm run bench:origin: what reading the origin costs: in processor time of this process, and of a seed.

import { spawn } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { GiB, MiB, type PinnedRef, type Source, silentLogger } from '../../src/core/index.ts';
import { createSources } from '../../src/sources/index.ts';
import { systemClock } from '../../src/system/index.ts';
import { rounded, type Spread, spreadOf, spreadText, tableText } from '../kit/figures.ts';
import { installTools } from '../kit/packages.ts';
import { createWorkspace, describeMachine } from '../kit/workspace.ts';
import { Nginx } from '../wire/rivals.ts';
import { type OriginOptions, readOriginOptions } from './options.ts';
import { OriginSeed } from './seed.ts';

interface Reading {
  readonly gibPerSecond: number;
  readonly cpuSecondsPerGib: number;
  /** Of that, what the main thread takes; only of a seed, which has others. */
  readonly mainThreadSecondsPerGib?: number;
}

const PIECE_BYTES = 4 * MiB;

/** As a seed reads: each chunk is copied once into a piece, which here is used again and again. */
async function readRange(source: Source, ref: PinnedRef, start: number, end: number): Promise<void> {
  const context = { credentials: {}, signal: new AbortController().signal };
  const [file] = await source.list(ref, context);
  if (!file) throw new Error('the server has no such file');
  const piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
  let filled = 0;
  for await (const chunk of await source.get(ref, file, { start, end }, context)) {
    for (let taken = 0; taken < chunk.length; ) {
      const part = chunk.subarray(taken, taken + PIECE_BYTES - filled);
      piece.set(part, filled);
      taken += part.length;
      filled = (filled + part.length) % PIECE_BYTES;
    }
  }
}

async function readWith(
  bulkBytes: number,
  url: string,
  { sizeBytes, reads }: OriginOptions,
): Promise<Reading> {
  const sources = createSources({ version: 'bench', clock: systemClock, logger: silentLogger, bulkBytes });
  try {
    const source = sources.sourceFor(url);
    const ref = await source.resolve(source.parse(url, {}), {
      credentials: {},
      signal: new AbortController().signal,
    });
    const share = Math.ceil(sizeBytes / reads);
    const ranges = Array.from({ length: reads }, (_, at) => [
      at * share,
      Math.min(sizeBytes, (at + 1) * share),
    ]);
    const startedMs = performance.now();
    const before = process.cpuUsage();
    await Promise.all(ranges.map(([start = 0, end = 0]) => readRange(source, ref, start, end)));
    const { user, system } = process.cpuUsage(before);
    return readingOf(sizeBytes, (performance.now() - startedMs) / 1000, (user + system) / 1e6);
  } finally {
    await sources.close();
  }
}

async function readWithSeed(seed: OriginSeed, url: string, { sizeBytes }: OriginOptions): Promise<Reading> {
  const { seconds, cpuSeconds, mainThreadCpuSeconds } = await seed.read(url);
  return {
    ...readingOf(sizeBytes, seconds, cpuSeconds),
    mainThreadSecondsPerGib: (mainThreadCpuSeconds * GiB) / sizeBytes,
  };
}

/** Into nowhere: curl's own cost of receiving. */
async function readWithCurl(url: string, { sizeBytes }: OriginOptions): Promise<Reading> {
  const startedMs = performance.now();
  const child = spawn('sh', ['-c', 'curl -s -f -o /dev/null "$0"; times', url], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  await new Promise((resolve) => child.once('close', resolve));
  const times = [...text.matchAll(/(\d+)m([\d.]+)s/gu)].map(([, m, s]) => Number(m) * 60 + Number(s));
  const [, , user = 0, system = 0] = times;
  return readingOf(sizeBytes, (performance.now() - startedMs) / 1000, user + system);
}

function readingOf(sizeBytes: number, seconds: number, cpuSeconds: number): Reading {
  const gib = sizeBytes / GiB;
  return { gibPerSecond: gib / seconds, cpuSecondsPerGib: cpuSeconds / gib };
}

interface Summary {
  readonly gibPerSecond: Spread;
  readonly cpuSecondsPerGib: Spread;
  readonly mainThreadSecondsPerGib: Spread | undefined;
}

function summary(readings: readonly Reading[]): Summary {
  const main = readings.flatMap(({ mainThreadSecondsPerGib: seconds }) => seconds ?? []);
  return {
    gibPerSecond: spreadOf(readings.map((reading) => reading.gibPerSecond)),
    cpuSecondsPerGib: spreadOf(readings.map((reading) => reading.cpuSecondsPerGib)),
    mainThreadSecondsPerGib: main.length > 0 ? spreadOf(main) : undefined,
  };
}

async function fillFile(path: string, sizeBytes: number): Promise<void> {
  const block = randomFillSync(Buffer.alloc(4 * MiB));
  const file = await open(path, 'w', 0o644);
  for (let at = 0; at < sizeBytes; at += block.length) {
    await file.write(block, 0, Math.min(block.length, sizeBytes - at), at);
  }
  await file.close();
}

async function run(options: OriginOptions): Promise<void> {
  const missing = await installTools(['nginx', 'curl'], (text) => void process.stderr.write(`${text}\n`));
  for (const why of Object.values(missing)) throw new Error(why);
  const workspace = await createWorkspace(options.dir);
  try {
    await fillFile(join(workspace.folder, 'file.bin'), options.sizeBytes);
    const nginx = await Nginx.start(workspace.folder, workspace.folder, 'file.bin');
    try {
      const seed = await OriginSeed.start(workspace.folder);
      try {
        await compare(nginx.url, seed, options);
      } finally {
        await seed.stop();
      }
    } finally {
      nginx.stop();
    }
  } finally {
    await workspace.remove();
  }
}

async function compare(url: string, seed: OriginSeed, options: OriginOptions): Promise<void> {
  const ways = {
    large: () => readWith(1, url, options),
    small: () => readWith(Infinity, url, options),
    curl: () => readWithCurl(url, options),
    seed: () => readWithSeed(seed, url, options),
  };
  const readings = { large: [], small: [], curl: [], seed: [] } as Record<keyof typeof ways, Reading[]>;
  // Once for nothing, so that all are compiled.
  await ways.large();
  await ways.small();
  await ways.seed();
  for (let turn = 0; turn < options.runs; turn += 1) {
    for (const way of ['large', 'small', 'curl', 'seed'] as const) readings[way].push(await ways[way]());
  }
  const rows = Object.entries(readings).map(([way, all]) => ({ way, ...summary(all) }));
  process.stdout.write(
    `${tableText([
      ['', 'GiB/s', 'CPU-s/GiB', 'of which main thread'],
      ...rows.map(({ way, gibPerSecond, cpuSecondsPerGib, mainThreadSecondsPerGib: main }) => [
        way,
        spreadText(gibPerSecond, 2),
        spreadText(cpuSecondsPerGib, 2),
        main ? spreadText(main, 2) : '',
      ]),
    ])}\n`,
  );
  if (!options.json) return;
  const figures = Object.fromEntries(
    rows.map(({ way, gibPerSecond, cpuSecondsPerGib, mainThreadSecondsPerGib: main }) => [
      way,
      {
        gibPerSecond: rounded(gibPerSecond.median),
        cpuSecondsPerGib: rounded(cpuSecondsPerGib.median),
        ...(main && { mainThreadSecondsPerGib: rounded(main.median) }),
      },
    ]),
  );
  process.stdout.write(`${JSON.stringify({ machine: describeMachine(), ...options, ...figures })}\n`);
}

await run(readOriginOptions());
