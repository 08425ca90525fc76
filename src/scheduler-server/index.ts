// The scheduler as a server, and the links through which a daemon attends one.

export { type ConnectSchedulerOptions, connectScheduler } from './connect-scheduler.ts';
export { createLocalScheduler, type LocalSchedulerOptions } from './local-scheduler.ts';
export type {
  JoinFacts,
  OriginShare,
  SchedulerLink,
  SchedulerMessage,
  SchedulerMessageHandler,
  Statement,
} from './scheduler-link.ts';
export {
  type RunningScheduler,
  type SchedulerProgramOptions,
  startSchedulerProgram,
} from './scheduler-program.ts';
export { SchedulerService, type SchedulerServiceOptions } from './scheduler-service.ts';
export { type SchedulerServer, type SchedulerServerOptions, startScheduler } from './start-scheduler.ts';
