// The real parts, loaded on first use: `dfget` through a daemon never loads the engine, so it starts in a fraction of
// the time.

import type { CliParts } from './engine-port.ts';

const loadDaemon = () => import('../daemon/index.ts');
const loadScheduler = () => import('../scheduler-server/index.ts');

export const lazyParts: CliParts = {
  openEngine: async (options) => await (await loadDaemon()).openEngine(options),
  startDaemon: async (options) => await (await loadDaemon()).startDaemon(options),
  startScheduler: async (options) => await (await loadScheduler()).startSchedulerProgram(options),
};
