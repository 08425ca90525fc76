// Bodies of calls between daemons: JSON of a known shape.

import type { z } from 'zod';
import { AnaxError } from '../core/index.ts';

export function writeJson(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

/** Throws `peer_protocol` where the body has another shape. */
export function readJson<Shape extends z.ZodType>(body: Uint8Array, shape: Shape): z.infer<Shape> {
  try {
    return shape.parse(JSON.parse(Buffer.from(body).toString('utf8')));
  } catch {
    throw new AnaxError('peer_protocol', 'a body of the wrong form');
  }
}
