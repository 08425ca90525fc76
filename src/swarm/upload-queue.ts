// Who is served next, over all swarms of a host. The parent paces: it serves a few children at once, each one piece at a
// time; a child's first piece goes alone. Swarms take turns by bytes. Within a swarm the piece goes first that fewest neighbours hold and this host sent
// least often: young pieces spread at once. While some were sent to nobody, others are sent again one at a time only: a
// seed's link is what the whole swarm waits for, and a wish for a fresh piece is soon here. A piece that nobody has goes
// to the child that has the fewest such pieces still to itself: whoever is slow to take or to give on gets no more of
// them than it spreads. Among children that are equal in this the most deprived goes first, which keeps all level up to
// the end; one that is far behind goes before all but those fresh pieces.

import type { PeerId, SnapshotId } from '../core/index.ts';
import { createWidth, noteTook, type Width } from './width.ts';

export interface UploadLimits {
  /**
   * Children served at once. Default 3, as many as a child takes from at once (see `SwarmLimits.lanes`); fewer where the own
   * link is slower than those of most.
   */
  readonly maxActive: number;
  /** Wishes of one child that wait; more are refused as busy. Default 64. */
  readonly maxQueuedPerPeer: number;
}

export const DEFAULT_UPLOAD_LIMITS: UploadLimits = { maxActive: 3, maxQueuedPerPeer: 64 };

/** One child's wish for one piece. `peer` and `channel` say over which link to answer. */
export interface Wish {
  readonly peer: PeerId;
  readonly channel: number;
  readonly snapshot: SnapshotId;
  readonly piece: number;
  readonly sizeBytes: number;
  /** How many of the swarm's pieces the child was known to hold when it asked. */
  readonly heldCount: number;
}

interface ChildState {
  readonly wishes: Wish[];
  /** By swarm: pieces served to it; it holds no fewer, whatever it says. */
  readonly served: Map<SnapshotId, number>;
  /** What it was served, or is, before anybody else had it, as far as nobody else has it yet; the latest. */
  readonly entrusted: Wish[];
  /** What it is served. */
  serving: Wish | undefined;
  /** How many serves had ended when that began, and when that was. */
  begunAt: number;
  begunMs: number;
  /** What such a serve usually takes; 0 where that is not known. */
  usualMs: number;
  /** Of its last serve; see `SLOW_TURNS`. */
  isSlow: boolean;
  /** It takes nothing of that, and its place went to others. */
  isStalled: boolean;
  /** Its link went while it was served; what it is then stays known until that serve has ended. */
  left: boolean;
}

/** What the sender knows of the pieces that are wished for. */
export interface WishView {
  /** How rare a wish's piece is now: how many neighbours hold it. */
  readonly rarityOf: (wish: Wish) => number;
  /** Whether there are pieces, or will be in a moment, that are to be sent once before this wish's again. */
  readonly hasUnsent: (wish: Wish, wasSent: (piece: number) => boolean) => boolean;
  /** What a piece of the wish's swarm usually takes from a parent to a child; 0 where that is not known. */
  readonly usualMs: (wish: Wish) => number;
}

interface SwarmSends {
  bytes: number;
  /** Children that are served. */
  active: number;
  /** How often each piece was sent, up to 255; grows with the pieces asked for. */
  counts: Uint8Array;
}

export interface UploadQueue {
  readonly limits: UploadLimits;
  /** Children served at once, for now. */
  readonly places: Width;
  readonly children: Map<PeerId, ChildState>;
  /** Children that may be served: not being served, with wishes. */
  readonly waiting: Set<ChildState>;
  /** By swarm: the serve that nothing else of it goes beside, and for how long. */
  readonly alone: Map<SnapshotId, { readonly wish: Wish; readonly untilMs: number }>;
  /** In order of their first send. */
  readonly swarms: Map<SnapshotId, SwarmSends>;
  active: number;
  /** Serves that have ended. */
  ended: number;
  /** What a serve took lately; 0 before the first has ended. */
  serveMs: number;
}

/** A piece that was sent counts as if so many neighbours more had it. */
const SEND_WEIGHT = 3;

/**
 * A child that holds so many pieces fewer than another goes before it. Of 32, 48 and 96 the best where a tenth of the
 * hosts is slow; where all are equal it is seldom reached.
 */
const FAR_BEHIND = 48;

/** A child is slow when for each place so many other serves ended during its last one. */
const SLOW_TURNS = 2;

/** How long a first piece may keep the link to itself before it is known what a serve takes, and the least after that. */
const FIRST_ALONE_MS = 2_000;
const MIN_ALONE_MS = 50;

/** Pieces that a child may have to itself and still be told from others. */
const MAX_ENTRUSTED = 16;

/** Swarms whose sends are remembered; beyond it the oldest are forgotten. */
const MAX_SWARMS = 1_000;

export function createUploadQueue(limits: Partial<UploadLimits> = {}): UploadQueue {
  const allLimits = { ...DEFAULT_UPLOAD_LIMITS, ...limits };
  return {
    limits: allLimits,
    places: createWidth(allLimits.maxActive),
    children: new Map(),
    waiting: new Set(),
    alone: new Map(),
    swarms: new Map(),
    active: 0,
    ended: 0,
    serveMs: 0,
  };
}

/** Queues a wish; false where the child has too many waiting. */
export function addWish(queue: UploadQueue, wish: Wish): boolean {
  let child = queue.children.get(wish.peer);
  if (!child) queue.children.set(wish.peer, (child = createChild()));
  child.left = false;
  if (indexOfWish(child, wish.channel, wish.piece) >= 0) return true;
  if (child.wishes.length >= queue.limits.maxQueuedPerPeer) return false;
  child.wishes.push(wish);
  if (!queue.swarms.has(wish.snapshot)) addSwarm(queue, wish.snapshot);
  if (!child.serving) queue.waiting.add(child);
  return true;
}

function createChild(): ChildState {
  return {
    wishes: [],
    served: new Map(),
    entrusted: [],
    serving: undefined,
    begunAt: 0,
    begunMs: 0,
    usualMs: 0,
    isSlow: false,
    isStalled: false,
    left: false,
  };
}

/** Takes back a wish that has not begun; whether there was one. */
export function removeWish(queue: UploadQueue, peer: PeerId, channel: number, piece: number): boolean {
  const child = queue.children.get(peer);
  const at = child ? indexOfWish(child, channel, piece) : -1;
  if (!child || at < 0) return false;
  takeWish(queue, child, at);
  return true;
}

function indexOfWish(child: ChildState, channel: number, piece: number): number {
  return child.wishes.findIndex((wish) => wish.piece === piece && wish.channel === channel);
}

function takeWish(queue: UploadQueue, child: ChildState, at: number): void {
  child.wishes.splice(at, 1);
  if (child.wishes.length === 0) queue.waiting.delete(child);
}

/** The next wish to serve, if a place is free. The caller serves it and then calls `endServe`. */
export function nextWish(queue: UploadQueue, view: WishView, nowMs: number): Wish | undefined {
  if (queue.active >= queue.places.now || queue.waiting.size === 0) return undefined;
  let best: Candidate | undefined;
  for (const child of queue.waiting) {
    for (const [at, wish] of child.wishes.entries()) {
      const candidate = rate(queue, child, wish, at, view);
      if (best && !isBefore(candidate, best)) continue;
      if (!mustWait(queue, wish, view, nowMs)) best = candidate;
    }
  }
  if (!best) return undefined;
  const { child, wish, at } = best;
  takeWish(queue, child, at);
  queue.waiting.delete(child);
  child.serving = wish;
  child.begunAt = queue.ended;
  child.begunMs = nowMs;
  child.usualMs = view.usualMs(wish);
  if (best.rarity === 0) entrust(child, wish);
  child.served.set(wish.snapshot, (child.served.get(wish.snapshot) ?? 0) + 1);
  queue.active += 1;
  if (best.held === 0) queue.alone.set(wish.snapshot, { wish, untilMs: nowMs + aloneMs(queue) });
  noteSent(queue, wish);
  return wish;
}

/** Alone a piece takes a third of what it takes beside two others; a child that needs more than all of it is slow. */
function aloneMs({ serveMs }: UploadQueue): number {
  return serveMs === 0 ? FIRST_ALONE_MS : Math.max(MIN_ALONE_MS, serveMs);
}

/** When a wish may be served that waits for a first piece to be over; `undefined` where none does. */
export function waitsUntilMs(queue: UploadQueue): number | undefined {
  if (queue.active >= queue.places.now || queue.alone.size === 0) return undefined;
  let untilMs: number | undefined;
  for (const { wishes } of queue.waiting) {
    for (const { snapshot } of wishes) {
      const alone = queue.alone.get(snapshot);
      if (alone) untilMs = Math.min(untilMs ?? alone.untilMs, alone.untilMs);
    }
  }
  return untilMs;
}

/**
 * A first piece has the link to itself for a while: who has nothing gives nothing, and in three parts it would wait three
 * times as long (64 pieces to 200 peers: 1.27 instead of 1.34 × the bound). What was sent before waits while there is what was
 * not, but where nothing else of the swarm is sent: so nobody waits for ever.
 */
function mustWait(queue: UploadQueue, wish: Wish, view: WishView, nowMs: number): boolean {
  const sends = queue.swarms.get(wish.snapshot);
  if (!sends || sends.active === 0) return false;
  if (nowMs < (queue.alone.get(wish.snapshot)?.untilMs ?? 0)) return true;
  if (!wasSent(sends, wish.piece)) return false;
  return view.hasUnsent(wish, (piece) => wasSent(sends, piece));
}

function wasSent({ counts }: SwarmSends, piece: number): boolean {
  return (counts[piece] ?? 0) > 0;
}

interface Candidate {
  readonly child: ChildState;
  readonly wish: Wish;
  readonly at: number;
  readonly swarmBytes: number;
  readonly rarity: number;
  /** Where nobody has the piece: how many such pieces of the swarm the child has to itself. */
  readonly unspread: number;
  readonly held: number;
}

function rate(queue: UploadQueue, child: ChildState, wish: Wish, at: number, view: WishView): Candidate {
  const sends = queue.swarms.get(wish.snapshot);
  const sent = sends?.counts[wish.piece] ?? 0;
  const held = Math.max(wish.heldCount, child.served.get(wish.snapshot) ?? 0);
  const rarity = view.rarityOf(wish) + SEND_WEIGHT * sent;
  const unspread = rarity === 0 ? countUnspread(child, wish.snapshot, view) : 0;
  return { child, wish, at, swarmBytes: sends?.bytes ?? 0, rarity, unspread, held };
}

function countUnspread({ entrusted }: ChildState, snapshot: SnapshotId, view: WishView): number {
  let unspread = 0;
  for (let at = entrusted.length - 1; at >= 0; at -= 1) {
    const wish = entrusted[at] as Wish;
    if (view.rarityOf(wish) > 1) entrusted.splice(at, 1);
    else if (wish.snapshot === snapshot) unspread += 1;
  }
  return unspread;
}

function entrust({ entrusted }: ChildState, wish: Wish): void {
  entrusted.push(wish);
  if (entrusted.length > MAX_ENTRUSTED) entrusted.shift();
}

function isBefore(left: Candidate, right: Candidate): boolean {
  if (left.swarmBytes !== right.swarmBytes) return left.swarmBytes < right.swarmBytes;
  if (isLeftBehind(left, right)) return true;
  if (isLeftBehind(right, left)) return false;
  if (left.rarity !== right.rarity) return left.rarity < right.rarity;
  return left.unspread === right.unspread ? left.held < right.held : left.unspread < right.unspread;
}

/**
 * Who once fell behind wishes for what many hold, and would get what is left over for ever. Who takes its pieces slowly
 * is behind because of its link.
 */
function isLeftBehind(one: Candidate, other: Candidate): boolean {
  return other.rarity > 0 && !one.child.isSlow && one.held + FAR_BEHIND <= other.held;
}

function noteSent(queue: UploadQueue, { snapshot, piece, sizeBytes }: Wish): void {
  const sends = queue.swarms.get(snapshot) ?? addSwarm(queue, snapshot);
  sends.bytes += sizeBytes;
  sends.active += 1;
  if (piece >= sends.counts.length) {
    const longer = new Uint8Array(2 * piece + 64);
    longer.set(sends.counts);
    sends.counts = longer;
  }
  sends.counts[piece] = Math.min(255, (sends.counts[piece] ?? 0) + 1);
}

/** A new swarm starts level with the least served, so that it neither waits nor crowds the others out. */
function addSwarm(queue: UploadQueue, snapshot: SnapshotId): SwarmSends {
  let bytes = Number.POSITIVE_INFINITY;
  for (const other of queue.swarms.values()) bytes = Math.min(bytes, other.bytes);
  const sends = {
    bytes: Number.isFinite(bytes) ? bytes : 0,
    active: 0,
    counts: new Uint8Array(64),
  };
  queue.swarms.set(snapshot, sends);
  if (queue.swarms.size > MAX_SWARMS) {
    const oldest = queue.swarms.keys().next();
    if (!oldest.done) queue.swarms.delete(oldest.value);
  }
  return sends;
}

/** A child takes nothing of what it is served: its place is free for others, and it gets no further one meanwhile. */
export function stallServe(queue: UploadQueue, peer: PeerId): void {
  const child = queue.children.get(peer);
  if (!child?.serving || child.isStalled) return;
  child.isStalled = true;
  freePlace(queue, child.serving);
}

function freePlace(queue: UploadQueue, wish: Wish): void {
  queue.active -= 1;
  if (queue.alone.get(wish.snapshot)?.wish === wish) queue.alone.delete(wish.snapshot);
  const sends = queue.swarms.get(wish.snapshot);
  if (sends) sends.active = Math.max(0, sends.active - 1);
}

/** A serve that `nextWish` began has ended; what was not wholly sent counts as not sent. */
export function endServe(queue: UploadQueue, wish: Wish, isSent: boolean, nowMs: number): void {
  const { peer, snapshot, piece } = wish;
  const child = queue.children.get(peer);
  const counts = queue.swarms.get(snapshot)?.counts;
  if (!isSent && counts?.[piece]) counts[piece] = (counts[piece] ?? 1) - 1;
  if (!child?.isStalled) freePlace(queue, wish);
  queue.ended += 1;
  if (!child) return;
  noteTime(queue, child, isSent, nowMs);
  child.isSlow = queue.ended - child.begunAt > SLOW_TURNS * queue.places.now;
  child.serving = undefined;
  child.isStalled = false;
  if (!isSent) {
    child.served.set(snapshot, (child.served.get(snapshot) ?? 1) - 1);
    const at = child.entrusted.indexOf(wish);
    if (at >= 0) child.entrusted.splice(at, 1);
  }
  if (child.left) queue.children.delete(peer);
  else if (child.wishes.length > 0) queue.waiting.add(child);
}

function noteTime(queue: UploadQueue, child: ChildState, isSent: boolean, nowMs: number): void {
  const { begunMs, usualMs, isStalled } = child;
  const tookMs = nowMs - begunMs;
  // Who took a piece back after long says as much of the link as who took it whole; who took nothing says nothing.
  if (isSent || (tookMs > usualMs && !isStalled)) noteTook(queue.places, tookMs, usualMs, nowMs);
  if (!isSent) return;
  queue.serveMs = queue.serveMs === 0 ? tookMs : queue.serveMs * 0.9 + tookMs * 0.1;
}

/** The link to a child is gone: its wishes are, too. Its running serve still ends by `endServe`. */
export function removeChild(queue: UploadQueue, peer: PeerId): void {
  const child = queue.children.get(peer);
  if (!child) return;
  child.wishes.length = 0;
  queue.waiting.delete(child);
  if (child.serving) child.left = true;
  else queue.children.delete(peer);
}
