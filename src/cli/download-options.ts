// The options of `dfget` and what they mean: a download request, a way to show it, and an engine.

import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { type Config, parseDuration } from '../config/index.ts';
import { AnaxError, parseDigest, Secret } from '../core/index.ts';
import { createPathFilter, type DownloadRequest } from '../rpc/index.ts';
import { addConfigOptions, type ParsedOptions } from './config-options.ts';
import type { CliContext } from './context.ts';
import { findToken, hfCacheFolder, hubOf, namesEndpoint } from './hub-settings.ts';

/** As commander gives them. */
export interface DownloadOptions extends ParsedOptions {
  readonly output?: string;
  readonly hfCache?: string | true;
  readonly include?: readonly string[];
  readonly includeFiles?: readonly string[];
  readonly exclude?: readonly string[];
  readonly excludeFiles?: readonly string[];
  readonly revision?: string;
  readonly hfRevision?: string;
  readonly msRevision?: string;
  readonly overwrite?: true;
  readonly dryRun?: true;
  readonly digest?: string;
  readonly timeout?: string;
  readonly hfToken?: string;
  readonly msToken?: string;
  readonly header?: readonly string[];
  readonly endpoint?: string;
  readonly hfEndpoint?: string;
  readonly modelscopeEndpoint?: string;
  readonly cacheDir?: string;
  readonly scheduler?: string;
  readonly logLevel?: string;
  readonly json?: true;
  readonly quiet?: true;
  /** False after `--no-progress`. */
  readonly progress: boolean;
}

const collect = (value: string, previous: readonly string[] = []) => [...previous, value];

/** Adds the argument and all options. */
export function addDownloadOptions(command: Command): void {
  command
    .argument('[url]', 'hf://owner/name[@revision][/path], modelscope://owner/name, https://…')
    .optionsGroup('What to download:')
    .option('--revision <name>', 'branch, tag or commit (also in the URL: @revision)')
    .option('--include <glob>', 'only files that match; repeatable (* crosses folders)', collect)
    .option('--exclude <glob>', 'no files that match; repeatable', collect)
    .option('--digest <digest>', 'what a single file must have: sha256:…')
    .optionsGroup('Where to:')
    .option(
      '-O, --output <path>',
      'folder for a repository, file for a file; - writes a file to standard output as it comes',
    )
    .option(
      '--hf-cache [dir]',
      "also into Hugging Face's cache (default: where HF_HUB_CACHE or HF_HOME says)",
    )
    .option('--overwrite', 'replace existing files that have other content')
    .option('--dry-run', 'only list the files that would be downloaded')
    .optionsGroup('Access:')
    .option('--hf-token <token>', 'better: HF_TOKEN, or what `hf auth login` stored')
    .option('--ms-token <token>', 'better: MODELSCOPE_API_TOKEN')
    .option('-H, --header <line>', 'header for the origin, "Name: value"; repeatable', collect)
    .optionsGroup('How:')
    .option('--timeout <duration>', 'limit on the whole download: 30s, 2h')
    .option('--endpoint <socket>', "the daemon's Unix socket (default: used if a daemon answers there)")
    .option('--json', 'one JSON object per line and event on standard output')
    .option('--no-progress', 'no progress, only the summary')
    .option('-q, --quiet', 'nothing but the result and errors');
  addConfigOptions(command, 'command', 'The engine inside the command (without a daemon) and its hubs:');
  addAliases(command);
}

/** Names that other tools use for the same, not shown in the help. */
function addAliases(command: Command): void {
  const once = ['--hf-revision <name>', '--ms-revision <name>'];
  const repeatable = ['--include-files <glob>', '--exclude-files <glob>'];
  for (const flags of once) command.addOption(new Option(flags).hideHelp());
  for (const flags of repeatable) command.addOption(new Option(flags).argParser(collect).hideHelp());
}

/** `--hf-cache` may be followed by the URL, which is not its folder. */
export function untangleUrl(
  url: string | undefined,
  options: DownloadOptions,
): { url: string; options: DownloadOptions } {
  if (url !== undefined) return { url, options };
  const { hfCache } = options;
  if (typeof hfCache === 'string' && hfCache.includes('://')) {
    return { url: hfCache, options: { ...options, hfCache: true } };
  }
  throw new AnaxError('usage_invalid', 'the URL is missing', { hint: 'dfget hf://owner/name -O folder' });
}

/** Reads the request. Throws `usage_invalid`. */
export async function toRequest(
  context: CliContext,
  url: string,
  options: DownloadOptions,
  config: Config,
): Promise<DownloadRequest> {
  const { output, digest, overwrite = false, dryRun = false } = options;
  const stream = output === STANDARD_OUTPUT;
  if (stream) checkStreamed(options);
  const include = [...(options.include ?? []), ...(options.includeFiles ?? [])];
  const exclude = [...(options.exclude ?? []), ...(options.excludeFiles ?? [])];
  const revision = options.revision ?? options.hfRevision ?? options.msRevision;
  createPathFilter({ include, exclude });
  const hfCacheDir = readHfCache(context, options);
  if (output === undefined && hfCacheDir === undefined && !dryRun) {
    throw new AnaxError('usage_invalid', '-O is missing', { hint: 'say where to: -O path, or --hf-cache' });
  }
  const token = await findToken(hubOf(url), options, context.env, context.host.home);
  const headers = readHeaders(options.header);
  const endpoint = hubEndpoint(context, url, options, config);
  return {
    url,
    include,
    exclude,
    overwrite,
    dryRun,
    ...(stream && { stream }),
    ...(output !== undefined && !stream && { outputPath: outputPath(context, output) }),
    ...(hfCacheDir !== undefined && { hfCacheDir }),
    ...(revision !== undefined && { revision }),
    ...(digest !== undefined && { digest: parseDigest(digest) }),
    ...(options.timeout !== undefined && { timeoutMs: readTimeout(options.timeout) }),
    ...(token && { token }),
    ...(headers && { headers }),
    ...(endpoint !== undefined && { endpoint }),
  };
}

/** As the output path: `./-` is a file of this name. */
const STANDARD_OUTPUT = '-';

/** Throws `usage_invalid` for options that make no sense where the file goes to standard output. */
function checkStreamed({ overwrite, hfCache, json }: DownloadOptions): void {
  const unfit = [overwrite && '--overwrite', hfCache !== undefined && '--hf-cache', json && '--json'];
  const [first] = unfit.filter((name) => name !== undefined && name !== false);
  if (first === undefined) return;
  throw new AnaxError('usage_invalid', `${first} does not go with -O -`, {
    hint: '-O - writes one file to standard output, and nothing else',
  });
}

/** Absolute; a slash at the end stays: it says that a single file goes into a folder. */
function outputPath(context: CliContext, output: string): string {
  const path = resolve(context.cwd, output);
  return output.endsWith('/') && !path.endsWith('/') ? `${path}/` : path;
}

function readHfCache(context: CliContext, { hfCache }: DownloadOptions): string | undefined {
  if (hfCache === undefined) return undefined;
  const folder = hfCache === true ? hfCacheFolder(context.env, context.host.home) : hfCache;
  return resolve(context.cwd, folder);
}

/** Node's timers count up to 2³¹−1 ms. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

function readTimeout(text: string): number {
  const timeoutMs = parseDuration(text);
  if (timeoutMs > 0 && timeoutMs <= MAX_TIMEOUT_MS) return timeoutMs;
  throw new AnaxError('usage_invalid', `--timeout ${text}: more than 0 and at most 24 days`);
}

/** A daemon has its own setting for the endpoint: it is only overruled by what the caller says. */
function hubEndpoint(
  context: CliContext,
  url: string,
  options: DownloadOptions,
  config: Config,
): string | undefined {
  const hub = hubOf(url);
  if (hub === undefined) return undefined;
  const flag = hub === 'hf' ? options.hfEndpoint : options.modelscopeEndpoint;
  if (flag === undefined && !namesEndpoint(hub, context.env)) return undefined;
  return hub === 'hf' ? config.hfEndpoint : config.modelscopeEndpoint;
}

function readHeaders(lines: readonly string[] = []): Record<string, Secret> | undefined {
  if (lines.length === 0) return undefined;
  return Object.fromEntries(lines.map(readHeader));
}

/** The value may be a secret, so no message shows it. */
function readHeader(line: string): [string, Secret] {
  const match = /^([!#$%&'*+.^_`|~0-9a-z-]+):[ \t]*([\t\u0020-\u007e\u0080-\u00ff]*)$/iu.exec(line);
  if (!match?.[1]) {
    throw new AnaxError('usage_invalid', 'a header is not valid', { hint: '-H "Name: value"' });
  }
  return [match[1], new Secret(match[2]?.trim() ?? '')];
}
