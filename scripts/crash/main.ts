// npm run crash: kills downloads at random moments and checks what their store has afterwards.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CRASH_DEFAULTS, runCrashLoop } from '../../src/testing/crash-loop/index.ts';

const HELP = `npm run crash -- [options]

Downloads from a hub emulator, kills the process (kill -9) at a random moment, opens its store and compares every piece
that it holds with the truth; over and over. Nothing that was told to be verified may be lost, nothing held be wrong.

  --kills <n>   how often (default 200)
  --seed <n>    of the moments, to run the same again (default: drawn, and told)
  --dir <path>  where to work (default: the folder for temporary files)
`;

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    seed: { type: 'string' },
    dir: { type: 'string', default: tmpdir() },
    help: { type: 'boolean', default: false },
  },
});
const kills = Number(values.kills);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
if (values.help || !Number.isInteger(kills) || kills < 1 || !Number.isInteger(seed)) {
  process.stdout.write(HELP);
  process.exit(values.help ? 0 : 2);
}

const folder = await mkdtemp(join(values.dir, 'anax-crash-'));
const startedMs = performance.now();
try {
  process.stderr.write(`seed ${seed}\n`);
  const summary = await runCrashLoop({
    ...CRASH_DEFAULTS,
    folder,
    kills,
    seed,
    onKill: ({ kill, toldBytes, heldBytes }) =>
      void process.stderr.write(`kill ${kill}: ${toldBytes} bytes told, ${heldBytes} held\n`),
  });
  const seconds = (performance.now() - startedMs) / 1000;
  process.stdout.write(`${JSON.stringify({ seed, ...summary, seconds })}\n`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
