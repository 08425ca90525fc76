// What the demo found out, as a table and as one object.

import { formatBytes } from '../../src/core/index.ts';

export interface DemoReport {
  readonly peers: number;
  readonly completed: number;
  readonly files: number;
  readonly contentBytes: number;
  readonly originBytes: number;
  readonly originRequests: number;
  /** Origin bytes ÷ content bytes; 1.00 is the best there is. */
  readonly originRatio: number;
  readonly firstPeerSeconds: number;
  readonly lastPeerSeconds: number;
  /** Whether every file of every peer has the digest that the hub published. */
  readonly verified: boolean;
}

export function reportTable(report: DemoReport): string {
  const separately = report.peers * report.contentBytes;
  const saved = separately === 0 ? 0 : 100 * (1 - report.originBytes / separately);
  const rows: [string, string][] = [
    ['peers', `${report.completed} of ${report.peers} complete`],
    ['verified', report.verified ? 'every file of every peer' : 'NO'],
    ['content', `${report.files} files, ${formatBytes(report.contentBytes)}`],
    ['origin sent', `${formatBytes(report.originBytes)} = ${report.originRatio.toFixed(2)} × content`],
    ['origin requests', String(report.originRequests)],
    [`${report.peers} separate downloads`, `${formatBytes(separately)}, that is ${saved.toFixed(1)} % saved`],
    ['first peer', `${report.firstPeerSeconds.toFixed(1)} s`],
    ['last peer', `${report.lastPeerSeconds.toFixed(1)} s`],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`).join('\n');
}
