// What processes cost, as Linux counts it: processor time of all threads, and the most memory that was resident.

import { readFile, writeFile } from 'node:fs/promises';
import { KiB, MiB } from '../../src/core/index.ts';

/** The unit of /proc/PID/stat, on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** User and system time of a process with all its threads; with `children`, of the children that it waited for. */
export async function cpuSeconds(pid: number, of: 'itself' | 'children' = 'itself'): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name, in parentheses, may hold anything; the fields after it are numbers, of which the first is the third.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const first = of === 'itself' ? 14 : 16;
  return (Number(fields[first - 3]) + Number(fields[first - 2])) / TICKS_PER_SECOND;
}

/** The most that was resident since the start, or since `forgetPeak`. */
export async function peakRssMiB(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8');
  const [, kilobytes = '0'] = /^VmHWM:\s+(\d+) kB$/mu.exec(text) ?? [];
  return (Number(kilobytes) * KiB) / MiB;
}

/** Makes what is resident now the peak. */
export async function forgetPeak(pid: number): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, '5');
}

export async function childPids(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.split(' ').filter(Boolean).map(Number);
}
