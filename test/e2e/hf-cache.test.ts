// A cache that `dfget --hf-cache` wrote, in the eyes of the real Python client without network.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { access, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { dfget, startEmulator } from '../../src/testing/cluster/index.ts';
import { assertDelivered, listedFiles, MiB, temporaryFolder } from './support.ts';

const run = promisify(execFile);
const CLIENT = 'huggingface_hub==1.33.0';
const CACHE = join(import.meta.dirname, '..', '..', 'node_modules', '.cache');
const MODEL = 'acme/model';
const DATASET = 'acme/rows';

/** Python of a virtual environment with the client in it, kept for the next run; or why there is none. */
async function pythonWithClient(): Promise<{ python: string } | { reason: string }> {
  const folder = join(CACHE, CLIENT.replace('==', '-'));
  const python = join(folder, 'bin', 'python');
  if (await isThere(join(folder, 'complete'))) return { python };
  try {
    await mkdir(CACHE, { recursive: true });
    await rm(folder, { recursive: true, force: true });
    await makeEnvironment(folder);
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', CLIENT];
    await run(python, pip, { timeout: 240_000 });
    await mkdir(join(folder, 'complete'));
    return { python };
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    return { reason: `no Python with ${CLIENT}: ${(stderr || message).trim().split('\n').at(-1)}` };
  }
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Debian keeps what makes environments in a package of its own. */
async function makeEnvironment(folder: string): Promise<void> {
  const make = () => run('python3', ['-m', 'venv', folder], { timeout: 120_000 });
  try {
    await make();
  } catch (error) {
    if (process.getuid?.() !== 0 || !(await isThere('/usr/bin/apt-get'))) throw error;
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    await run('apt-get', ['update', '-qq'], { timeout: 120_000, env });
    await run('apt-get', ['install', '-y', '-qq', 'python3-venv'], { timeout: 240_000, env });
    await rm(folder, { recursive: true, force: true });
    await make();
  }
}

/** What the client finds in a cache; each call on its own, with the error's name where it fails. */
const SCRIPT = `
import hashlib, json, os, sys
from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download, try_to_load_from_cache

cache, model, dataset, files, missing = json.loads(sys.argv[1])

def sha256(path):
    with open(path, 'rb') as file:
        return hashlib.sha256(file.read()).hexdigest()

def attempt(call):
    try:
        return call()
    except Exception as error:
        return 'error: ' + type(error).__name__ + ': ' + str(error)

def snapshot(**options):
    folder = snapshot_download(cache_dir=cache, local_files_only=True, **options)
    paths = [os.path.join(root, name) for root, _, names in os.walk(folder) for name in names]
    return {os.path.relpath(path, folder): sha256(path) for path in paths}

def scan():
    info = scan_cache_dir(cache)
    return {
        'warnings': [str(warning) for warning in info.warnings],
        'repos': {f'{repo.repo_type}:{repo.repo_id}': sorted(
            [revision.commit_hash, sorted(revision.refs), len(revision.files)] for revision in repo.revisions
        ) for repo in info.repos},
    }

def cached(name, **options):
    found = try_to_load_from_cache(model, name, cache_dir=cache, **options)
    return found if found is None or isinstance(found, str) else 'known to be absent'

print(json.dumps({
    'snapshot': attempt(lambda: snapshot(repo_id=model)),
    'dataset': attempt(lambda: snapshot(repo_id=dataset, repo_type='dataset')),
    'tag': attempt(lambda: snapshot(repo_id=model, revision='v1')),
    'download': {name: attempt(lambda: sha256(hf_hub_download(model, name, cache_dir=cache))) for name in files},
    'missing': attempt(lambda: hf_hub_download(model, missing, cache_dir=cache)),
    'cached': {name: attempt(lambda: cached(name)) for name in files},
    'cachedMissing': attempt(lambda: cached(missing)),
    'scan': attempt(scan),
}))
`;

interface ClientView {
  readonly snapshot: Readonly<Record<string, string>>;
  readonly dataset: Readonly<Record<string, string>>;
  readonly tag: Readonly<Record<string, string>>;
  readonly download: Readonly<Record<string, string>>;
  readonly missing: string;
  readonly cached: Readonly<Record<string, string>>;
  readonly cachedMissing: string | null;
  readonly scan: {
    readonly warnings: readonly string[];
    readonly repos: Readonly<Record<string, readonly (readonly [string, readonly string[], number])[]>>;
  };
}

async function ask(
  python: string,
  cache: string,
  files: readonly string[],
  missing: string,
): Promise<ClientView> {
  const question = JSON.stringify([cache, MODEL, DATASET, files, missing]);
  const env = { PATH: process.env['PATH'], HF_HUB_OFFLINE: '1', HF_HOME: join(cache, '..', 'home') };
  const { stdout } = await run(python, ['-c', SCRIPT, question], { env, timeout: 120_000 });
  return JSON.parse(stdout) as ClientView;
}

async function publishedHub(context: TestContext) {
  const rows = { 'README.md': '# rows', 'data/train.csv': 'a,b\n1,2\n' };
  const hub = await startEmulator({
    kind: 'huggingface',
    repos: [
      { id: MODEL, tags: { v1: 'main' }, model: { sizeBytes: 6 * MiB, shards: 2, seed: 'hf-cache' } },
      { id: DATASET, type: 'dataset', revisions: { main: rows } },
    ],
  });
  context.after(() => hub.stop());
  return hub;
}

test('the Python client finds offline what dfget put into its cache', {
  timeout: 600_000,
}, async (context) => {
  const client = await pythonWithClient();
  if ('reason' in client) return context.skip(client.reason);
  const hub = await publishedHub(context);
  const folder = await temporaryFolder(context);
  const cache = join(folder, 'hub');
  const get = (url: string, ...more: string[]) =>
    dfget([url, '--hf-cache', cache, '--cache-dir', join(folder, 'cache'), ...more], {
      env: { HF_ENDPOINT: hub.url },
    });
  const model = await get(`hf://${MODEL}`, '-O', join(folder, 'out'));
  await assertDelivered(model, join(folder, 'out'));
  for (const args of [[`hf://${MODEL}@v1`], [`hf://datasets/${DATASET}`]]) {
    const result = await get(args.join());
    assert.equal(result.exitCode, 0, result.stderr);
  }
  const paths = listedFiles(model).map(({ path }) => path);
  const view = await ask(client.python, cache, paths, 'nowhere.bin');
  const commit = hub.repos[MODEL]?.['main'] ?? '';
  assert.deepEqual(Object.keys(view.snapshot).toSorted(), paths.toSorted());
  assert.deepEqual(view.tag, view.snapshot);
  assert.deepEqual(view.download, view.snapshot);
  for (const { path, digest } of listedFiles(model)) {
    if (digest.startsWith('sha256:')) assert.equal(`sha256:${view.snapshot[path]}`, digest);
    assert.equal(view.cached[path], join(cache, 'models--acme--model', 'snapshots', commit, path));
  }
  assert.deepEqual(Object.keys(view.dataset).toSorted(), ['README.md', 'data/train.csv']);
  assert.match(view.missing, /^error: (?:LocalEntryNotFoundError|OfflineModeIsEnabled|EntryNotFoundError)/u);
  assert.equal(view.cachedMissing, null);
  assert.deepEqual(view.scan.warnings, []);
  assert.deepEqual(view.scan.repos[`model:${MODEL}`], [[commit, ['main', 'v1'], paths.length]]);
  assert.equal(view.scan.repos[`dataset:${DATASET}`]?.length, 1);
});
