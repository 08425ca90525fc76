// The programs that benchmarks need: there already, or installed from Debian's packages where we may.

import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Debian's own Python, which its packages of Python modules are for. */
export const SYSTEM_PYTHON = '/usr/bin/python3';

interface Package {
  readonly name: string;
  /** Succeeds in a shell where the tool is there. */
  readonly check: string;
}

const command = (tool: string, name: string): Package => ({ name, check: `command -v ${tool}` });

const PACKAGES = {
  nginx: command('nginx', 'nginx-light'),
  curl: command('curl', 'curl'),
  aria2c: command('aria2c', 'aria2'),
  iperf3: command('iperf3', 'iperf3'),
  ip: command('ip', 'iproute2'),
  nft: command('nft', 'nftables'),
  mktorrent: command('mktorrent', 'mktorrent'),
  opentracker: command('opentracker', 'opentracker'),
  libtorrent: { name: 'python3-libtorrent', check: `${SYSTEM_PYTHON} -c 'import libtorrent'` },
} as const satisfies Readonly<Record<string, Package>>;

export type Tool = keyof typeof PACKAGES;

/** Why a tool cannot be used; absent where it can. */
export type MissingTools = Partial<Record<Tool, string>>;

export async function installTools(
  tools: readonly Tool[],
  say: (text: string) => void,
): Promise<MissingTools> {
  const missing = tools.filter((tool) => !isThere(tool));
  if (missing.length === 0) return {};
  const failure = await install(missing, say);
  const left = missing.filter((tool) => !isThere(tool));
  return Object.fromEntries(
    left.map((tool) => [tool, `${tool} is not installed: ${failure ?? 'no reason'}`]),
  );
}

function isThere(tool: Tool): boolean {
  try {
    execFileSync('sh', ['-c', PACKAGES[tool].check], { stdio: 'ignore', env: toolEnvironment() });
    return true;
  } catch {
    return false;
  }
}

/** Debian keeps nginx, ip and tc where only root looks. */
export function toolEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C' };
}

/** Why it did not work; `undefined` where it did. */
async function install(tools: readonly Tool[], say: (text: string) => void): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'only root may install packages';
  const packages = tools.map((tool) => PACKAGES[tool].name);
  say(`installing ${packages.join(', ')} (apt-get)`);
  const env = { ...toolEnvironment(), DEBIAN_FRONTEND: 'noninteractive' };
  try {
    await run('apt-get', ['update', '-qq'], { env });
    for (const name of packages) {
      await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', name], { env });
    }
    return undefined;
  } catch (error) {
    return error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
  }
}
