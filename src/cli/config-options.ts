// Settings as options of a command, and the configuration read with them.

import { type Command, Option } from 'commander';
import { type Config, type ConfigKey, type ConfigPart, configFlags, loadConfig } from '../config/index.ts';
import { createLogger } from '../telemetry/index.ts';
import type { CliContext } from './context.ts';
import type { StartOptions } from './engine-port.ts';

/** Adds `--config` and the flags of all settings of a part, but those named in `except`. */
export function addConfigOptions(
  command: Command,
  part: ConfigPart,
  heading: string,
  except: readonly ConfigKey[] = [],
): void {
  command.optionsGroup(heading);
  command.option('--config <file>', 'JSON file with settings (ANAX_CONFIG)');
  for (const { key, flags, help } of configFlags(part)) {
    if (!except.includes(key)) command.addOption(new Option(flags, help));
  }
}

/** Options as commander gives them: by camel-case name, which is the setting's key. */
export type ParsedOptions = Readonly<Record<string, unknown>>;

/** Throws `config_invalid`. `forced` is what the command itself says, such as `seed` the role. */
export async function readConfig(
  context: CliContext,
  part: ConfigPart,
  options: ParsedOptions,
  forced: Readonly<Partial<Record<ConfigKey, string>>> = {},
): Promise<Config> {
  const { host, env } = context;
  const flags: Partial<Record<ConfigKey, string>> = {};
  for (const { key } of configFlags(part)) {
    const value = options[key];
    if (typeof value === 'string') flags[key] = value;
  }
  const file = options['config'] ?? env['ANAX_CONFIG'];
  return await loadConfig({
    part,
    host,
    env,
    flags: { ...flags, ...forced },
    ...(typeof file === 'string' && file !== '' && { file }),
  });
}

export function startOptions(context: CliContext, config: Config, role: string): StartOptions {
  const { version } = context;
  const logger = createLogger({ level: config.logLevel, fields: { role, host: config.hostname } });
  return { config, logger, version };
}
