// Ctrl-C and SIGTERM: the first asks for a graceful end, the second ends the process at once.

import { AnaxError, ExitCode } from '../core/index.ts';

export interface Interrupt {
  /** Aborted by the first signal, with an `interrupted` error as reason. */
  readonly signal: AbortSignal;
  /** Stops listening, so that the process ends when its work does. */
  release(): void;
}

/** The part of `process` that this needs. */
export interface SignalTarget {
  on(signal: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
  off(signal: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
  exit(code: number): void;
}

export function createInterrupt(target: SignalTarget): Interrupt {
  const controller = new AbortController();
  const listener = () => {
    if (controller.signal.aborted) target.exit(ExitCode.interrupted);
    controller.abort(new AnaxError('interrupted'));
  };
  target.on('SIGINT', listener);
  target.on('SIGTERM', listener);
  const release = () => {
    target.off('SIGINT', listener);
    target.off('SIGTERM', listener);
  };
  return { signal: controller.signal, release };
}
