// Names for files that are made whole in a folder of the user before they get their own. A name says which cache it was made
// for, and by which of its openings: one process has a cache at a time, so that what an earlier opening made is in
// nobody's use any more, while other caches may be writing to the same folder.

export interface TemporaryNames {
  /** A name that was not given before. */
  next(): string;
  /** Whether a file of this name is what a killed process that had the same cache left behind. */
  isLeftover(name: string): boolean;
}

/** `cache` and `opening` are hex digits: chosen once for a cache, and anew each time that it is opened. */
export function temporaryNames(cache: string, opening: string): TemporaryNames {
  const ofCache = `.anax-${cache}-`;
  const ofOpening = `${ofCache}${opening}-`;
  let count = 0;
  return {
    next: () => `${ofOpening}${(count++).toString(16)}${SUFFIX}`,
    isLeftover: (name) => name.startsWith(ofCache) && name.endsWith(SUFFIX) && !name.startsWith(ofOpening),
  };
}

const SUFFIX = '.tmp';
