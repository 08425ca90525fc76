// Drawn values that grammars of all sources are tested with.

import fc from 'fast-check';
import { parseRepoPath } from '../../core/index.ts';

/** A segment of a path in a repository, of any script. */
export const pathSegments: fc.Arbitrary<string> = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter((text) => !text.includes('/') && isRepoPath(text));

function isRepoPath(text: string): boolean {
  try {
    parseRepoPath(text);
    return true;
  } catch {
    return false;
  }
}
