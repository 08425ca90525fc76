// The ways to show a running download: drawn live on a terminal, a calm line now and then in a log, JSON lines for a
// program, or nothing. Each is fed every event with the state after it.

import { createLogUpdate } from 'log-update';
import type { Colors } from 'picocolors/types.js';
import type { DownloadEvent } from '../rpc/index.ts';
import type { CliOutput } from './context.ts';
import { calmLine } from './summary.ts';
import { shownUrl } from './text.ts';
import { render } from './view-render.ts';
import type { ViewState } from './view-state.ts';

export interface Presenter {
  /** `event` is absent for the first state, before anything has happened. */
  show(state: ViewState, event?: DownloadEvent): void;
  /** Takes back what is drawn and stops. Idempotent. */
  close(): void;
}

export const silentPresenter: Presenter = { show() {}, close() {} };

/** 10 Hz: smooth to the eye, and no load. */
const FRAME_INTERVAL_MS = 100;
/** Without news, clocks still move. */
const IDLE_FRAMES = 10;
const CALM_INTERVAL_MS = 10_000;
const JSON_PROGRESS_INTERVAL_MS = 1_000;

export function livePresenter(stderr: NodeJS.WriteStream, colours: Colors, now: () => number): Presenter {
  const log = createLogUpdate(stderr);
  let latest: ViewState | undefined;
  let idleFrames = 0;
  let isDirty = false;
  const draw = () => {
    idleFrames += 1;
    if (!latest || (!isDirty && idleFrames < IDLE_FRAMES)) return;
    isDirty = false;
    idleFrames = 0;
    log(render(latest, { width: stderr.columns ?? 80, nowMs: now(), colours }).join('\n'));
  };
  const timer = setInterval(draw, FRAME_INTERVAL_MS);
  return {
    show(state) {
      isDirty = true;
      if (!latest) {
        latest = state;
        draw();
      }
      latest = state;
    },
    close() {
      clearInterval(timer);
      log.clear();
      log.done();
    },
  };
}

/** A line when it is known what comes, then one every 10 s at most. */
export function calmPresenter(program: string, stderr: CliOutput, now: () => number): Presenter {
  let nextAtMs = 0;
  return {
    show(state, event) {
      if (event?.kind === 'resolved') {
        stderr.write(`${program}: ${shownUrl(event.url)}\n`);
        nextAtMs = now() + CALM_INTERVAL_MS;
      } else if (event?.kind === 'waiting' || (event?.kind === 'progress' && now() >= nextAtMs)) {
        nextAtMs = now() + CALM_INTERVAL_MS;
        stderr.write(`${program}: ${calmLine(state, now())}\n`);
      }
    },
    close() {},
  };
}

/** Every event as a JSON line but the last, which the summary replaces; progress at most once a second. */
export function jsonPresenter(stdout: CliOutput, now: () => number): Presenter {
  let nextAtMs = 0;
  return {
    show(_state, event) {
      if (!event || event.kind === 'done') return;
      if (event.kind === 'progress') {
        if (now() < nextAtMs) return;
        nextAtMs = now() + JSON_PROGRESS_INTERVAL_MS;
      }
      stdout.write(`${JSON.stringify(event)}\n`);
    },
    close() {},
  };
}
