// The settings as people read them: flags for a command's help, a Markdown table for the docs.

import { envName, flagName } from './names.ts';
import { type ConfigKey, type ConfigPart, configKeys, configSchema, settingMeta } from './schema.ts';

/** One setting as a flag of a command. */
export interface ConfigFlag {
  readonly key: ConfigKey;
  /** `--upload-rate <size>` */
  readonly flags: string;
  readonly help: string;
}

/** The flags of one program, in the schema's order. */
export function configFlags(part: ConfigPart): ConfigFlag[] {
  return configKeys
    .filter((key) => settingMeta(key).parts.includes(part))
    .map((key) => {
      const { help, value } = settingMeta(key);
      const flags = `${flagName(key)} ${value}`;
      return { key, flags, help: `${help} (default: ${defaultOf(key).replaceAll('`', '')})` };
    });
}

function defaultOf(key: ConfigKey): string {
  const { defaultText } = settingMeta(key);
  if (defaultText !== undefined) return defaultText;
  const definition = configSchema.shape[key]._zod.def;
  return 'defaultValue' in definition ? `\`${String(definition.defaultValue)}\`` : '';
}

const PART_NAMES: Readonly<Record<ConfigPart, string>> = {
  daemon: 'daemon, seed',
  scheduler: 'scheduler',
  command: 'dfget',
};

/** All settings as a Markdown table. */
export function configTable(): string {
  const rows = configKeys.map((key) => {
    const { help, parts, envAliases } = settingMeta(key);
    const names = [envName(key), ...(envAliases ?? [])].map((name) => `\`${name}\``).join(', ');
    const used = parts.map((part) => PART_NAMES[part]).join(', ');
    return `| \`${key}\` | \`${flagName(key)}\` | ${names} | ${used} | ${defaultOf(key)} | ${help} |`;
  });
  const head = '| Key | Flag | Environment | Used by | Default | What it is |\n|---|---|---|---|---|---|';
  return `${head}\n${rows.join('\n')}\n`;
}
