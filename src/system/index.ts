// L2: the machine's own clock, behind core's port.

export { systemClock } from './system-clock.ts';
