// Settings: what there is, and how they are read. Does not know what they are for.

export { type ConfigFlag, configFlags, configTable } from './docs.ts';
export { loadIdentity } from './identity-file.ts';
export {
  type ConfigSources,
  type EnvironmentValues,
  type HostFacts,
  loadConfig,
} from './load.ts';
export { type Config, type ConfigKey, type ConfigPart, configJsonSchema, type LogLevel } from './schema.ts';
export { parseDuration, parseRate, parseSize } from './units.ts';
