// libtorrent 2.0 in a Python process on each host (libtorrent-peer.py). As with Anax's daemons, the processes run before
// the clock starts, and know the torrent only when it does.

import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SYSTEM_PYTHON } from '../kit/packages.ts';
import { outputPath, type Race, SEED, type TestBed } from './race.ts';
import { RivalProcess } from './rival-process.ts';
import { startTracker } from './torrent.ts';

const SCRIPT = join(import.meta.dirname, 'libtorrent-peer.py');

export async function startLibtorrent(bed: TestBed): Promise<Race> {
  const { network, file, peers } = bed;
  const tracker = await startTracker(bed);
  const start = (host: string, folder: string): RivalProcess =>
    new RivalProcess(bed, host, [SYSTEM_PYTHON, SCRIPT, network.addressOf(host), tracker.torrent, folder]);
  const seed = start(SEED, file.folder);
  const leeches: RivalProcess[] = [];
  for (const peer of peers) {
    const folder = dirname(outputPath(bed, peer));
    await mkdir(folder, { recursive: true });
    leeches.push(start(peer, folder));
  }
  await Promise.all([seed, ...leeches].map((each) => each.says('ready')));
  seed.tell('go');
  await seed.says('announced');
  return {
    start: () =>
      leeches.map((leech) => {
        leech.tell('go');
        return leech.says('complete');
      }),
    outputOf: (peer) => outputPath(bed, peer),
    pids: [seed, ...leeches].map(({ pid }) => pid),
    stop: async () => {
      for (const each of [...leeches, seed, tracker.process]) await each.kill();
    },
  };
}
