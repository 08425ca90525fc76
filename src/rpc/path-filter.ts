// What `include` and `exclude` of a download request mean. The same flags exist in Hugging Face's tools, where patterns
// are `fnmatch` over the whole path; a pattern that selects a file there selects it here:
//
// - `*` also crosses `/`: `original/*` is everything below `original`, however deep;
// - a pattern without a slash also matches the base name anywhere: `config.json` is `sub/config.json`, too (there it is
//   the root's only);
// - a trailing slash means the whole folder; a leading `./` or `/` is dropped;
// - `?`, `[abc]`, `[!abc]` and `{a,b}` work as in a shell; a leading `!` and `+(…)` mean nothing special;
// - names that begin with a dot are not special; letters match in their case.
//
// A file is taken if it matches an include pattern (or there is none), and no exclude pattern.

import { basename } from 'node:path/posix';
import picomatch from 'picomatch';
import { AnaxError } from '../core/index.ts';

export interface PathPatterns {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** Patterns in one request, at most. Each is tried on each path. */
const MAX_PATTERNS = 1000;
const MAX_PATTERN_LENGTH = 2048;

/** Throws `usage_invalid` for patterns that are none. */
export function createPathFilter({ include, exclude }: PathPatterns): (path: string) => boolean {
  if (include.length + exclude.length > MAX_PATTERNS) {
    throw new AnaxError('usage_invalid', `more than ${MAX_PATTERNS} patterns`);
  }
  const included = include.map(createMatcher);
  const excluded = exclude.map(createMatcher);
  return (path) => {
    const wanted = included.length === 0 || included.some((matches) => matches(path));
    return wanted && !excluded.some((matches) => matches(path));
  };
}

function createMatcher(pattern: string): (path: string) => boolean {
  const relative = pattern.replace(/^(?:\.?\/)+/u, '');
  if (relative === '' || relative.length > MAX_PATTERN_LENGTH) {
    throw new AnaxError('usage_invalid', `not a pattern: "${pattern.slice(0, 100)}"`, {
      hint: 'e.g. --include "*.safetensors" --exclude "original/*"',
    });
  }
  // picomatch knows `[^abc]` only, where negation by a leading `!` is off.
  const classes = relative.replace(/(?<!\\)\[!/gu, '[^');
  const whole = classes.endsWith('/') ? `${classes}**` : classes;
  const matches = picomatch(whole, { dot: true, bash: true, nonegate: true, noextglob: true });
  if (whole.includes('/')) return (path) => matches(path);
  return (path) => matches(path) || matches(basename(path));
}
