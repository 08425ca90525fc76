// L4: the daemon, and the engine that it shares with commands.

export { openEngine, type RunningDaemon, type StartOptions, startDaemon } from './open-engine.ts';
