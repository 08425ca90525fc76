// Kills the seed or the scheduler once the peers have as much of the file, on average, as was asked for.

import type { TestBed } from './race.ts';

export interface FaultActions {
  readonly killSeed: () => Promise<void>;
  readonly killScheduler: () => Promise<void>;
}

interface Fault {
  readonly name: string;
  readonly atBytes: number;
  readonly act: () => Promise<void>;
}

export class FaultPlan {
  readonly #say: (text: string) => void;
  readonly #bytes = new Map<string, number>();
  #waiting: Fault[] = [];

  constructor({ options, say }: Pick<TestBed, 'options' | 'say'>, actions: FaultActions) {
    this.#say = say;
    const { sizeBytes, peers, killSeedAt, killSchedulerAt } = options;
    const add = (name: string, share: number | undefined, act: () => Promise<void>): void => {
      if (share !== undefined) this.#waiting.push({ name, atBytes: share * sizeBytes * peers, act });
    };
    add('seed', killSeedAt, actions.killSeed);
    add('scheduler', killSchedulerAt, actions.killScheduler);
  }

  /** A peer has that much. */
  progress(peer: string, bytes: number): void {
    this.#bytes.set(peer, bytes);
    const sum = [...this.#bytes.values()].reduce((total, each) => total + each, 0);
    const due = this.#waiting.filter(({ atBytes }) => sum >= atBytes);
    this.#waiting = this.#waiting.filter((fault) => !due.includes(fault));
    for (const { name, act } of due) {
      this.#say(`killing the ${name}`);
      void act();
    }
  }
}
