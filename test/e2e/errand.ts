// What the tests of failures share: a person's folder with a cache and an output, dfget run in it without a daemon, and
// what must hold of every failure, whatever its kind.

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type ErrorCode, type ErrorRecord, errorTable } from '../../src/core/index.ts';
import {
  type DfgetLine,
  type DfgetResult,
  type DfgetRun,
  startDfget,
  wrongFiles,
} from '../../src/testing/cluster/index.ts';
import { listedFiles, temporaryFolder } from './support.ts';

/** Part of every token and header value in these tests; nothing that dfget writes may contain it. */
export const SECRET = 'S3CR3T';

/** These tests are mostly starts of dfget, which take half the time with it. Node checks what is in it. */
const COMPILE_CACHE = join(tmpdir(), 'anax-e2e-compile-cache');

export interface Errand {
  readonly folder: string;
  readonly out: string;
  readonly cache: string;
  /** Runs dfget to its end: into `out` unless the flags say otherwise, with the cache of this folder. */
  get(url: string, ...flags: string[]): Promise<DfgetResult>;
  start(url: string, flags: readonly string[], onLine?: (line: DfgetLine) => void): DfgetRun;
}

/** In a fresh folder that goes away with the test. Waits for an origin are short, so that giving up is quick. */
export async function errand(
  context: TestContext,
  env: Readonly<Record<string, string>> = {},
): Promise<Errand> {
  const folder = await temporaryFolder(context);
  const [out, cache] = [join(folder, 'out'), join(folder, 'cache')];
  const settings = {
    HOME: folder,
    XDG_CACHE_HOME: join(folder, '.cache'),
    ANAX_CACHE_DIR: cache,
    ANAX_SOCKET: join(folder, 'no-daemon.sock'),
    ANAX_RETRY_WAIT: '1s',
    NODE_COMPILE_CACHE: COMPILE_CACHE,
    ...env,
  };
  const start: Errand['start'] = (url, flags, onLine) => {
    const place = flags.some((flag) => PLACES.has(flag)) ? [] : ['-O', out];
    return startDfget([url, ...flags, ...place], { env: settings, ...(onLine && { onLine }) });
  };
  const get: Errand['get'] = async (url, ...flags) => {
    const result = await start(url, flags).result;
    assertNoSecret(result);
    await assertNothingHalf(folder);
    return result;
  };
  return { folder, out, cache, get, start };
}

/** Flags that say where to. */
const PLACES: ReadonlySet<string> = new Set(['-O', '--hf-cache', '--dry-run']);

function assertNoSecret({ lines, stderr }: DfgetResult): void {
  assert.equal(`${stderr}${JSON.stringify(lines)}`.includes(SECRET), false, `a secret is shown: ${stderr}`);
}

/** Temporary files have names with `.anax-` and `.tmp`; none stays. */
async function assertNothingHalf(folder: string): Promise<void> {
  const left = (await filesIn(folder)).filter((path) => /\.anax-.*\.tmp$/u.test(path));
  assert.deepEqual(left, []);
}

/** Paths of all files and links under a folder, sorted; none where there is no folder. */
export async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted();
}

/** The one error of a download that failed as a whole, or of all its files. */
export function errorOf({ summary, stderr }: DfgetResult): ErrorRecord {
  assert.ok(summary, `no summary: ${stderr}`);
  const errors = [...(summary.error ? [summary.error] : []), ...summary.failed.map(({ error }) => error)];
  const [first] = errors;
  assert.ok(first, `no error: ${stderr}`);
  assert.deepEqual([...new Set(errors.map(({ code }) => code))], [first.code], stderr);
  return first;
}

/** The download failed for this reason: in the exit code, in the JSON, and in words with something to do about it. */
export function assertFailed(result: DfgetResult, code: ErrorCode): ErrorRecord {
  const { exitCode, message } = errorTable[code];
  const error = errorOf(result);
  assert.equal(error.code, code, result.stderr);
  assert.equal(result.exitCode, exitCode, result.stderr);
  assert.equal(result.summary?.exitCode, exitCode);
  assert.equal(result.summary?.ok, false);
  assert.ok(error.message.startsWith(message), error.message);
  assert.notEqual(error.hint, '', `${code} has no hint`);
  const told = result.stderr.indexOf(`error[${code}]: ${message}`);
  assert.ok(told >= 0, result.stderr);
  assert.match(result.stderr.slice(told), /\n {2}hint: \S/u);
  return error;
}

/** It failed, and nothing is where the output was to be. */
export async function assertFailedClean(
  { out }: Pick<Errand, 'out'>,
  result: DfgetResult,
  code: ErrorCode,
): Promise<ErrorRecord> {
  const error = assertFailed(result, code);
  assert.deepEqual(await filesIn(out), []);
  return error;
}

/** It succeeded: the output has the listed files, exactly, and no others. */
export async function assertArrived({ out }: Pick<Errand, 'out'>, result: DfgetResult): Promise<void> {
  assert.equal(result.exitCode, 0, result.stderr);
  const files = listedFiles(result);
  assert.deepEqual(await wrongFiles(out, files), []);
  assert.deepEqual(await filesIn(out), files.map(({ path }) => path).toSorted());
}
