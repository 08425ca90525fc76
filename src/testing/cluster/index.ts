// Real processes for tests, demo and benchmarks: daemons, scheduler, hub emulator, dfget.

export { wrongFiles } from './check-output.ts';
export {
  type Cluster,
  type ClusterOptions,
  type DaemonNode,
  inTurns,
  type SchedulerNode,
  startCluster,
} from './cluster.ts';
export { type DfgetLine, type DfgetResult, type DfgetRun, dfget, startDfget } from './dfget.ts';
export { type Emulator, type EmulatorStats, startEmulator } from './emulator.ts';
export { type NodeLaunch, ServiceProcess, spawnNode, startService } from './process.ts';
