// What the BitTorrent rivals share: the torrent, and a tracker on the control host.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pieceLengthFor } from '../../src/core/index.ts';
import { CONTROL, type TestBed } from './race.ts';
import { RivalProcess, untilAnswered } from './rival-process.ts';

const execute = promisify(execFile);

const TRACKER_PORT = 6969;

export interface Tracker {
  readonly torrent: string;
  readonly process: RivalProcess;
}

/**
 * Makes the torrent and starts its tracker, which gives up root's rights by itself. Debian's build of it serves only
 * what its whitelist names.
 */
export async function startTracker(bed: TestBed): Promise<Tracker> {
  const { network, folder, file } = bed;
  const home = join(folder, CONTROL);
  await mkdir(home, { recursive: true });
  const address = network.addressOf(CONTROL);
  const torrent = join(home, 'file.torrent');
  const pieceBits = String(Math.log2(pieceLengthFor(file.sizeBytes)));
  const announce = `http://${address}:${TRACKER_PORT}/announce`;
  const flags = ['-l', pieceBits, '-a', announce, '-o', torrent];
  await execute('mktorrent', [...flags, join(file.folder, file.name)]);
  await writeFile(join(home, 'whitelist'), `${infoHash(await readFile(torrent))}\n`);
  const listen = ['-i', address, '-p', String(TRACKER_PORT), '-P', String(TRACKER_PORT)];
  const place = ['-d', home, '-w', '/whitelist'];
  const tracker = new RivalProcess(bed, CONTROL, ['opentracker', ...listen, ...place]);
  await untilAnswered(bed, CONTROL, announce);
  return { torrent, process: tracker };
}

/** The SHA-1 of the torrent's `info`, which mktorrent writes last, in hexadecimal. */
export function infoHash(torrent: Buffer): string {
  const key = '4:info';
  const at = torrent.indexOf(key);
  if (at < 0) throw new Error('a torrent has its info');
  return createHash('sha1')
    .update(torrent.subarray(at + key.length, -1))
    .digest('hex');
}
