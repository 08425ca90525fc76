// The scheduler as a program: from the configuration to a running server.

import { type Config, loadIdentity } from '../config/index.ts';
import type { Logger, PeerId } from '../core/index.ts';
import type { SchedulerLimits } from '../scheduler/index.ts';
import { steadyClock } from '../system/index.ts';
import { startScheduler } from './start-scheduler.ts';

export interface SchedulerProgramOptions {
  readonly config: Config;
  readonly logger: Logger;
}

export interface RunningScheduler {
  readonly ready: { readonly peerId: PeerId; readonly peerPort: number };
  stop(): Promise<void>;
}

/** Throws `config_invalid` for an address in use or a damaged identity. */
export async function startSchedulerProgram(options: SchedulerProgramOptions): Promise<RunningScheduler> {
  const { config, logger } = options;
  const identity = await loadIdentity(config.dataDir, 'scheduler');
  const server = await startScheduler({
    host: config.host,
    port: config.port,
    identity,
    logger,
    clock: steadyClock,
    limits: limitsOf(config),
  });
  return { ready: { peerId: identity.id, peerPort: server.port }, stop: () => server.stop() };
}

/** Limits of the cluster that are not set do not exist. */
function limitsOf(config: Config): Partial<SchedulerLimits> {
  const { clusterConnections, clusterBytesPerSecond, clusterRequests, leaseStallMs } = config;
  return {
    leaseStallMs,
    ...(clusterConnections !== undefined && { originConnections: clusterConnections }),
    ...(clusterBytesPerSecond !== undefined && { originBytesPerSecond: clusterBytesPerSecond }),
    ...(clusterRequests !== undefined && { originRequestsPerMinute: clusterRequests }),
  };
}
