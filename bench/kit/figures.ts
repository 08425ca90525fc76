// Several runs as one figure, and figures as a table.

/** The middle of several runs, with the least and the greatest. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
  return { median, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN };
}

/** `1.23 (1.19–1.30)`. */
export function spreadText({ median, min, max }: Spread, digits: number): string {
  const text = (value: number): string => value.toFixed(digits);
  return `${text(median)} (${text(min)}–${text(max)})`;
}

/** Numbers as they are worth writing down. */
export function rounded(value: number, digits = 3): number {
  return Number(value.toFixed(digits));
}

/** Columns as wide as their widest cell. The first row is the head. */
export function tableText(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('   ')
        .trimEnd(),
    )
    .join('\n');
}
