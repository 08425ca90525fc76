// What can happen to bytes on the way: changed, lost, repeated, put in between, cut short, and lengths that lie.

import type { Chance } from './chance.ts';

const MUTATIONS = [flip, loseRange, repeatRange, insertNoise, truncate, lieAboutLength, changeType] as const;

export function mutate(frame: Buffer, chance: Chance): Buffer {
  return chance.of(MUTATIONS)(frame, chance);
}

function flip(frame: Buffer, chance: Chance): Buffer {
  const changed = Buffer.from(frame);
  for (let times = chance.whole(1, 8); times > 0; times -= 1) {
    const at = chance.whole(0, changed.length - 1);
    changed[at] = (changed[at] ?? 0) ^ (1 << chance.whole(0, 7));
  }
  return changed;
}

function loseRange(frame: Buffer, chance: Chance): Buffer {
  const [from, to] = rangeIn(frame, chance);
  return Buffer.concat([frame.subarray(0, from), frame.subarray(to)]);
}

function repeatRange(frame: Buffer, chance: Chance): Buffer {
  const [from, to] = rangeIn(frame, chance);
  return Buffer.concat([frame.subarray(0, to), frame.subarray(from)]);
}

function insertNoise(frame: Buffer, chance: Chance): Buffer {
  const [at] = rangeIn(frame, chance);
  return Buffer.concat([frame.subarray(0, at), chance.bytes(chance.whole(1, 64)), frame.subarray(at)]);
}

function truncate(frame: Buffer, chance: Chance): Buffer {
  return frame.subarray(0, chance.whole(0, frame.length - 1));
}

function lieAboutLength(frame: Buffer, chance: Chance): Buffer {
  const changed = Buffer.from(frame);
  const lies = [0, 1, 4, 0x7f_ff_ff_ff, 0xff_ff_ff_ff, chance.whole(0, 2 ** 20), frame.length] as const;
  if (changed.length >= 4) changed.writeUInt32BE(chance.of(lies), 0);
  return changed;
}

function changeType(frame: Buffer, chance: Chance): Buffer {
  const changed = Buffer.from(frame);
  if (changed.length >= 5) changed[4] = chance.whole(0, 64);
  return changed;
}

function rangeIn(frame: Buffer, chance: Chance): [number, number] {
  const one = chance.whole(0, frame.length);
  const other = chance.whole(0, frame.length);
  return [Math.min(one, other), Math.max(one, other)];
}
