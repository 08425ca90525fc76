// Who is served next, over all swarms of a host. The parent paces: it serves a few children at once, takes the child
// that got least so far, and of that child's wishes the piece it has sent least often. In our models who is served
// mattered more than which piece, and spreading first copies keeps a seed from sending any piece twice before all once.

import type { PeerId, SnapshotId } from '../core/index.ts';

export interface UploadLimits {
  /** Children served at once. Default 4. */
  readonly maxActive: number;
  /** Wishes of one child that wait; more are refused as busy. Default 64. */
  readonly maxQueuedPerPeer: number;
}

export const DEFAULT_UPLOAD_LIMITS: UploadLimits = { maxActive: 4, maxQueuedPerPeer: 64 };

/** One child's wish for one piece. `peer` and `channel` say over which link to answer. */
export interface Wish {
  readonly peer: PeerId;
  readonly channel: number;
  readonly snapshot: SnapshotId;
  readonly piece: number;
  readonly sizeBytes: number;
}

interface ChildState {
  readonly wishes: Map<string, Wish>;
  servedBytes: number;
  /** Whether it is served; `stalled`: it takes nothing, and its place went to others. */
  active: false | 'served' | 'stalled';
  /** Its link went while it was served; what it is then stays known until that serve has ended. */
  left: boolean;
}

export interface UploadQueue {
  readonly limits: UploadLimits;
  readonly children: Map<PeerId, ChildState>;
  /** How often each piece was sent, by `snapshot/piece`. */
  readonly sent: Map<string, number>;
  active: number;
}

/** Pieces whose sends are remembered; beyond it the oldest are forgotten. */
const MAX_SENT_ENTRIES = 200_000;

export function createUploadQueue(limits: Partial<UploadLimits> = {}): UploadQueue {
  return { limits: { ...DEFAULT_UPLOAD_LIMITS, ...limits }, children: new Map(), sent: new Map(), active: 0 };
}

const wishKey = (channel: number, piece: number): string => `${channel}/${piece}`;
const sentKey = (wish: Wish): string => `${wish.snapshot}/${wish.piece}`;

/** Queues a wish; false where the child has too many waiting. */
export function addWish(queue: UploadQueue, wish: Wish): boolean {
  const child = childOf(queue, wish.peer);
  child.left = false;
  if (child.wishes.size >= queue.limits.maxQueuedPerPeer) return false;
  child.wishes.set(wishKey(wish.channel, wish.piece), wish);
  return true;
}

function childOf(queue: UploadQueue, peer: PeerId): ChildState {
  const known = queue.children.get(peer);
  if (known) return known;
  // A newcomer starts level with the least served, so that it neither starves nor crowds the others out.
  let servedBytes = Number.POSITIVE_INFINITY;
  for (const child of queue.children.values()) servedBytes = Math.min(servedBytes, child.servedBytes);
  const child: ChildState = {
    wishes: new Map(),
    servedBytes: Number.isFinite(servedBytes) ? servedBytes : 0,
    active: false,
    left: false,
  };
  queue.children.set(peer, child);
  return child;
}

/** Takes back a wish that has not begun; whether there was one. */
export function removeWish(queue: UploadQueue, peer: PeerId, channel: number, piece: number): boolean {
  return queue.children.get(peer)?.wishes.delete(wishKey(channel, piece)) ?? false;
}

/** The next wish to serve, if a place is free. The caller serves it and then calls `endServe`. */
export function nextWish(queue: UploadQueue): Wish | undefined {
  if (queue.active >= queue.limits.maxActive) return undefined;
  const child = leastServed(queue, (candidate) => hasUnsent(queue, candidate)) ?? leastServed(queue);
  const wish = child && leastSent(queue, child);
  if (!child || !wish) return undefined;
  child.wishes.delete(wishKey(wish.channel, wish.piece));
  child.active = 'served';
  child.servedBytes += wish.sizeBytes;
  queue.active += 1;
  noteSent(queue, wish);
  return wish;
}

function leastServed(
  queue: UploadQueue,
  fits: (child: ChildState) => boolean = () => true,
): ChildState | undefined {
  let best: ChildState | undefined;
  for (const child of queue.children.values()) {
    if (child.active || child.wishes.size === 0) continue;
    if ((!best || child.servedBytes < best.servedBytes) && fits(child)) best = child;
  }
  return best;
}

/** Whether a child wishes for something that was never sent to anybody. */
function hasUnsent(queue: UploadQueue, child: ChildState): boolean {
  for (const wish of child.wishes.values()) if (!queue.sent.has(sentKey(wish))) return true;
  return false;
}

function leastSent(queue: UploadQueue, child: ChildState): Wish | undefined {
  let best: Wish | undefined;
  let fewest = Number.POSITIVE_INFINITY;
  for (const wish of child.wishes.values()) {
    const times = queue.sent.get(sentKey(wish)) ?? 0;
    if (times >= fewest) continue;
    fewest = times;
    best = wish;
  }
  return best;
}

function noteSent(queue: UploadQueue, wish: Wish): void {
  const key = sentKey(wish);
  queue.sent.set(key, (queue.sent.get(key) ?? 0) + 1);
  if (queue.sent.size <= MAX_SENT_ENTRIES) return;
  const oldest = queue.sent.keys().next();
  if (!oldest.done) queue.sent.delete(oldest.value);
}

/** A child takes nothing of what it is served: its place is free for others, and it gets no further one meanwhile. */
export function stallServe(queue: UploadQueue, peer: PeerId): void {
  const child = queue.children.get(peer);
  if (child?.active !== 'served') return;
  child.active = 'stalled';
  queue.active -= 1;
}

/** A serve that `nextWish` began has ended, well or not. */
export function endServe(queue: UploadQueue, peer: PeerId): void {
  const child = queue.children.get(peer);
  if (child?.active !== 'stalled') queue.active -= 1;
  if (!child) return;
  child.active = false;
  if (child.left) queue.children.delete(peer);
}

/** The link to a child is gone: its wishes are, too. Its running serve still ends by `endServe`. */
export function removeChild(queue: UploadQueue, peer: PeerId): void {
  const child = queue.children.get(peer);
  child?.wishes.clear();
  if (child?.active) child.left = true;
  else queue.children.delete(peer);
}
