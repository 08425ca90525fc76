import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { PeerId, SnapshotId } from '../core/index.ts';
import {
  addWish,
  createUploadQueue,
  endServe,
  nextWish,
  removeChild,
  removeWish,
  stallServe,
  type UploadQueue,
  type Wish,
  type WishView,
  waitsUntilMs,
} from './upload-queue.ts';

const SNAPSHOT = 'ab'.repeat(32) as SnapshotId;

function wish(peer: string, piece: number, more: Partial<Wish> = {}): Wish {
  return {
    peer: peer as PeerId,
    channel: 1,
    snapshot: SNAPSHOT,
    piece,
    sizeBytes: 100,
    heldCount: 0,
    ...more,
  };
}

function ask(queue: UploadQueue, peer: string, ...pieces: number[]): void {
  for (const piece of pieces) assert.ok(addWish(queue, wish(peer, piece)));
}

/** Serves one after another until nothing waits; who was served with what. */
function serveAll(queue: UploadQueue, copies: readonly number[] = []): string[] {
  const served: string[] = [];
  for (let next = nextWish(queue, view(copies), 0); next; next = nextWish(queue, view(copies), 0)) {
    served.push(`${next.peer}${next.piece}`);
    endServe(queue, next, true, 0);
  }
  return served;
}

/** Nobody else holds anything, and these pieces wait to be sent once. */
function view(copies: readonly number[] = [], unsent: readonly number[] = []): WishView {
  return {
    rarityOf: ({ piece }) => copies[piece] ?? 0,
    hasUnsent: (_, wasSent) => unsent.some((piece) => !wasSent(piece)),
    usualMs: () => 0,
  };
}

function nextOf(queue: UploadQueue, unsent: readonly number[] = [], nowMs = 0): Wish | undefined {
  return nextWish(queue, view([], unsent), nowMs);
}

test('children take turns, whoever asked first or for more', () => {
  const queue = createUploadQueue();
  ask(queue, 'a', 1, 2, 3);
  ask(queue, 'b', 4, 5, 6);
  assert.deepEqual(
    serveAll(queue).map((text) => text[0]),
    ['a', 'b', 'a', 'b', 'a', 'b'],
  );
});

test('the child that has least goes first, and what it was sent counts whatever it says', () => {
  const queue = createUploadQueue();
  for (const piece of [1, 2]) addWish(queue, wish('a', piece, { heldCount: 5 }));
  for (const piece of [3, 4, 5, 6, 7, 8, 9]) addWish(queue, wish('b', piece));
  const heldByOne = Array.from({ length: 10 }, () => 1);
  assert.deepEqual(serveAll(queue, heldByOne), ['b3', 'b4', 'b5', 'b6', 'b7', 'a1', 'b8', 'a2', 'b9']);
});

test('of pieces that nobody has, who has most of them to itself gets the next after the others', () => {
  const queue = createUploadQueue();
  for (const piece of [1, 2, 3]) addWish(queue, wish('slow', piece));
  for (const piece of [4, 5, 6, 7]) addWish(queue, wish('quick', piece, { heldCount: 9 }));
  const copies: number[] = [];
  const served: string[] = [];
  for (let next = nextWish(queue, view(copies), 0); next; next = nextWish(queue, view(copies), 0)) {
    served.push(`${next.peer}${next.piece}`);
    endServe(queue, next, true, 0);
    // What the quick one gets is with another soon.
    copies[next.piece] = next.peer === 'quick' ? 2 : 1;
  }
  assert.deepEqual(served, ['slow1', 'quick4', 'quick5', 'quick6', 'quick7', 'slow2', 'slow3']);
});

test('who is far behind goes before rarer wishes, but not before what nobody has', () => {
  const queue = createUploadQueue();
  addWish(queue, wish('ahead', 1, { heldCount: 90 }));
  addWish(queue, wish('near', 2, { heldCount: 89 }));
  addWish(queue, wish('behind', 3, { heldCount: 40 }));
  addWish(queue, wish('fresh', 4, { heldCount: 90 }));
  assert.deepEqual(serveAll(queue, [0, 1, 2, 9, 0]), ['fresh4', 'behind3', 'ahead1', 'near2']);
});

test('a child during whose serve many others were served gets nothing for being behind', () => {
  const queue = createUploadQueue();
  addWish(queue, wish('slow', 1, { heldCount: 1 }));
  const long = nextOf(queue);
  assert.ok(long);
  ask(queue, 'quick', 2, 3, 4, 5, 6, 7, 8);
  serveAll(queue);
  endServe(queue, long, true, 0);
  addWish(queue, wish('slow', 9, { heldCount: 1 }));
  addWish(queue, wish('ahead', 10, { heldCount: 90 }));
  const copies: number[] = [];
  [copies[9], copies[10]] = [9, 1];
  assert.deepEqual(serveAll(queue, copies), ['ahead10', 'slow9']);
});

test('what did not reach a child does not count against it', () => {
  const queue = createUploadQueue();
  ask(queue, 'a', 1);
  const broken = nextOf(queue);
  assert.ok(broken);
  endServe(queue, broken, false, 0);
  ask(queue, 'a', 2);
  addWish(queue, wish('b', 3, { heldCount: 1 }));
  assert.equal(nextOf(queue)?.peer, 'a');
});

test('swarms take turns by bytes, and a new one starts level', () => {
  const queue = createUploadQueue();
  const other = 'cd'.repeat(32) as SnapshotId;
  ask(queue, 'z', 1);
  serveAll(queue);
  for (const piece of [1, 2]) addWish(queue, wish('a', piece, { snapshot: other, sizeBytes: 300 }));
  ask(queue, 'b', 3, 4, 5, 6);
  assert.deepEqual(serveAll(queue), ['a1', 'b3', 'b4', 'b5', 'a2', 'b6']);
});

test('the piece goes first that fewest neighbours hold and that was sent least often', () => {
  const queue = createUploadQueue();
  ask(queue, 'a', 1);
  serveAll(queue);
  ask(queue, 'b', 1, 2, 3);
  const copies = [0, 0, 2, 1];
  const served = [];
  for (let left = 3; left > 0; left -= 1) {
    const next = nextWish(queue, view(copies), 0);
    assert.ok(next);
    served.push(next.piece);
    endServe(queue, next, true, 0);
  }
  assert.deepEqual(served, [3, 2, 1]);
});

test('while pieces were sent to nobody, others are sent again one at a time only', () => {
  const queue = createUploadQueue();
  for (const peer of ['a', 'b', 'c']) addWish(queue, wish(peer, 1, { heldCount: 1 }));
  const first = nextOf(queue, [1, 2]);
  assert.ok(first);
  assert.equal(nextOf(queue, [1, 2]), undefined);
  addWish(queue, wish('b', 2, { heldCount: 1 }));
  assert.equal(nextOf(queue, [1, 2])?.piece, 2);
  assert.equal(nextOf(queue, [1, 2])?.piece, 1, 'nothing is left to wait for');
  endServe(queue, first, true, 0);
});

test('a second copy goes at once where nothing else of its swarm is sent', () => {
  const queue = createUploadQueue();
  const other = 'cd'.repeat(32) as SnapshotId;
  ask(queue, 'a', 1);
  serveAll(queue);
  addWish(queue, wish('b', 5, { snapshot: other, sizeBytes: 1 }));
  assert.equal(nextOf(queue, [9])?.peer, 'b');
  ask(queue, 'c', 1);
  const again = nextOf(queue, [9]);
  assert.equal(again?.peer, 'c', 'another swarm holds nothing up');
  addWish(queue, wish('d', 1, { heldCount: 1 }));
  assert.equal(nextOf(queue, [9]), undefined);
  stallServe(queue, again.peer);
  assert.equal(nextOf(queue, [9])?.peer, 'd', 'nor does a child that takes nothing');
});

test('a piece whose send was broken off counts as not sent', () => {
  const queue = createUploadQueue();
  ask(queue, 'a', 1);
  const broken = nextOf(queue);
  assert.ok(broken);
  endServe(queue, broken, false, 0);
  ask(queue, 'b', 2, 1);
  ask(queue, 'c', 2);
  assert.deepEqual(serveAll(queue), ['b2', 'b1', 'c2']);
});

test('no more are served at once than the limit says, and each child one at a time', () => {
  const queue = createUploadQueue({ maxActive: 2 });
  for (const peer of ['a', 'b', 'c'])
    for (const piece of [1, 2]) addWish(queue, wish(peer, piece, { heldCount: 1 }));
  const [one, two] = [nextOf(queue), nextOf(queue)];
  assert.ok(one && two);
  assert.notEqual(one.peer, two.peer);
  assert.equal(nextOf(queue), undefined);
  endServe(queue, one, true, 0);
  assert.equal(nextOf(queue)?.peer, 'c');
});

test('a parent whose serves all take four times as long as is usual serves one child at a time', () => {
  const queue = createUploadQueue();
  const seen = { ...view(), usualMs: () => 30 };
  const children = ['a', 'b', 'c', 'd', 'e'];
  for (const [at, peer] of children.entries()) {
    addWish(queue, wish(peer, at, { heldCount: 1 }));
    addWish(queue, wish(peer, at + 10, { heldCount: 1 }));
  }
  const first = [0, 1, 2].map(() => nextWish(queue, seen, 0));
  assert.equal(nextWish(queue, seen, 0), undefined);
  for (const served of first) if (served) endServe(queue, served, true, 120);
  const fourth = nextWish(queue, seen, 120);
  assert.ok(fourth);
  endServe(queue, fourth, true, 240);
  assert.ok(nextWish(queue, seen, 240));
  assert.equal(nextWish(queue, seen, 240), undefined);
});

test('serves to children that are slow themselves leave a parent its places', () => {
  const queue = createUploadQueue();
  for (let piece = 0; piece < 8; piece += 1) {
    addWish(queue, wish('slow', piece, { heldCount: 1 }));
    const served = nextOf(queue, [], piece * 1000);
    assert.ok(served);
    endServe(queue, served, true, piece * 1000 + 999);
  }
  assert.equal(queue.places.now, queue.limits.maxActive);
});

test('a first piece goes alone, unless its child takes nothing; other swarms go on', () => {
  const queue = createUploadQueue();
  const other = 'cd'.repeat(32) as SnapshotId;
  for (const peer of ['a', 'b', 'c']) ask(queue, peer, 1, 2);
  const first = nextOf(queue);
  assert.ok(first);
  assert.equal(nextOf(queue), undefined);
  addWish(queue, wish('z', 5, { snapshot: other, heldCount: 1 }));
  assert.equal(nextOf(queue)?.peer, 'z');
  stallServe(queue, first.peer);
  const second = nextOf(queue);
  assert.ok(second);
  assert.equal(nextOf(queue), undefined);
  endServe(queue, second, true, 0);
  endServe(queue, first, true, 0);
  const third = nextOf(queue);
  assert.ok(third);
  endServe(queue, third, true, 0);
  assert.deepEqual(
    [nextOf(queue), nextOf(queue)].map((next) => next !== undefined),
    [true, true],
    'all hold something',
  );
});

test('a first piece that takes too long is alone no more', () => {
  const queue = createUploadQueue();
  for (const peer of ['slow', 'b', 'c']) ask(queue, peer, 1, 2);
  const slow = nextOf(queue);
  assert.ok(slow);
  const untilMs = waitsUntilMs(queue);
  assert.ok(untilMs !== undefined && untilMs > 0);
  assert.equal(nextOf(queue, [], untilMs - 1), undefined);
  const second = nextOf(queue, [], untilMs);
  assert.ok(second);
  assert.equal(nextOf(queue, [], untilMs), undefined, 'the second is a first piece, too');
  endServe(queue, second, true, untilMs + 100);
  const third = nextOf(queue, [], untilMs + 100);
  assert.ok(third);
  assert.equal(waitsUntilMs(queue), untilMs + 200, 'what a serve took is what the next may take alone');
  removeChild(queue, second.peer);
  assert.equal(waitsUntilMs(queue), undefined, 'nobody waits');
});

test('a child with too many waiting is told so, others are not', () => {
  const queue = createUploadQueue({ maxQueuedPerPeer: 2 });
  ask(queue, 'a', 1, 2);
  assert.equal(addWish(queue, wish('a', 3)), false);
  assert.equal(addWish(queue, wish('b', 3)), true);
});

test('a wish that was taken back is not served', () => {
  const queue = createUploadQueue();
  ask(queue, 'a', 1, 2);
  assert.equal(removeWish(queue, 'a' as PeerId, 1, 1), true);
  assert.equal(removeWish(queue, 'a' as PeerId, 1, 1), false);
  assert.equal(removeWish(queue, 'z' as PeerId, 1, 1), false);
  assert.deepEqual(serveAll(queue), ['a2']);
});

test('a child that comes back while its old serve still runs is not served twice at once', () => {
  const queue = createUploadQueue();
  ask(queue, 'a', 1);
  const first = nextOf(queue);
  assert.ok(first);
  removeChild(queue, 'a' as PeerId);
  ask(queue, 'a', 2, 3);
  assert.equal(nextOf(queue), undefined);
  endServe(queue, first, true, 0);
  assert.deepEqual(serveAll(queue), ['a2', 'a3']);
});

test('whatever happens in whatever order: limits hold, nobody is served twice at once, every wish is served once', () => {
  const peer = fc.integer({ min: 0, max: 4 }).map((number) => `p${number}`);
  const piece = fc.integer({ min: 0, max: 9 });
  const command = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('ask' as const), peer, piece }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('next' as const) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('end' as const), at: fc.nat(10) }) },
    fc.record({ kind: fc.constant('cancel' as const), peer, piece }),
    fc.record({ kind: fc.constant('leave' as const), peer }),
  );
  const run = (commands: readonly (typeof command extends fc.Arbitrary<infer C> ? C : never)[]): void => {
    const queue = createUploadQueue({ maxActive: 3, maxQueuedPerPeer: 4 });
    const waiting = new Map<string, Set<number>>();
    const active: Wish[] = [];
    const of = (name: string): Set<number> => {
      const known = waiting.get(name) ?? new Set();
      waiting.set(name, known);
      return known;
    };
    const next = (): boolean => {
      const found = nextOf(queue);
      if (!found) return false;
      assert.ok(of(found.peer).delete(found.piece), 'what is served was asked for and not served since');
      assert.ok(!active.some(({ peer }) => peer === found.peer), 'a child is served one piece at a time');
      active.push(found);
      assert.ok(active.length <= 3);
      return true;
    };
    const end = (at: number): void => {
      const [ended] = active.splice(at % Math.max(1, active.length), 1);
      if (ended) endServe(queue, ended, at % 3 > 0, 0);
    };
    for (const step of commands) {
      if (step.kind === 'next') next();
      else if (step.kind === 'end') end(step.at);
      else if (step.kind === 'cancel') {
        const was = of(step.peer).delete(step.piece);
        assert.equal(removeWish(queue, step.peer as PeerId, 1, step.piece), was);
      } else if (step.kind === 'leave') {
        removeChild(queue, step.peer as PeerId);
        of(step.peer).clear();
      } else {
        const taken = addWish(queue, wish(step.peer, step.piece));
        assert.equal(taken, of(step.peer).size < 4);
        if (taken) of(step.peer).add(step.piece);
      }
    }
    while (active.length > 0 || next()) end(0);
    for (const [name, pieces] of waiting) assert.equal(pieces.size, 0, `${name} still waits`);
  };
  fc.assert(fc.property(fc.array(command, { maxLength: 80 }), run), { numRuns: 500 });
});
