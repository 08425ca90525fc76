// Sizes and durations as people write them. Both need a unit where a bare number could be misread.

import { AnaxError } from '../core/index.ts';

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1000,
  kb: 1000,
  ki: 1024,
  kib: 1024,
  m: 1000 ** 2,
  mb: 1000 ** 2,
  mi: 1024 ** 2,
  mib: 1024 ** 2,
  g: 1000 ** 3,
  gb: 1000 ** 3,
  gi: 1024 ** 3,
  gib: 1024 ** 3,
  t: 1000 ** 4,
  tb: 1000 ** 4,
  ti: 1024 ** 4,
  tib: 1024 ** 4,
};

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `4MiB`, `1.5 GiB`, `100MB` (decimal), `4096` (bytes). Throws `config_invalid`. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/iu.exec(text.trim());
  const factor = SIZE_UNITS[match?.[2]?.toLowerCase() ?? 'none'];
  const bytes = Math.round(Number(match?.[1]) * (factor ?? Number.NaN));
  if (!Number.isSafeInteger(bytes)) {
    throw new AnaxError('config_invalid', `not a size: ${text.slice(0, 50)}`, {
      hint: 'write a number and a unit: 512KiB, 4MiB, 1.5GiB',
    });
  }
  return bytes;
}

/** `100MiB` or `100MiB/s`, in bytes per second. Throws `config_invalid`. */
export function parseRate(text: string): number {
  return parseSize(text.trim().replace(/\s*(?:\/s|ps)$/iu, ''));
}

/** `500ms`, `30s`, `2h`, `1h30m`, in milliseconds. Throws `config_invalid`. */
export function parseDuration(text: string): number {
  const compact = text.trim().toLowerCase().replaceAll(' ', '');
  const parts = [...compact.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/gu)];
  const read = parts.map(([part]) => part).join('');
  const ms = parts.reduce(
    (sum, [, value, unit]) => sum + Number(value) * (DURATION_UNITS[unit ?? ''] ?? 0),
    0,
  );
  if (parts.length === 0 || read !== compact || !Number.isSafeInteger(Math.round(ms))) {
    throw new AnaxError('config_invalid', `not a duration: ${text.slice(0, 50)}`, {
      hint: 'write a number and a unit: 500ms, 30s, 10m, 2h',
    });
  }
  return Math.round(ms);
}
