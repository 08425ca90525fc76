// A worker thread with a core of the data plane in it.

import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../core/index.ts';
import { loadPieceHash } from '../hashing/index.ts';
import { PeerTls } from '../transport/index.ts';
import { Batch } from './batch.ts';
import type { Command, CoreEvent, CoreSetup } from './messages.ts';
import { PlaneCore } from './plane-core.ts';

assert(parentPort, 'runs as a worker');
const port = parentPort;
const setup = workerData as CoreSetup;
const { createHasher } = await loadPieceHash();
const tls = setup.tls && (await PeerTls.load(setup.tls));
const events = new Batch<CoreEvent>((batch) => port.postMessage(batch));
const core = new PlaneCore(setup, { createHasher, tls }, (event) => events.add(event));
port.on('message', (commands: Command[]) => {
  for (const command of commands) core.handle(command);
});
