// aria2 as a BitTorrent client: a seed that has the file, and a leech on each peer. The clock has the leeches' start in
// it, some 20 ms of processor time each.

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { outputPath, type Race, SEED, type TestBed } from './race.ts';
import { RivalProcess } from './rival-process.ts';
import { startTracker } from './torrent.ts';

const DONE = 'bench: complete';
/** From the seed's word that the file is right to its first announce. */
const ANNOUNCE_MS = 2_000;

const COMMON = [
  'aria2c',
  '--no-conf',
  '--enable-dht=false',
  '--enable-dht6=false',
  '--enable-peer-exchange=true',
  '--bt-enable-lpd=false',
  '--file-allocation=none',
  '--bt-max-peers=0',
  '--summary-interval=0',
  '--show-console-readout=false',
];

export async function startAria2(bed: TestBed): Promise<Race> {
  const { folder, file, peers } = bed;
  const tracker = await startTracker(bed);
  const hook = join(folder, 'complete.sh');
  await writeFile(hook, `#!/bin/sh\necho '${DONE}'\n`, { mode: 0o755 });
  const seedFlags = ['-V', '--seed-ratio=0.0', `--dir=${file.folder}`];
  const seed = new RivalProcess(bed, SEED, [...COMMON, ...seedFlags, tracker.torrent]);
  await seed.says('Verification finished successfully');
  await sleep(ANNOUNCE_MS);
  for (const peer of peers) await mkdir(dirname(outputPath(bed, peer)), { recursive: true });
  const pids = [seed.pid];
  const leeches: RivalProcess[] = [];
  const leech = (peer: string): Promise<void> => {
    const place = ['--seed-time=10', `--dir=${dirname(outputPath(bed, peer))}`];
    const command = [...COMMON, ...place, `--on-bt-download-complete=${hook}`, tracker.torrent];
    const started = new RivalProcess(bed, peer, command);
    leeches.push(started);
    pids.push(started.pid);
    return started.says(DONE);
  };
  return {
    start: () => peers.map(leech),
    outputOf: (peer) => outputPath(bed, peer),
    pids,
    stop: async () => {
      for (const each of [...leeches, seed, tracker.process]) await each.kill();
    },
  };
}
