// A process for the disk store's kill test: opens the store of the folder that it is given, writes pieces of one blob in a shuffled
// order, over and over with other blobs, and says on its standard output which are in. It is killed in the middle of it.

import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { MiB, silentLogger } from '../../core/index.ts';
import { openBlobStore } from '../../store/index.ts';
import { testBlob, testPieceHash } from './content.ts';

const [, , folder = '', firstSeed = '0'] = process.argv;
const store = await openBlobStore({
  folder,
  logger: silentLogger,
  clock: {
    now: () => Date.now(),
    sleep: (ms, signal) => sleep(ms, undefined, signal ? { signal } : {}),
  },
  pieceHash: testPieceHash,
  // As the owner before was just killed, the kernel may still be giving back its lock.
  waitForLockMs: 5000,
  flush: { bytes: 3 * MiB, ms: 20 },
});

function say(...words: (string | number)[]): void {
  writeSync(1, `${words.join(' ')}\n`);
}

for (let seed = Number(firstSeed); ; seed += 1) {
  const content = testBlob(seed, 12.5 * MiB);
  const blob = await store.open(content.spec);
  const order = [...blob.held.missing()].toSorted((a, b) => ((a * 7 + seed) % 13) - ((b * 7 + seed) % 13));
  say('open', seed);
  const put = async (index: number): Promise<void> => {
    await blob.write(index, content.piece(index), content.proof(index));
    say('piece', seed, index);
  };
  while (order.length > 0) await Promise.all(order.splice(0, 3).map(put));
  await blob.commit([content.gitSha1]);
  say('commit', seed);
  await blob.close();
}
