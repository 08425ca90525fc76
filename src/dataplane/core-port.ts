// The way to a core: the same for one in a thread of its own and for one in this thread.

import { Batch } from './batch.ts';
import type { Command, CoreEvent, CoreSetup } from './messages.ts';
import { type CoreDeps, PlaneCore } from './plane-core.ts';

export interface CorePort {
  post(command: Command): void;
  /** Ends the core as it is; no event comes after it. Idempotent. */
  close(): Promise<void>;
}

export interface CorePortHandlers {
  readonly onEvents: (events: readonly CoreEvent[]) => void;
  /** The core is gone without having been closed; none of its threads touches a file any more. */
  readonly onLost: (error: Error) => void;
}

/** A core in this thread: for one download, where starting a thread takes longer than it saves, and for many hosts in one process. */
export function openLocalCore(setup: CoreSetup, deps: CoreDeps, handlers: CorePortHandlers): CorePort {
  let closed = false;
  const events = new Batch<CoreEvent>((batch) => {
    if (!closed) handlers.onEvents(batch);
  });
  const core = new PlaneCore(setup, deps, (event) => events.add(event));
  const commands = new Batch<Command>((batch) => {
    for (const command of batch) core.handle(command);
  });
  return {
    post: (command) => {
      if (!closed) commands.add(command);
    },
    close: async () => {
      closed = true;
    },
  };
}
