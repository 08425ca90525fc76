// Kills the seed or the scheduler, or cuts the network in two for some time, once the peers have as much of the file, on
// average, as was asked for.

import type { TestBed } from './race.ts';

export interface FaultActions {
  readonly killSeed: () => Promise<void>;
  readonly killScheduler: () => Promise<void>;
  readonly cut: () => Promise<void>;
  /** Returns how many packets were lost. */
  readonly heal: () => Promise<number>;
}

interface Fault {
  readonly text: string;
  readonly atBytes: number;
  readonly act: () => Promise<void>;
}

export class FaultPlan {
  readonly #say: (text: string) => void;
  readonly #bytes = new Map<string, number>();
  readonly #heal: FaultActions['heal'];
  #waiting: Fault[] = [];
  /** What of a partition is under way. */
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #healedAtMs: number | undefined;

  constructor({ options, say }: Pick<TestBed, 'options' | 'say'>, actions: FaultActions) {
    this.#say = say;
    this.#heal = actions.heal;
    const { sizeBytes, peers, killSeedAt, killSchedulerAt, partition } = options;
    const add = (text: string, share: number | undefined, act: () => Promise<void>): void => {
      if (share !== undefined) this.#waiting.push({ text, atBytes: share * sizeBytes * peers, act });
    };
    add('killing the seed', killSeedAt, actions.killSeed);
    add('killing the scheduler', killSchedulerAt, actions.killScheduler);
    add('cutting the network in two', partition?.at, async () => {
      this.#running = actions.cut();
      await this.#running;
      this.#timer = setTimeout(() => void (this.#running = this.#makeWhole()), partition?.forMs);
    });
  }

  /** When the network was whole again, by `performance.now()`; undefined where it was never cut, or still is. */
  get healedAtMs(): number | undefined {
    return this.#healedAtMs;
  }

  /** A peer has that much. */
  progress(peer: string, bytes: number): void {
    this.#bytes.set(peer, bytes);
    const sum = [...this.#bytes.values()].reduce((total, each) => total + each, 0);
    const due = this.#waiting.filter(({ atBytes }) => sum >= atBytes);
    this.#waiting = this.#waiting.filter((fault) => !due.includes(fault));
    for (const { text, act } of due) {
      this.#say(text);
      void act();
    }
  }

  /** All is delivered: nothing more happens, and the network is whole for the next delivery. */
  async end(): Promise<void> {
    const late = this.#waiting.splice(0);
    for (const { text } of late) this.#say(`all was delivered before ${text}`);
    await this.#running;
    if (!this.#timer) return;
    clearTimeout(this.#timer);
    await this.#makeWhole();
  }

  async #makeWhole(): Promise<void> {
    this.#timer = undefined;
    const packets = await this.#heal();
    this.#healedAtMs = performance.now();
    this.#say(`the network is whole again, ${packets} packets were lost`);
  }
}
