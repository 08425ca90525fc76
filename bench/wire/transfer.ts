// What one transfer is measured by, whoever made it.

import { GiB } from '../../src/core/index.ts';

export interface Transfer {
  readonly gibPerSecond: number;
  readonly receiverCpuSecondsPerGiB: number;
  readonly serverCpuSecondsPerGiB: number;
  readonly receiverPeakRssMiB: number;
  readonly serverPeakRssMiB: number;
  /** Of the processor time, what the main threads took; only for processes with several that work. */
  readonly receiverMainThreadShare?: number;
  readonly serverMainThreadShare?: number;
}

export interface Measured {
  readonly bytes: number;
  readonly seconds: number;
  readonly receiverCpuSeconds: number;
  readonly serverCpuSeconds: number;
  readonly receiverPeakRssMiB: number;
  readonly serverPeakRssMiB: number;
  readonly receiverMainThreadSeconds?: number;
  readonly serverMainThreadSeconds?: number;
}

export function toTransfer(measured: Measured): Transfer {
  const gib = measured.bytes / GiB;
  return {
    gibPerSecond: gib / measured.seconds,
    receiverCpuSecondsPerGiB: measured.receiverCpuSeconds / gib,
    serverCpuSecondsPerGiB: measured.serverCpuSeconds / gib,
    receiverPeakRssMiB: measured.receiverPeakRssMiB,
    serverPeakRssMiB: measured.serverPeakRssMiB,
    ...(measured.receiverMainThreadSeconds !== undefined && {
      receiverMainThreadShare: measured.receiverMainThreadSeconds / measured.receiverCpuSeconds,
    }),
    ...(measured.serverMainThreadSeconds !== undefined && {
      serverMainThreadShare: measured.serverMainThreadSeconds / measured.serverCpuSeconds,
    }),
  };
}
