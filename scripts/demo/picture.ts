// The demo's live picture: a bar for each peer. Pure text.

import { formatBytes } from '../../src/core/index.ts';

export interface PeerView {
  readonly name: string;
  totalBytes: number;
  bytesDone: number;
  bytesFromPeers: number;
  neighbours: number;
  /** Of its dfget; undefined while it runs. */
  seconds: number | undefined;
  failed: boolean;
}

const BAR_CELLS = 30;
/** Peers that get a line of their own; the rest are summed up. */
const MAX_LINES = 24;

export function renderPicture(peers: readonly PeerView[], originBytes: number, seconds: number): string {
  const lines = peers.slice(0, MAX_LINES).map(renderPeer);
  if (peers.length > MAX_LINES) lines.push(`  … and ${peers.length - MAX_LINES} more peers`);
  const done = peers.filter((peer) => peer.seconds !== undefined).length;
  const delivered = peers.reduce((sum, peer) => sum + peer.bytesDone, 0);
  lines.push(
    '',
    `  ${done}/${peers.length} peers done · ${formatBytes(delivered)} delivered · origin sent ${formatBytes(originBytes)} · ${seconds.toFixed(1)} s`,
  );
  return lines.join('\n');
}

function renderPeer(peer: PeerView): string {
  const share = peer.totalBytes === 0 ? 0 : Math.min(1, peer.bytesDone / peer.totalBytes);
  const full = Math.round(share * BAR_CELLS);
  const bar = `${'█'.repeat(full)}${'░'.repeat(BAR_CELLS - full)}`;
  return `  ${peer.name.padEnd(9)} ${bar} ${String(Math.floor(share * 100)).padStart(3)}%  ${stateOf(peer)}`;
}

function stateOf(peer: PeerView): string {
  if (peer.failed) return 'failed';
  if (peer.seconds !== undefined) return `done in ${peer.seconds.toFixed(1)} s`;
  if (peer.totalBytes === 0) return 'resolving';
  return `${formatBytes(peer.bytesDone)} from ${peer.neighbours} peers`;
}
