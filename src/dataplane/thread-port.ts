// The way to a core in a worker thread.

import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Batch } from './batch.ts';
import type { CorePort, CorePortHandlers } from './core-port.ts';
import type { Command, CoreEvent, CoreSetup } from './messages.ts';

// The running file's own extension: the sources run as .ts, a release as .js.
const WORKER_URL = new URL(`./plane-worker${extname(import.meta.url)}`, import.meta.url);

/** The name is the thread's, as the system shows it: at most 15 characters. */
export function openThreadCore(name: string, setup: CoreSetup, handlers: CorePortHandlers): CorePort {
  const worker = new Worker(WORKER_URL, {
    name,
    workerData: setup,
    resourceLimits: { maxYoungGenerationSizeMb: 8 },
  });
  let isClosed = false;
  let cause: Error | undefined;
  worker.on('message', (events: CoreEvent[]) => {
    if (!isClosed) handlers.onEvents(events);
  });
  worker.on('error', (error) => {
    cause = error instanceof Error ? error : new Error(String(error));
  });
  // After 'exit' none of its file operations is under way, which after 'error' they may be.
  worker.on('exit', (code) => {
    if (!isClosed) handlers.onLost(cause ?? new Error(`the thread ended with ${code}`));
  });
  const commands = new Batch<Command>((batch) => worker.postMessage(batch));
  return {
    post: (command) => {
      if (!isClosed) commands.add(command);
    },
    close: async () => {
      isClosed = true;
      await worker.terminate();
    },
  };
}
