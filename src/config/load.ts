// Puts the settings together: host defaults < config file < environment < flags. Each layer is checked on its own, so
// that an error names where the wrong value stands.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AnaxError } from '../core/index.ts';
import { envName, flagName, nearestName } from './names.ts';
import {
  type Config,
  type ConfigKey,
  type ConfigPart,
  configKeys,
  configSchema,
  settingMeta,
  toConfig,
} from './schema.ts';

export type EnvironmentValues = Readonly<Record<string, string | undefined>>;

/** What the defaults depend on. */
export interface HostFacts {
  readonly isRoot: boolean;
  readonly home: string;
  readonly hostname: string;
  readonly cores: number;
}

export interface ConfigSources {
  readonly part: ConfigPart;
  readonly host: HostFacts;
  readonly env: EnvironmentValues;
  /** By key; only those that were given. */
  readonly flags?: Readonly<Partial<Record<ConfigKey, string>>>;
  /** A JSON file. */
  readonly file?: string;
}

/** Environment names that are no settings: where the config file is. */
const OTHER_ENV_NAMES: readonly string[] = ['ANAX_CONFIG'];

/** Reads everything. Throws `config_invalid`. */
export async function loadConfig(sources: ConfigSources): Promise<Config> {
  const file = sources.file === undefined ? {} : await readConfigFile(sources.file);
  const layers: Layer[] = [
    { values: hostDefaults(sources), place: (key) => `the default of ${key}` },
    { values: file, place: (key) => `${sources.file}: ${key}` },
    environmentLayer(sources.env),
    { values: sources.flags ?? {}, place: flagName },
  ];
  const merged: Record<string, unknown> = {};
  for (const layer of layers) {
    checkLayer(layer);
    Object.assign(merged, layer.values);
  }
  const result = toConfig(merged);
  if (!result.success) throw new AnaxError('config_invalid', result.error.issues[0]?.message ?? '');
  return result.data;
}

interface Layer {
  readonly values: Readonly<Record<string, unknown>>;
  /** How to name the place of a key in a message. */
  readonly place: (key: string) => string;
}

function checkLayer({ values, place }: Layer): void {
  for (const [key, value] of Object.entries(values)) {
    if (!isConfigKey(key)) throw unknownKey(place(key), key, configKeys);
    const result = configSchema.shape[key].safeParse(value);
    if (!result.success) throw wrongValue(place(key), key, result.error.issues);
  }
}

function isConfigKey(key: string): key is ConfigKey {
  return Object.hasOwn(configSchema.shape, key);
}

function unknownKey(where: string, key: string, known: readonly string[]): AnaxError {
  const nearest = nearestName(key, known);
  const hint = nearest === undefined ? `known are: ${known.join(', ')}` : `did you mean ${nearest}?`;
  return new AnaxError('config_invalid', `${where} is not known`, { hint, details: { key } });
}

interface Issue {
  readonly message: string;
  readonly errors?: readonly (readonly Issue[])[];
}

/** A union's own message is only "invalid input"; its last member is the textual form and says more. */
function wrongValue(where: string, key: ConfigKey, issues: readonly Issue[]): AnaxError {
  const issue = issues[0];
  const inner = issue?.errors?.at(-1)?.[0] ?? issue;
  const message = (inner?.message ?? 'not valid').replace(/^the configuration is not valid: /u, '');
  const hint = `${settingMeta(key).value}: ${settingMeta(key).help}`;
  return new AnaxError('config_invalid', `${where}: ${message}`, { hint, details: { key } });
}

async function readConfigFile(path: string): Promise<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new AnaxError('config_invalid', `${path}: ${why}`, { cause: error });
  }
  throw new AnaxError('config_invalid', `${path} is not a JSON object`);
}

/**
 * Kubernetes puts variables of its own beside ours wherever a Service is named `anax…`: `ANAX_PORT=tcp://10.…`,
 * `ANAX_SERVICE_HOST`, `ANAX_PORT_7410_TCP`. They are passed over.
 */
const SERVICE_NAME = /_SERVICE_(?:HOST|PORT)|_PORT_\d+_(?:TCP|UDP|SCTP)/u;
const SERVICE_VALUE = /^(?:tcp|udp|sctp):\/\//u;

function environmentLayer(env: EnvironmentValues): Layer {
  const names = new Map(configKeys.map((key) => [envName(key), key]));
  const values: Partial<Record<ConfigKey, string>> = {};
  const places = new Map<string, string>();
  const take = (key: ConfigKey, name: string) => {
    const value = env[name];
    if (value === undefined || value === '') return;
    values[key] = value;
    places.set(key, name);
  };
  for (const key of configKeys) {
    for (const alias of settingMeta(key).envAliases?.toReversed() ?? []) take(key, alias);
  }
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('ANAX_') || value === undefined) continue;
    if (SERVICE_NAME.test(name) || SERVICE_VALUE.test(value) || OTHER_ENV_NAMES.includes(name)) continue;
    const key = names.get(name);
    if (key === undefined) throw unknownKey(name, name, [...names.keys()]);
    take(key, name);
  }
  return { values, place: (key) => places.get(key) ?? key };
}

const DAEMON_PORT = 7411;
const SCHEDULER_PORT = 7410;
/** One moves some 2 GiB/s and takes some 20 MiB: more than two are for networks beyond 25 Gbit/s. */
const MAX_DEFAULT_WORKERS = 2;

function hostDefaults({ host, env, part }: ConfigSources): Partial<Record<ConfigKey, unknown>> {
  const xdg = (name: string, fallback: string) => join(env[name] || join(host.home, fallback), 'anax');
  return {
    dataDir: host.isRoot ? '/var/lib/anax' : xdg('XDG_STATE_HOME', '.local/state'),
    cacheDir: host.isRoot ? '/var/cache/anax' : xdg('XDG_CACHE_HOME', '.cache'),
    socket: defaultSocketPath(host, env),
    hostname: host.hostname,
    workers: Math.min(MAX_DEFAULT_WORKERS, Math.max(1, host.cores - 1)),
    port: part === 'scheduler' ? SCHEDULER_PORT : DAEMON_PORT,
    // A command shows its errors itself; log lines would run into its display.
    logLevel: part === 'command' ? 'silent' : 'info',
  };
}

/** Where a daemon listens unless told otherwise. */
function defaultSocketPath(host: HostFacts, env: EnvironmentValues): string {
  if (host.isRoot) return '/run/anax/anax.sock';
  const runtime = env['XDG_RUNTIME_DIR'] || join(host.home, '.local/state');
  return join(runtime, 'anax/anax.sock');
}
