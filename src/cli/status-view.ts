// What the daemon tells about itself and its cache, as tables for people. Pure.

import { formatBytes } from '../core/index.ts';
import type { CacheListing, DaemonStatus, SwarmStatus } from '../rpc/index.ts';
import { shortDigest } from './summary.ts';
import { formatClock, formatSpan, formatTable, padEnd, plural } from './text.ts';

const SHORT_ID_LENGTH = 12;
const LABEL_WIDTH = 11;

export function statusLines(status: DaemonStatus): string[] {
  const { peer, scheduler, cache, totals, swarms } = status;
  const limit = cache.capacityBytes === undefined ? '' : ` of ${formatBytes(cache.capacityBytes)}`;
  const zone = peer.zone === '' ? '' : ` in ${peer.zone}`;
  const facts: [string, string][] = [
    [peer.role, `${peer.id} on ${peer.hostname}${zone}, version ${peer.version}`],
    ['address', `${peer.host}:${peer.port}`],
    ['up', formatSpan(status.uptimeMs)],
    ['scheduler', schedulerText(scheduler)],
    ['cache', `${cache.dir}: ${plural(cache.blobs, 'blob')}, ${formatBytes(cache.heldBytes)}${limit}`],
    ['received', `${formatBytes(totals.bytesFromPeers)} from peers, ${originText(totals)}`],
    ['given', `${formatBytes(totals.bytesToPeers)} to peers`],
    ...status.originWaits.map(({ origin, waitMs }): [string, string] => [
      'waiting',
      `${origin} limits requests: going on in ${formatClock(waitMs)}`,
    ]),
  ];
  const lines = facts.map(([label, text]) => `${padEnd(label, LABEL_WIDTH)}${text}`);
  return swarms.length === 0 ? lines : [...lines, '', ...swarmTable(swarms)];
}

function schedulerText({ address, connected }: DaemonStatus['scheduler']): string {
  if (address === undefined) return 'none: on its own';
  return `${address}, ${connected ? 'connected' : 'not connected'}`;
}

function originText({ bytesFromOrigin, originRequests }: DaemonStatus['totals']): string {
  return `${formatBytes(bytesFromOrigin)} from origins in ${plural(originRequests, 'request')}`;
}

function swarmTable(swarms: readonly SwarmStatus[]): string[] {
  const rows = swarms.map((swarm) => [
    swarm.snapshotId.slice(0, SHORT_ID_LENGTH),
    formatBytes(swarm.totalBytes),
    share(swarm.piecesHeld, swarm.pieceCount),
    String(swarm.neighbours),
    swarm.url,
  ]);
  const columns = [
    { title: 'SWARM' },
    { title: 'SIZE', align: 'right' as const },
    { title: 'HELD', align: 'right' as const },
    { title: 'NEIGHBOURS', align: 'right' as const },
    { title: 'URL' },
  ];
  return formatTable(columns, rows);
}

function share(part: number, whole: number): string {
  return whole === 0 ? '100%' : `${Math.floor((part / whole) * 100)}%`;
}

/** `wallMs` is the time of day, for how long ago a blob was used. */
export function listingLines({ blobs, snapshots }: CacheListing, wallMs: number): string[] {
  const size = { title: 'SIZE', align: 'right' as const };
  const held = { title: 'HELD', align: 'right' as const };
  const snapshotRows = snapshots.map((snapshot) => [
    snapshot.snapshotId.slice(0, SHORT_ID_LENGTH),
    formatBytes(snapshot.totalBytes),
    share(snapshot.heldBytes, snapshot.totalBytes),
    String(snapshot.files),
    `${snapshot.url}${snapshot.pinned ? '  (pinned)' : ''}`,
  ]);
  const blobRows = blobs.map((blob) => [
    shortDigest(blob.digest),
    formatBytes(blob.sizeBytes),
    share(blob.heldBytes, blob.sizeBytes),
    blob.pinned ? `${blob.state}, pinned` : blob.state,
    `${formatSpan(Math.max(0, wallMs - blob.lastUsedAtMs))} ago`,
  ]);
  const files = { title: 'FILES', align: 'right' as const };
  const heldBytes = blobs.reduce((sum, blob) => sum + blob.heldBytes, 0);
  return [
    ...(snapshots.length === 0
      ? []
      : [...formatTable([{ title: 'SNAPSHOT' }, size, held, files, { title: 'URL' }], snapshotRows), '']),
    ...(blobs.length === 0
      ? []
      : formatTable([{ title: 'BLOB' }, size, held, { title: 'STATE' }, { title: 'USED' }], blobRows)),
    `${plural(blobs.length, 'blob')}, ${formatBytes(heldBytes)}`,
  ];
}
