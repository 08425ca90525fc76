// The simulated origin: gives at a rate, counts requests and bytes, and can be made to fail.

import { Pipe } from './flows.ts';
import type { World } from './world.ts';

export class SimOrigin {
  readonly pipe: Pipe;
  requests = 0;
  bytes = 0;
  /** How often each piece was read. */
  readonly readCounts: Uint16Array;
  /** While it answers 5xx or 429. */
  isFailing = false;
  /** It answers 429 until then. */
  throttledUntilMs = 0;
  /** Rises when URLs expire. */
  urlAge = 0;
  readonly #running = new Set<() => void>();

  constructor({ options, map }: World) {
    this.pipe = new Pipe(options.originBytesPerSecond / 1000);
    this.readCounts = new Uint16Array(map.pieceCount);
  }

  /** A response begins: `onCut` is called if the connection is cut. The result ends it. */
  open(onCut: () => void): () => void {
    this.#running.add(onCut);
    return () => this.#running.delete(onCut);
  }

  /** Cuts all connections. */
  cut(): void {
    for (const onCut of this.#running) onCut();
  }
}
