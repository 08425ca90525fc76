// Development entry point: every npm script goes through here. It answers for one thing: that a fresh checkout on
// a machine with Node >= 20 and npm has the locked packages and a Node 24, and then runs the asked task on it.
// Plain JavaScript, no imports beyond Node, because it runs before anything is installed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const WANTED_NODE_MAJOR = 24;

function say(text) {
  process.stderr.write(`setup: ${text}\n`);
}

function fail(text) {
  say(text);
  process.exit(1);
}

/** Runs `npm ci` in a folder unless the lock file it was last run for is still the same. */
function installLocked(folder, what) {
  const lock = readFileSync(join(folder, 'package-lock.json'));
  const digest = createHash('sha256').update(lock).digest('hex');
  const stamp = join(folder, 'node_modules', '.anax-lock-sha256');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return;
  say(`installing ${what} (npm ci, once)`);
  const result = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: folder,
    stdio: ['ignore', 2, 2],
  });
  if (result.status !== 0) fail(`npm ci failed in ${folder}; is the npm registry reachable?`);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, digest);
}

/** The folder of a Node that is new enough: the running one, or the one pinned in tools/node24. */
function nodeFolder() {
  if (Number(process.versions.node.split('.')[0]) >= WANTED_NODE_MAJOR) return dirname(process.execPath);
  const tools = join(root, 'tools', 'node24');
  installLocked(tools, `Node ${WANTED_NODE_MAJOR} beside this machine's ${process.versions.node}`);
  const bin = join(tools, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin');
  if (!existsSync(join(bin, 'node'))) {
    fail(
      `no Node ${WANTED_NODE_MAJOR} package for ${process.platform}-${process.arch}; install Node ${WANTED_NODE_MAJOR} by hand`,
    );
  }
  return bin;
}

installLocked(root, 'the locked npm packages');
const bin = nodeFolder();
const env = {
  ...process.env,
  PATH: [bin, join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter),
  // Compiled sources are kept between the many processes that tests and demo start: 0.2 s less for each.
  NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(root, 'node_modules', '.cache', 'node-compile'),
  NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --disable-warning=ExperimentalWarning`.trim(),
};
const result = spawnSync(join(bin, 'node'), [join(root, 'scripts', 'tasks.mjs'), ...process.argv.slice(2)], {
  cwd: process.env.INIT_CWD ?? root,
  env,
  stdio: 'inherit',
});
if (result.error) fail(String(result.error));
process.exit(result.status ?? (result.signal === 'SIGINT' ? 130 : 1));
