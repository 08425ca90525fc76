// Holds the structure: which folder may import which, and only through its index.

import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';

const ROOT = resolve(import.meta.dirname, '..');
const SRC = join(ROOT, 'src');

/** A folder imports folders of lower layers; folders of L2 do not know each other. `testing` is for tests alone. */
const LAYERS: Readonly<Record<string, number>> = {
  core: 0,
  scheduler: 1,
  swarm: 1,
  // Below the sources and the data plane, which both take large bodies with it.
  'http-body': 1.5,
  config: 2,
  hashing: 2,
  output: 2,
  rpc: 2,
  sources: 2,
  store: 2,
  system: 2,
  telemetry: 2,
  transport: 2,
  dataplane: 3,
  'scheduler-server': 3,
  gateway: 3,
  daemon: 4,
  cli: 5,
  sim: 5,
  testing: 6,
};

/** What the pure layers must not touch. */
const EFFECTS =
  /\bDate\.now\b|\bMath\.random\b|\bsetTimeout\b|\bsetInterval\b|\bperformance\.now\b|'node:(?!crypto|util|assert)/u;

interface Import {
  readonly file: string;
  readonly from: string;
  readonly to: string;
  readonly target: string;
}

function sourceFiles(): string[] {
  return globSync('**/*.ts', { cwd: SRC }).filter((file) => !file.startsWith('rpc/gen/'));
}

function isTest(file: string): boolean {
  return file.endsWith('.test.ts') || file.endsWith('-harness.ts');
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(SRC, file), 'utf8');
  const found = text.matchAll(/(?:from|import\()\s*'(\.{1,2}\/[^']+)'/gu);
  return [...found].map(([, specifier = '']) => {
    const target = relative(SRC, resolve(SRC, dirname(file), specifier));
    return { file, from: file.split('/')[0] ?? '', to: target.split('/')[0] ?? '', target };
  });
}

function crossFolderImports(): Import[] {
  return sourceFiles()
    .flatMap(importsOf)
    .filter(({ from, to }) => from !== to && to in LAYERS);
}

test('every folder of the sources has a layer', () => {
  const folders = new Set(sourceFiles().map((file) => file.split('/')[0]));
  assert.ok(folders.size >= 10, 'the sources were found');
  assert.deepEqual(
    [...folders].filter((folder) => folder === undefined || !(folder in LAYERS)),
    [],
  );
});

test('a layer imports only lower ones', () => {
  const all = crossFolderImports();
  assert.ok(all.length > 50, 'imports were read');
  const upward = all.filter(
    ({ file, from, to }) => !isTest(file) && (LAYERS[to] ?? 9) >= (LAYERS[from] ?? 0),
  );
  assert.deepEqual(
    upward.map(({ file, target }) => `${file} imports ${target}`),
    [],
  );
});

test('across folders only the index is imported', () => {
  const inner = crossFolderImports().filter(
    ({ file, to, target }) => !isTest(file) && to !== 'testing' && target !== `${to}/index.ts`,
  );
  assert.deepEqual(
    inner.map(({ file, target }) => `${file} imports ${target}`),
    [],
  );
});

test('the pure layers touch no clock, timer, chance, socket or file', () => {
  const pure = sourceFiles().filter((file) => /^(?:core|scheduler|swarm)\//u.test(file) && !isTest(file));
  assert.ok(pure.length > 20, 'the pure layers were found');
  const impure = pure.filter((file) => {
    const code = readFileSync(join(SRC, file), 'utf8').replaceAll(/\/\*[^]*?\*\/|\/\/.*$/gmu, '');
    return EFFECTS.test(code);
  });
  assert.deepEqual(impure, []);
});

test('only the command line reads the environment', () => {
  const readers = sourceFiles().filter((file) => {
    if (isTest(file) || /^(?:cli|testing)\//u.test(file)) return false;
    return /\bprocess\.env\b/u.test(readFileSync(join(SRC, file), 'utf8'));
  });
  assert.deepEqual(readers, []);
});
