// Everybody fetches the whole file from the seed: nginx there, curl on each peer.

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { nginxConfig } from '../kit/nginx-config.ts';
import { outputPath, type Race, SEED, type TestBed } from './race.ts';
import { RivalProcess, untilAnswered } from './rival-process.ts';

export async function startStar(bed: TestBed): Promise<Race> {
  const { network, folder, file, peers } = bed;
  const home = join(folder, SEED);
  await mkdir(home, { recursive: true });
  const listen = `${network.addressOf(SEED)}:8080`;
  const config = join(home, 'nginx.conf');
  await writeFile(config, nginxConfig({ home, servedFolder: file.folder, listen }));
  const nginx = new RivalProcess(bed, SEED, ['nginx', '-c', config, '-p', home, '-e', 'stderr']);
  const url = `http://${listen}/${file.name}`;
  await untilAnswered(bed, SEED, url);
  for (const peer of peers) await mkdir(dirname(outputPath(bed, peer)), { recursive: true });
  const fetch = (peer: string): Promise<void> =>
    new RivalProcess(bed, peer, ['curl', '-s', '-f', '-o', outputPath(bed, peer), url]).succeeds();
  return {
    start: () => peers.map(fetch),
    outputOf: (peer) => outputPath(bed, peer),
    pids: [],
    stop: () => nginx.kill(),
  };
}
