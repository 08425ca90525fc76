// `npm run bench:store`: what the store costs when there is much in it.

import { join } from 'node:path';
import { rounded, spreadOf, spreadText, tableText } from '../kit/figures.ts';
import { createWorkspace, describeMachine } from '../kit/workspace.ts';
import { readStoreOptions, type StoreOptions } from './options.ts';
import { type Replay, replayJournal } from './partial-blob.ts';
import { commitBlobs, type Evicted, evictBlobs } from './small-blobs.ts';
import { StoreFolder } from './store-folder.ts';

interface StoreFigures {
  readonly blobs: number;
  readonly commitSeconds: number;
  readonly startSeconds: readonly number[];
  readonly evicted: Evicted;
  readonly replays: readonly Replay[];
  readonly replaysAfterPowerLoss: readonly Replay[];
}

const options = readStoreOptions();
const workspace = await createWorkspace(options.dir);
try {
  say(describeMachine());
  say(`in ${workspace.folder} (${workspace.filesystem})`);
  const figures = await measure(options, workspace.folder);
  process.stdout.write(`${storeTable(figures)}\n`);
  if (options.json) process.stdout.write(`${JSON.stringify(storeObject(figures))}\n`);
} finally {
  await workspace.remove();
}

function say(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}

async function measure({ blobs, evictions, runs }: StoreOptions, folder: string): Promise<StoreFigures> {
  const large = await StoreFolder.create(join(folder, 'large'));
  say('replaying the journal of a 16 GiB blob …');
  const replays = await repeat(runs, () => replayJournal(large, 'stop'));
  const replaysAfterPowerLoss = await repeat(runs, () => replayJournal(large, 'power loss'));
  const small = await StoreFolder.create(join(folder, 'small'));
  say(`committing ${blobs} blobs …`);
  const commitSeconds = await commitBlobs(small, blobs);
  const startSeconds = await repeat(runs, () => startOnce(small));
  say(`evicting ${evictions} of them …`);
  const evicted = await evictBlobs(small, blobs, evictions);
  return { blobs, commitSeconds, startSeconds, evicted, replays, replaysAfterPowerLoss };
}

async function repeat<Result>(times: number, work: () => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  while (results.length < times) results.push(await work());
  return results;
}

async function startOnce(folder: StoreFolder): Promise<number> {
  const begunMs = performance.now();
  return await folder.with(async () => (performance.now() - begunMs) / 1000);
}

function storeTable({
  blobs,
  commitSeconds,
  startSeconds,
  evicted,
  replays,
  replaysAfterPowerLoss,
}: StoreFigures): string {
  return tableText([
    ['', 'seconds', ''],
    [`${blobs} blobs committed`, commitSeconds.toFixed(2), `${Math.round(blobs / commitSeconds)} a second`],
    [`start with ${blobs} blobs`, spreadText(spreadOf(startSeconds), 3)],
    [`${evicted.blobs} blobs evicted`, evicted.seconds.toFixed(3)],
    replayRow('after a stop', replays),
    replayRow('after a power loss', replaysAfterPowerLoss),
  ]);
}

function replayRow(when: string, replays: readonly Replay[]): string[] {
  const start = spreadText(spreadOf(replays.map((replay) => replay.startSeconds)), 3);
  const opened = spreadText(spreadOf(replays.map((replay) => replay.openSeconds)), 3);
  return [
    `16 GiB partial blob opened ${when}`,
    opened,
    `${replays[0]?.pieces} pieces held; store started in ${start}`,
  ];
}

function storeObject(figures: StoreFigures): Readonly<Record<string, unknown>> {
  const { blobs, commitSeconds, startSeconds, evicted, replays, replaysAfterPowerLoss } = figures;
  return {
    blobs,
    commitSeconds: rounded(commitSeconds),
    commitsPerSecond: rounded(blobs / commitSeconds, 0),
    startSeconds: rounded(spreadOf(startSeconds).median),
    evictedBlobs: evicted.blobs,
    evictSeconds: rounded(evicted.seconds),
    replay: replayObject(replays),
    replayAfterPowerLoss: replayObject(replaysAfterPowerLoss),
  };
}

function replayObject(replays: readonly Replay[]): Readonly<Record<string, unknown>> {
  return {
    pieces: replays[0]?.pieces,
    startSeconds: rounded(spreadOf(replays.map((replay) => replay.startSeconds)).median),
    openSeconds: rounded(spreadOf(replays.map((replay) => replay.openSeconds)).median),
  };
}
