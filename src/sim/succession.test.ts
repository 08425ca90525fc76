import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MiB } from '../core/index.ts';
import { DEFAULT_SIM_OPTIONS } from './options.ts';
import { START_MS, World } from './world.ts';

const SLOW = { ...DEFAULT_SIM_OPTIONS, linkBytesPerSecond: 2_000_000, originBytesPerSecond: 2_000_000 };
const LEAD_PIECES = 32 + 3 * 4;

for (const { peers, zones } of [
  { peers: 1, zones: 1 },
  { peers: 4, zones: 1 },
  { peers: 60, zones: 3 },
]) {
  test(`scheduler and seed die half way: ${peers} peers elect a reader, which reads just what is missing`, () => {
    for (let seed = 1; seed <= 5; seed += 1) {
      const world = new World({ ...SLOW, peers, zones, pieces: 64, seed });
      world.start();
      const [origin] = world.hosts;
      world.agenda.at(START_MS + 17_000, () => {
        world.scheduler.stop();
        origin?.crash();
        if (origin) world.unfinished.delete(origin);
      });
      assert.ok(world.run(START_MS + 300_000), `${world.unfinished.size} do not complete, seed ${seed}`);
      const again = world.origin.bytes / MiB - 64;
      assert.ok(again <= LEAD_PIECES, `${again} pieces were read again, seed ${seed}`);
    }
  });
}

test('nobody stands while the reader lives, with the scheduler gone from the start', () => {
  const world = new World({ ...SLOW, peers: 12, pieces: 64, seed: 3 });
  world.start();
  world.agenda.at(START_MS + 5_000, () => world.scheduler.stop());
  assert.ok(world.run(START_MS + 300_000));
  assert.equal(world.origin.bytes, 64 * MiB);
});

test('a scheduler that comes back takes the elected reader over, and nothing is read again', () => {
  const world = new World({ ...SLOW, peers: 12, pieces: 96, seed: 2 });
  world.start();
  const [origin] = world.hosts;
  world.agenda.at(START_MS + 8_000, () => {
    world.scheduler.stop();
    origin?.crash();
    if (origin) world.unfinished.delete(origin);
  });
  world.agenda.at(START_MS + 40_000, () => world.scheduler.start());
  assert.ok(world.run(START_MS + 300_000));
  assert.ok(world.origin.bytes / MiB - 96 <= LEAD_PIECES, `${world.origin.bytes / MiB} pieces were read`);
});
