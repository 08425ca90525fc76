// L2: the machine's own clock, behind core's port.

export { steadyClock } from './steady-clock.ts';
export { systemClock } from './system-clock.ts';
