// L4: the daemon, and the engine that it shares with commands.

export { Engine, type EngineDeps, type EngineOptions } from './engine.ts';
export { openEngine, type RunningDaemon, type StartOptions, startDaemon } from './open-engine.ts';
