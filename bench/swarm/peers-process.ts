// A process of many peers: real daemons with their sockets, files and state, each on a loopback address of its own, under
// the daemon's own rate limits. Downloads go through each daemon's control socket, as those of dfget do.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/index.ts';
import { type RunningDaemon, startDaemon } from '../../src/daemon/index.ts';
import { createLogger } from '../../src/telemetry/index.ts';
import { downloadThrough } from './control-download.ts';
import type { FromPeers, PeerPlan, PeersPlan, ToPeers } from './in-process-messages.ts';

const PORT = '7411';
const STOP_MS = 2_000;
const logger = createLogger({ level: 'silent' });
const plan = JSON.parse(process.argv[2] ?? '') as PeersPlan;
const daemons: RunningDaemon[] = [];

function tell(message: FromPeers): void {
  process.send?.(message);
}

async function start({ name, role, address, folder }: PeerPlan): Promise<RunningDaemon> {
  await mkdir(folder, { recursive: true });
  const config = await loadConfig({
    part: 'daemon',
    host: { isRoot: true, home: folder, hostname: name, cores: 1 },
    env: {},
    flags: {
      role,
      // Many hosts are in one process: threads of their own would be more than there are cores.
      workers: '0',
      host: address,
      port: PORT,
      scheduler: plan.scheduler,
      dataDir: join(folder, 'data'),
      cacheDir: join(folder, 'cache'),
      socket: socketOf(folder),
      hfEndpoint: plan.hfEndpoint,
      uploadRate: String(plan.bytesPerSecond),
      downloadRate: String(plan.bytesPerSecond),
    },
  });
  return await startDaemon({ config, logger, version: 'bench' });
}

function socketOf(folder: string): string {
  return join(folder, 'anax.sock');
}

async function download({ name, folder }: PeerPlan, url: string): Promise<void> {
  try {
    await downloadThrough({ socket: socketOf(folder), url, outputPath: join(folder, 'out') });
    tell({ kind: 'done', peer: name, url });
  } catch (error) {
    tell({ kind: 'failed', peer: name, error: String(error) });
  }
}

async function stop(): Promise<void> {
  await Promise.all(daemons.map((daemon) => daemon.stop(STOP_MS)));
  process.exit(0);
}

process.on('message', (message: ToPeers) => {
  if (message.kind === 'stop') void stop();
  else for (const peer of plan.peers) if (peer.role === 'peer') void download(peer, message.url);
});
// The bench is gone: nothing is to be kept.
process.once('disconnect', () => process.exit(1));

for (const peer of plan.peers) daemons.push(await start(peer));
tell({ kind: 'ready' });
