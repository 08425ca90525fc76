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
  type UploadQueue,
  type Wish,
} from './upload-queue.ts';

const SNAPSHOT = 'ab'.repeat(32) as SnapshotId;

function wish(peer: string, piece: number, more: Partial<Wish> = {}): Wish {
  return { peer: peer as PeerId, channel: 1, snapshot: SNAPSHOT, piece, sizeBytes: 100, ...more };
}

function ask(queue: UploadQueue, peer: string, ...pieces: number[]): void {
  for (const piece of pieces) assert.ok(addWish(queue, wish(peer, piece)));
}

/** Serves one after another until nothing waits; who was served with what. */
function serveAll(queue: UploadQueue): string[] {
  const served: string[] = [];
  for (let next = nextWish(queue); next; next = nextWish(queue)) {
    served.push(`${next.peer}${next.piece}`);
    endServe(queue, next.peer);
  }
  return served;
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

test('turns go by bytes, not by pieces', () => {
  const queue = createUploadQueue();
  addWish(queue, wish('a', 1, { sizeBytes: 300 }));
  addWish(queue, wish('a', 2, { sizeBytes: 300 }));
  ask(queue, 'b', 3, 4, 5, 6);
  assert.deepEqual(serveAll(queue), ['a1', 'b3', 'b4', 'b5', 'a2', 'b6']);
});

test('of the wishes of one child the piece that was sent least often goes first', () => {
  const queue = createUploadQueue();
  ask(queue, 'a', 1);
  serveAll(queue);
  ask(queue, 'b', 1, 2);
  assert.deepEqual(serveAll(queue), ['b2', 'b1']);
});

test('no more are served at once than the limit says, and each child one at a time', () => {
  const queue = createUploadQueue({ maxActive: 2 });
  for (const peer of ['a', 'b', 'c']) ask(queue, peer, 1, 2);
  const [one, two] = [nextWish(queue), nextWish(queue)];
  assert.ok(one && two);
  assert.notEqual(one.peer, two.peer);
  assert.equal(nextWish(queue), undefined);
  endServe(queue, one.peer);
  assert.equal(nextWish(queue)?.peer, 'c');
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

test('a newcomer starts level with the least served: it neither waits nor crowds out', () => {
  const queue = createUploadQueue({ maxQueuedPerPeer: 200 });
  ask(queue, 'a', ...Array.from({ length: 100 }, (_, piece) => piece));
  for (let served = 0; served < 50; served += 1) {
    nextWish(queue);
    endServe(queue, 'a' as PeerId);
  }
  ask(queue, 'b', ...Array.from({ length: 50 }, (_, piece) => 200 + piece));
  const next = serveAll(queue).slice(0, 20);
  const toNewcomer = next.filter((text) => text.startsWith('b')).length;
  assert.ok(toNewcomer >= 9 && toNewcomer <= 11, `${toNewcomer} of 20 went to the newcomer`);
});

test('a child that comes back while its old serve still runs is not served twice at once', () => {
  const queue = createUploadQueue();
  ask(queue, 'a', 1);
  assert.ok(nextWish(queue));
  removeChild(queue, 'a' as PeerId);
  ask(queue, 'a', 2, 3);
  assert.equal(nextWish(queue), undefined);
  endServe(queue, 'a' as PeerId);
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
    const active: string[] = [];
    const of = (name: string): Set<number> => {
      const known = waiting.get(name) ?? new Set();
      waiting.set(name, known);
      return known;
    };
    const next = (): boolean => {
      const found = nextWish(queue);
      if (!found) return false;
      assert.ok(of(found.peer).delete(found.piece), 'what is served was asked for and not served since');
      assert.ok(!active.includes(found.peer), 'a child is served one piece at a time');
      active.push(found.peer);
      assert.ok(active.length <= 3);
      return true;
    };
    const end = (at: number): void => {
      const [ended] = active.splice(at % Math.max(1, active.length), 1);
      if (ended !== undefined) endServe(queue, ended as PeerId);
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
