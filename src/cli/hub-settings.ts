// What the hubs' own tools keep in the environment and in files: tokens, endpoints, the place of the cache.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EnvironmentValues } from '../config/index.ts';
import { AnaxError, Secret, systemErrorCode } from '../core/index.ts';

export type Hub = 'hf' | 'modelscope';

const SCHEMES: Readonly<Record<string, Hub>> = { hf: 'hf', modelscope: 'modelscope', ms: 'modelscope' };

/** Which hub a URL is for; `undefined` for other schemes, which get no hub's token. */
export function hubOf(url: string): Hub | undefined {
  const scheme = /^([a-z][a-z0-9+.-]*):/iu.exec(url)?.[1]?.toLowerCase();
  return scheme === undefined ? undefined : SCHEMES[scheme];
}

export interface TokenFlags {
  readonly hfToken?: string;
  readonly msToken?: string;
}

/** The token for a hub: the flag's, else that of the environment, else the one `hf auth login` stored. */
export async function findToken(
  hub: Hub | undefined,
  flags: TokenFlags,
  env: EnvironmentValues,
  home: string,
): Promise<Secret | undefined> {
  if (hub === 'hf') {
    const implicit = isSet(env['HF_HUB_DISABLE_IMPLICIT_TOKEN'])
      ? undefined
      : await implicitHfToken(env, home);
    return toSecret(flags.hfToken ?? implicit);
  }
  if (hub === 'modelscope') return toSecret(flags.msToken ?? env['MODELSCOPE_API_TOKEN']);
  return undefined;
}

async function implicitHfToken(env: EnvironmentValues, home: string): Promise<string | undefined> {
  const inEnv = env['HF_TOKEN']?.trim() || env['HUGGING_FACE_HUB_TOKEN']?.trim();
  if (inEnv) return inEnv;
  const path = env['HF_TOKEN_PATH'] || join(hfHome(env, home), 'token');
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(systemErrorCode(error) ?? '')) return undefined;
    throw new AnaxError('usage_invalid', `the token file ${path} cannot be read`, { cause: error });
  }
}

function toSecret(token: string | undefined): Secret | undefined {
  const trimmed = token?.trim();
  return trimmed ? new Secret(trimmed) : undefined;
}

/** As huggingface_hub reads switches. */
function isSet(value: string | undefined): boolean {
  return ['1', 'true', 'yes', 'on'].includes(value?.toLowerCase() ?? '');
}

function hfHome(env: EnvironmentValues, home: string): string {
  return env['HF_HOME'] || join(env['XDG_CACHE_HOME'] || join(home, '.cache'), 'huggingface');
}

/** Where huggingface_hub keeps what it downloads. */
export function hfCacheFolder(env: EnvironmentValues, home: string): string {
  return env['HF_HUB_CACHE'] || env['HUGGINGFACE_HUB_CACHE'] || join(hfHome(env, home), 'hub');
}

const ENDPOINT_NAMES: Readonly<Record<Hub, readonly string[]>> = {
  hf: ['ANAX_HF_ENDPOINT', 'HF_ENDPOINT'],
  modelscope: ['ANAX_MODELSCOPE_ENDPOINT', 'MODELSCOPE_ENDPOINT', 'MODELSCOPE_DOMAIN'],
};

/** Whether the caller's environment says which endpoint to use (else the daemon's own setting counts). */
export function namesEndpoint(hub: Hub, env: EnvironmentValues): boolean {
  return ENDPOINT_NAMES[hub].some((name) => Boolean(env[name]));
}
