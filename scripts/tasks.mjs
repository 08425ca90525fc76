// The tasks behind the npm scripts, on Node 24 with everything installed (see dev.mjs). A task is a list of
// commands, run in order; the first that fails ends the task with its exit code.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const node = process.execPath;
const [task, ...rest] = process.argv.slice(2);

const UNIT_TESTS = ['src/**/*.test.ts', 'bench/**/*.test.ts', 'test/*.test.ts'];
const E2E_TESTS = ['test/e2e/**/*.test.ts'];
const LINT = ['oxlint', '--type-aware', '--deny-warnings', 'src', 'test', 'bench', 'scripts'];
const CHECK = [
  ['biome', 'check', '--error-on-warnings', '.'],
  LINT,
  ['tsc', '-p', 'tsconfig.json'],
  ['knip'],
];

const inCheckout = (script) => [node, join(root, script), ...rest];
const nodeTest = (files, concurrency) => [
  node,
  '--test',
  `--test-concurrency=${concurrency}`,
  '--test-timeout=300000',
  ...(rest.length > 0 ? rest : files),
];

const TASKS = {
  demo: () => [inCheckout('scripts/demo/main.ts')],
  anax: () => [inCheckout('src/cli/anax.ts')],
  dfget: () => [inCheckout('src/cli/dfget.ts')],
  // A young generation that holds what is under way: with V8's 16 MiB a fifth more time, and messages that grow old.
  sim: () => ['--max-semi-space-size=64', inCheckout('src/sim/main.ts')],
  crash: () => [inCheckout('scripts/crash/main.ts')],
  'bench:wire': () => [inCheckout('bench/wire/main.ts')],
  'bench:swarm': () => [inCheckout('bench/swarm/main.ts')],
  'bench:origin': () => [inCheckout('bench/origin/main.ts')],
  'bench:store': () => [inCheckout('bench/store/main.ts')],
  'bench:small': () => [inCheckout('bench/small/main.ts')],
  'bench:links': () => [[node, '--expose-gc', join(root, 'bench/links/main.ts'), ...rest]],
  soak: () => [inCheckout('bench/soak/main.ts')],
  fuzz: () => [[node, '--expose-gc', join(root, 'bench/fuzz/main.ts'), ...rest]],
  check: () => CHECK,
  lint: () => [LINT],
  format: () => [['biome', 'check', '--write', '.']],
  generate: () => [['buf', 'generate']],
  build: () => [['tsc', '-p', 'tsconfig.build.json']],
  unit: () => [nodeTest(UNIT_TESTS, 2)],
  e2e: () => [nodeTest(E2E_TESTS, 1)],
  // With arguments: just those test files. Without: the static checks, then everything.
  test: () =>
    rest.length > 0 ? [nodeTest([], 2)] : [...CHECK, nodeTest(UNIT_TESTS, 2), nodeTest(E2E_TESTS, 1)],
};

const commands = TASKS[task];
if (!commands) {
  process.stderr.write(`usage: npm run <task>, with one of: ${Object.keys(TASKS).join(', ')}\n`);
  process.exit(2);
}
if (task === 'build') rmSync(join(root, 'dist'), { recursive: true, force: true });
/** What the compiler leaves out: generated JavaScript, and the right to run the commands. */
function finishBuild() {
  cpSync(join(root, 'src', 'rpc', 'gen'), join(root, 'dist', 'rpc', 'gen'), { recursive: true });
  for (const command of ['anax', 'dfget']) chmodSync(join(root, 'dist', 'cli', `${command}.js`), 0o755);
}

const keepsFolder =
  ['demo', 'anax', 'dfget', 'sim', 'crash', 'soak'].includes(task) || task.startsWith('bench:');
for (const [command, ...args] of commands()) {
  const result = spawnSync(command, args, {
    cwd: keepsFolder ? (process.env.INIT_CWD ?? process.cwd()) : root,
    stdio: 'inherit',
  });
  if (result.error) process.stderr.write(`${command}: ${result.error.message}\n`);
  if (result.status !== 0) process.exit(result.status ?? 1);
}
if (task === 'build') finishBuild();
