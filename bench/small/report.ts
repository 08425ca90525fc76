// The figures of all runs, as a table for people and as one object for scripts.

import { rounded, spreadOf, spreadText, tableText } from '../kit/figures.ts';
import type { Delivery, Shape } from './delivery.ts';
import type { SmallOptions } from './options.ts';

export type Deliveries = Readonly<Record<Shape, readonly Delivery[]>>;

type Field = keyof Delivery;

/** Run by run: what the many took against what the one took right before. */
function ratios({ one, many }: Deliveries, field: Field): number[] {
  return many.map((delivery, at) => delivery[field] / (one[at]?.[field] ?? Number.NaN));
}

const TIMES = ['seconds', 'engineSeconds', 'cpuSeconds'] as const satisfies readonly Field[];

export function smallTable(deliveries: Deliveries, { files, fileBytes }: SmallOptions): string {
  const row = (name: string, shape: Shape): string[] => [
    name,
    ...TIMES.map((field) => spreadText(spreadOf(deliveries[shape].map((one) => one[field])), 2)),
    String(deliveries[shape][0]?.originRequests),
  ];
  return tableText([
    ['', 'seconds', 'of the slowest engine', 'CPU-s of the daemons', 'requests to the hub'],
    row(`1 file of ${files * fileBytes} bytes`, 'one'),
    row(`${files} files of ${fileBytes} bytes`, 'many'),
    ['ratio', ...TIMES.map((field) => spreadText(spreadOf(ratios(deliveries, field)), 2))],
  ]);
}

export function smallObject(deliveries: Deliveries, { peers, files, fileBytes, runs }: SmallOptions): object {
  const medians = (shape: Shape): object =>
    Object.fromEntries(
      ([...TIMES, 'originRequests'] as const).map((field) => [
        field,
        rounded(spreadOf(deliveries[shape].map((one) => one[field])).median),
      ]),
    );
  const ratio = Object.fromEntries(
    TIMES.map((field) => [field, rounded(spreadOf(ratios(deliveries, field)).median)]),
  );
  return { conditions: { peers, files, fileBytes, runs }, one: medians('one'), many: medians('many'), ratio };
}
