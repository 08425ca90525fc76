// Names that say which process made something, so that a later run can remove what a killed one left behind.

import { readFile } from 'node:fs/promises';

/** What all namespaces and folders of this process begin with. */
export const RUN_PREFIX = `anax-swarm-${process.pid}`;

/** Of a run, or of the memory that it warmed. */
const NAME = /^anax-(?:swarm|warm)-(\d+)(?:-|$)/u;

/** Those of the names that were made by a process which is no bench, or none any more. */
export async function leftNames(names: readonly string[]): Promise<string[]> {
  const left = await Promise.all(names.map(isLeft));
  return names.filter((_, at) => left[at]);
}

async function isLeft(name: string): Promise<boolean> {
  const pid = NAME.exec(name)?.[1];
  if (pid === undefined) return false;
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return !/bench\/(?:swarm|wire|store)\/main\.ts/u.test(command);
}
