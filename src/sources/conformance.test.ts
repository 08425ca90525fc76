// Runs the conformance suite on every source of this folder.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after } from 'node:test';
import { pathToFileURL } from 'node:url';
import { createIdentity, type ParseOptions, type Secret, silentLogger } from '../core/index.ts';
import { DataPlane } from '../dataplane/index.ts';
import { loadPieceHash } from '../hashing/index.ts';
import { systemClock } from '../system/index.ts';
import { type Emulator, startHuggingFaceHub, startModelScopeHub } from '../testing/hub-emulator/index.ts';
import {
  describeSource,
  type FixtureFiles,
  type SeenRequest,
  type SourceFixture,
  startPlainServer,
} from '../testing/source-conformance/index.ts';
import { ByteRate } from '../transport/index.ts';
import { createSources } from './index.ts';

const EMULATOR_OPTIONS = { signedUrlTtlMs: 600_000 };

/** Bodies go the way of small ones, or all the way of large ones: in this thread or in another. */
const WAYS = { 'small bodies': Infinity, 'large bodies': 1, 'bodies in another thread': 1 } as const;
type Way = keyof typeof WAYS;

function sources(way: Way = 'small bodies') {
  return createSources({
    version: '0.0.0',
    clock: systemClock,
    random: () => 0,
    maxAttempts: 2,
    bulkBytes: WAYS[way],
    ...(way === 'bodies in another thread' && { bulkGet: (...request) => plane.bulkGet(...request) }),
  });
}

const plane = new DataPlane({
  identity: createIdentity(),
  logger: silentLogger,
  workers: 1,
  createHasher: (await loadPieceHash()).createHasher,
  limits: { maxLinks: 1 },
  uploadRate: new ByteRate(),
  downloadRate: new ByteRate(),
  attach: () => assert.fail('nobody dials it'),
});
after(() => plane.stop());

function sourceOf(registry: ReturnType<typeof sources>, scheme: string) {
  const source = registry.byScheme(scheme);
  if (source === undefined) throw new Error(`no source ${scheme}`);
  return source;
}

/** What both emulated hubs offer a fixture alike. */
function hubFixture(hub: Emulator) {
  // By name only: in the query of a CDN's URL the path's slashes are encoded twice.
  const onFile = (path: string) => new RegExp((path.split('/').at(-1) ?? '').replaceAll('.', '\\.'), 'u');
  return {
    parseOptions: { endpoint: hub.url } satisfies ParseOptions,
    holdsOneFile: false,
    holdsNothing: true,
    cutNext: (path: string, afterBytes: number) => {
      hub.faults.add({ kind: 'cut', afterBytes, times: 1, match: { path: onFile(path) } });
    },
    stall: (path: string, afterBytes: number) => {
      hub.faults.add({ kind: 'stall', afterBytes, match: { path: onFile(path) } });
    },
    hang: () => {
      hub.faults.add({ kind: 'hang' });
    },
    requests: (): SeenRequest[] =>
      hub.log.map(({ host, path, headers }) => ({
        atHome: host === 'hub',
        text: `${path} ${JSON.stringify(headers)}`,
      })),
  };
}

let nextName = 0;

function newName(): string {
  nextName += 1;
  return `acme/model-${nextName}`;
}

/** The repository in a URL that a fixture made. */
function repoIn(url: string): string {
  return url.replace(/^\w+:\/\//u, '').replace(/@.*$/u, '');
}

for (const way of ['small bodies', 'large bodies', 'bodies in another thread'] as const) {
  describeSource(`hf, ${way}`, async (): Promise<SourceFixture> => {
    const hub = await startHuggingFaceHub(EMULATOR_OPTIONS);
    const registry = sources(way);
    const put = (files: FixtureFiles, isPrivate = false): string => {
      const id = newName();
      hub.putRepo({ id, revisions: { main: files }, private: isPrivate });
      return id;
    };
    hub.addToken('tok_4f9c2b7e51a84d3f');
    hub.addToken('tok_other_91d6aa03');
    return {
      ...hubFixture(hub),
      source: sourceOf(registry, 'hf'),
      put: async (files) => `hf://${put(files)}`,
      putPrivate: async (files: FixtureFiles, token: Secret) => {
        const id = put(files, true);
        hub.grant(token.reveal(), id);
        return { url: `hf://${id}`, refused: ['repo_not_found'] };
      },
      absent: async () => {
        const id = put({ 'a.txt': Buffer.from('a') });
        return {
          repo: { url: 'hf://acme/absent', codes: ['auth_required', 'repo_not_found'] },
          revision: { url: `hf://${id}@no-such-branch`, codes: ['revision_not_found'] },
          file: { url: `hf://${id}/no/such.file`, codes: ['file_not_found'] },
        };
      },
      injectPath: (url, path) => {
        const oid = 'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391';
        hub.injectEntries(repoIn(url), [{ type: 'file', path, size: 0, oid }]);
      },
      close: async () => {
        await registry.close();
        await hub.close();
      },
    };
  });
}

for (const [smallFileRanges, way] of [
  ['ignored', 'small bodies'],
  ['honoured', 'large bodies'],
] as const) {
  describeSource(
    `modelscope, small file ranges ${smallFileRanges}, ${way}`,
    async (): Promise<SourceFixture> => {
      const hub = await startModelScopeHub({ ...EMULATOR_OPTIONS, quirks: { smallFileRanges } });
      const registry = sources(way);
      const put = (files: FixtureFiles, isPrivate = false): string => {
        const id = newName();
        hub.putRepo({ id, revisions: { master: files }, private: isPrivate });
        return id;
      };
      return {
        ...hubFixture(hub),
        source: sourceOf(registry, 'modelscope'),
        put: async (files) => `modelscope://${put(files)}`,
        putPrivate: async (files: FixtureFiles, token: Secret) => {
          const id = put(files, true);
          hub.addToken(token.reveal(), { canRead: [id] });
          return { url: `modelscope://${id}`, refused: ['repo_not_found'] };
        },
        absent: async () => {
          const id = put({ 'a.txt': Buffer.from('a') });
          return {
            repo: { url: 'modelscope://acme/absent', codes: ['repo_not_found'] },
            revision: { url: `modelscope://${id}@no-such-branch`, codes: ['revision_not_found'] },
            file: { url: `modelscope://${id}/no/such.file`, codes: ['file_not_found'] },
          };
        },
        injectPath: (url, path) => {
          hub.injectEntries(repoIn(url), [{ Type: 'blob', Path: path, Size: 0, Sha256: 'e3'.repeat(32) }]);
        },
        close: async () => {
          await registry.close();
          await hub.close();
        },
      };
    },
  );
}

for (const way of ['small bodies', 'large bodies', 'bodies in another thread'] as const) {
  describeSource(`http, ${way}`, async (): Promise<SourceFixture> => {
    const home = await startPlainServer('127.0.0.1');
    const cdn = await startPlainServer('localhost');
    const registry = sources(way);
    /** Large files lie on another host, to which the first redirects. */
    const put = (files: FixtureFiles, token?: string): string => {
      const [entry] = Object.entries(files);
      if (entry === undefined) throw new Error('an http URL has a file');
      const [path, bytes] = entry;
      const at = `/${newName()}/${path.split('/').map(encodeURIComponent).join('/')}`;
      const file = { bytes, etag: `"${path.length}-${bytes.length}-${bytes[0] ?? 0}"` };
      const isFar = bytes.length > 1_000_000;
      if (isFar) cdn.files.set(at, file);
      const secured = token === undefined ? {} : { token };
      home.files.set(at, { ...file, ...secured, ...(isFar ? { redirectTo: `${cdn.url}${at}` } : {}) });
      return `${home.url}${at}`;
    };
    const seen = ({ requests }: typeof home, atHome: boolean): SeenRequest[] =>
      requests.map(({ path, headers }) => ({ atHome, text: `${path} ${JSON.stringify(headers)}` }));
    return {
      source: sourceOf(registry, 'http'),
      parseOptions: {},
      holdsOneFile: true,
      holdsNothing: false,
      put: async (files) => put(files),
      putPrivate: async (files: FixtureFiles, token: Secret) => ({
        url: put(files, token.reveal()),
        refused: ['auth_invalid'],
      }),
      absent: async () => ({ repo: { url: `${home.url}/absent.bin`, codes: ['file_not_found'] } }),
      cutNext: (_path, afterBytes) => cdn.breakNext('cut', afterBytes),
      stall: (_path, afterBytes) => cdn.breakNext('stall', afterBytes),
      hang: () => home.hang(),
      requests: () => [...seen(home, true), ...seen(cdn, false)],
      close: async () => {
        await registry.close();
        await Promise.all([home.close(), cdn.close()]);
      },
    };
  });
}

describeSource('file', async (): Promise<SourceFixture> => {
  const registry = sources();
  const root = await mkdtemp(join(tmpdir(), 'anax-file-source-'));
  return {
    source: sourceOf(registry, 'file'),
    parseOptions: {},
    holdsOneFile: false,
    holdsNothing: true,
    put: async (files) => {
      const folder = join(root, newName());
      await mkdir(folder, { recursive: true });
      for (const [path, bytes] of Object.entries(files)) {
        await mkdir(dirname(join(folder, path)), { recursive: true });
        await writeFile(join(folder, path), bytes);
      }
      return pathToFileURL(folder).href;
    },
    absent: async () => ({
      repo: { url: 'file:///no/such/folder', codes: ['file_not_found'] },
      revision: {
        url: `${pathToFileURL(root).href}#@${'0'.repeat(32)}`,
        codes: ['revision_not_found'],
      },
    }),
    close: async () => {
      await registry.close();
      await rm(root, { recursive: true });
    },
  };
});
