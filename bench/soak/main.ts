// `npm run soak`: deliveries from one daemon to another, over and over, while their memory is watched.

import { formatBytes, GiB, MiB } from '../../src/core/index.ts';
import { rounded, spreadOf, tableText } from '../kit/figures.ts';
import { countOf, readFlags, sizeOf, textOf } from '../kit/options.ts';
import { createWorkspace, describeMachine } from '../kit/workspace.ts';
import { AnaxPair, type Resident } from '../wire/anax-pair.ts';

const HELP = `npm run soak -- [options]

One parent delivers the same model to one child again and again; both daemons live all the time. Ends with 1 where their
memory grows: the median of the last quarter over that of the second, or a peak over the limit.

  --total <size>     bytes to move (default 50GiB)
  --size <size>      bytes of the model (default 1GiB)
  --minutes <n>      ends earlier, after this time (default 60)
  --workers <n>      of each daemon (default 1)
  --limit <size>     that neither daemon may have resident (default 256MiB)
  --tls              over TLS
  --dir <folder>     where to write, e.g. /dev/shm (default: a temporary folder)
  --json             ends with one JSON object on a line
`;

/** What a median may grow by: garbage comes and goes. */
const ALLOWED_SHARE = 1.1;
const ALLOWED_MIB = 12;
/** So many deliveries at the least, for quarters that say something. */
const MIN_DELIVERIES = 8;

const text = { type: 'string' } as const;
const options = readFlags(
  HELP,
  {
    total: { ...text, default: '50GiB' },
    size: { ...text, default: '1GiB' },
    minutes: { ...text, default: '60' },
    workers: { ...text, default: '1' },
    limit: { ...text, default: '256MiB' },
    dir: text,
    tls: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
  (values) => ({
    totalBytes: sizeOf(values, 'total'),
    sizeBytes: sizeOf(values, 'size'),
    minutes: countOf(values, 'minutes', { min: 1, max: 10_000 }),
    workers: countOf(values, 'workers', { min: 0, max: 32 }),
    limitMiB: sizeOf(values, 'limit') / MiB,
    dir: textOf(values, 'dir'),
    tls: values['tls'] === true,
    json: values['json'] === true,
  }),
);

function say(line: string): void {
  process.stderr.write(`soak: ${line}\n`);
}

/** Delivers until the total or the time is reached; what was resident after each delivery. */
async function soak(pair: AnaxPair): Promise<Resident[]> {
  const until = performance.now() + options.minutes * 60_000;
  const deliveries = Math.max(MIN_DELIVERIES, Math.ceil(options.totalBytes / options.sizeBytes));
  const resident: Resident[] = [];
  while (resident.length < deliveries && performance.now() < until) {
    await pair.deliver();
    const now = await pair.resident();
    resident.push(now);
    const moved = formatBytes(resident.length * options.sizeBytes);
    say(`${moved}: child ${now.childMiB.toFixed(0)} MiB, parent ${now.parentMiB.toFixed(0)} MiB`);
  }
  return resident;
}

interface Growth {
  readonly earlyMiB: number;
  readonly lateMiB: number;
  readonly peakMiB: number;
  readonly isFlat: boolean;
}

function growthOf(values: readonly number[], peakMiB: number): Growth {
  const quarter = Math.floor(values.length / 4);
  const earlyMiB = rounded(spreadOf(values.slice(quarter, 2 * quarter)).median, 1);
  const lateMiB = rounded(spreadOf(values.slice(-quarter)).median, 1);
  const isFlat = lateMiB <= earlyMiB * ALLOWED_SHARE + ALLOWED_MIB && peakMiB <= options.limitMiB;
  return { earlyMiB, lateMiB, peakMiB: rounded(peakMiB, 1), isFlat };
}

say(describeMachine());
const workspace = await createWorkspace(options.dir);
try {
  const { sizeBytes, tls, workers } = options;
  const pair = await AnaxPair.start({ folder: workspace.folder, sizeBytes, profileDir: undefined });
  try {
    await pair.become({ tls, workers });
    const resident = await soak(pair);
    if (resident.length < MIN_DELIVERIES) throw new Error('too little was moved to say anything');
    const peak = await pair.peak();
    const child = growthOf(
      resident.map(({ childMiB }) => childMiB),
      peak.childMiB,
    );
    const parent = growthOf(
      resident.map(({ parentMiB }) => parentMiB),
      peak.parentMiB,
    );
    const row = (name: string, { earlyMiB, lateMiB, peakMiB, isFlat }: Growth): string[] =>
      [name, earlyMiB, lateMiB, peakMiB, isFlat ? 'flat' : 'GROWS'].map(String);
    const head = ['resident MiB', 'second quarter', 'last quarter', 'peak', ''];
    process.stdout.write(`${tableText([head, row('child', child), row('parent', parent)])}\n`);
    const movedGiB = (resident.length * sizeBytes) / GiB;
    if (options.json) process.stdout.write(`${JSON.stringify({ movedGiB, child, parent })}\n`);
    if (!child.isFlat || !parent.isFlat) process.exitCode = 1;
  } finally {
    await pair.stop();
  }
} finally {
  await workspace.remove();
}
