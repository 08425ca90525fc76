// Lists that are too long for a frame, over several.

import { MAX_GRANTS, MAX_HAVE_PIECES, MAX_VERDICTS } from './limits.ts';
import type { ChannelMessage } from './messages.ts';

/** The message as one or more, each within its frame's limit. An empty list gives none. */
export function splitMessage(message: ChannelMessage): ChannelMessage[] {
  if (message.kind === 'have') {
    return batches(message.pieces, MAX_HAVE_PIECES).map((pieces) => ({ ...message, pieces }));
  }
  if (message.kind === 'grants') {
    return batches(message.grants, MAX_GRANTS).map((grants) => ({ ...message, grants }));
  }
  if (message.kind === 'verdicts') {
    return batches(message.verdicts, MAX_VERDICTS).map((verdicts) => ({ ...message, verdicts }));
  }
  return [message];
}

function batches<Item>(items: readonly Item[], size: number): (readonly Item[])[] {
  const count = Math.ceil(items.length / size);
  return Array.from({ length: count }, (_, at) => items.slice(at * size, (at + 1) * size));
}
