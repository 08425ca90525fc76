// Which files of a repository are wanted. Patterns read as Hugging Face's own `allow_patterns` and `ignore_patterns`:
// globs over the whole path where `*` also crosses `/`, so `*.safetensors` matches in every folder, and a pattern that
// ends in `/` takes the folder. Braces and `[…]` work as well.

import picomatch from 'picomatch';
import { AnaxError } from '../core/index.ts';
import type { PathFilters } from './ref-key.ts';

const MAX_PATTERNS = 1_000;
const MAX_PATTERN_LENGTH = 2_048;

export type PathFilter = (path: string) => boolean;

/** Included by one pattern (or there is none) and excluded by none. Throws `usage_invalid` for a pattern that is none. */
export function createPathFilter({ include, exclude }: PathFilters): PathFilter {
  const included = include.length === 0 ? () => true : matcher(include);
  const excluded = exclude.length === 0 ? () => false : matcher(exclude);
  return (path) => included(path) && !excluded(path);
}

function matcher(patterns: readonly string[]): PathFilter {
  if (patterns.length > MAX_PATTERNS)
    throw new AnaxError('usage_invalid', `${patterns.length} patterns are too many`);
  const whole = patterns.map((pattern) => {
    if (pattern === '' || pattern.length > MAX_PATTERN_LENGTH) {
      throw new AnaxError('usage_invalid', `not a pattern: ${JSON.stringify(pattern.slice(0, 100))}`);
    }
    return pattern.endsWith('/') ? `${pattern}*` : pattern;
  });
  // `bash: true` is what lets a single star cross slashes; names that begin with a dot are files like others.
  return picomatch(whole, { dot: true, bash: true });
}
