// What processes cost, as Linux counts it: processor time of all threads, and the most memory that was resident.

import { readFile, writeFile } from 'node:fs/promises';
import { KiB, MiB } from '../../src/core/index.ts';

/** The unit of /proc/PID/stat, on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** User and system time of a process with all its threads; with `children`, of the children that it waited for. */
export async function cpuSeconds(pid: number, of: 'itself' | 'children' = 'itself'): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  return secondsIn(text, of === 'itself' ? 14 : 16);
}

/** The sum of two fields, counted from 1, of which the first is given. */
function secondsIn(text: string, first: number): number {
  // The name, in parentheses, may hold anything; the fields after it are numbers, of which the first is the third.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[first - 3]) + Number(fields[first - 2])) / TICKS_PER_SECOND;
}

/** User and system time of a process's main thread. */
export async function mainThreadCpuSeconds(pid: number): Promise<number> {
  return secondsIn(await readFile(`/proc/${pid}/task/${pid}/stat`, 'utf8'), 14);
}

/** The most that was resident since the start, or since `forgetPeak`. */
export async function peakRssMiB(pid: number): Promise<number> {
  return await statusMiB(pid, 'VmHWM');
}

export async function residentMiB(pid: number): Promise<number> {
  return await statusMiB(pid, 'VmRSS');
}

async function statusMiB(pid: number, field: 'VmHWM' | 'VmRSS'): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8');
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${field}:`)) ?? '';
  return (Number(/\d+/u.exec(line)?.[0] ?? 0) * KiB) / MiB;
}

/** Makes what is resident now the peak. */
export async function forgetPeak(pid: number): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, '5');
}

export async function childPids(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.split(' ').filter(Boolean).map(Number);
}
