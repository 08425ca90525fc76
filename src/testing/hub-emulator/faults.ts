/**
 * Faults that a test adds to an origin: which requests they strike, how often, and what goes wrong. A head
 * fault strikes before the answer, a body fault while content is sent. A fault that a request can't show (a
 * flipped byte outside the asked range, a cut behind its end) is not used up by it. Rules are plain data.
 */

export interface FaultMatch {
  readonly host?: 'hub' | 'cdn';
  readonly method?: string;
  /** Tested on the decoded path with query; a CDN's query carries the file name, so names match on both hosts. */
  readonly path?: RegExp | string;
}

export type HeadFault =
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body?: string;
    }
  | { readonly kind: 'delay'; readonly delayMs: number }
  | { readonly kind: 'reset' }
  /** Accepts the request and never answers. */
  | { readonly kind: 'hang' };

export type BodyFault =
  /** Closes the connection after `afterBytes` of the body. */
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** As `cut`, but with a TCP reset. */
  | { readonly kind: 'cut-reset'; readonly afterBytes: number }
  /** Sends nothing more after `afterBytes`; goes on after `forMs` if given. */
  | { readonly kind: 'stall'; readonly afterBytes: number; readonly forMs?: number }
  /** One flipped byte at an offset of the file (the middle of what is sent if left out); the length is right. */
  | { readonly kind: 'corrupt'; readonly atByte?: number }
  | { readonly kind: 'trickle'; readonly bytesPerSecond: number }
  /** Content-Length lies by so many bytes; the connection closes after the body. */
  | { readonly kind: 'wrong-length'; readonly deltaBytes: number };

/** `times`: how often it strikes (default: always). `skip`: matching requests let through first. */
export type Fault = (HeadFault | BodyFault) & {
  readonly match?: FaultMatch;
  readonly times?: number;
  readonly skip?: number;
};

export interface FaultHandle {
  readonly fault: Fault;
  /** How often it has struck. */
  readonly hits: number;
  remove(): void;
}

export interface FaultTarget {
  readonly host: 'hub' | 'cdn';
  readonly method: string;
  /** Raw request target. */
  readonly path: string;
}

/** The span of a file that an answer sends; the end is exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

interface Rule {
  readonly fault: Fault;
  skipLeft: number;
  hits: number;
}

export class Faults {
  readonly #rules = new Set<Rule>();

  add(fault: Fault): FaultHandle {
    const rule: Rule = { fault, skipLeft: fault.skip ?? 0, hits: 0 };
    this.#rules.add(rule);
    return {
      fault,
      get hits() {
        return rule.hits;
      },
      remove: () => void this.#rules.delete(rule),
    };
  }

  clear(): void {
    this.#rules.clear();
  }

  takeHead(target: FaultTarget): HeadFault[] {
    const struck: HeadFault[] = [];
    for (const rule of this.#rules) {
      if (isHeadFault(rule.fault) && matches(rule.fault.match, target) && take(rule)) struck.push(rule.fault);
    }
    return struck;
  }

  takeBody(target: FaultTarget, span: Span): BodyFault[] {
    const struck: BodyFault[] = [];
    for (const { fault, rule } of this.#bodyRules()) {
      if (matches(rule.fault.match, target) && canShow(fault, span) && take(rule)) struck.push(fault);
    }
    return struck;
  }

  *#bodyRules(): Iterable<{ fault: BodyFault; rule: Rule }> {
    for (const rule of this.#rules) if (!isHeadFault(rule.fault)) yield { fault: rule.fault, rule };
  }
}

function isHeadFault(fault: HeadFault | BodyFault): fault is HeadFault {
  return ['status', 'delay', 'reset', 'hang'].includes(fault.kind);
}

function matches(match: FaultMatch | undefined, target: FaultTarget): boolean {
  if (!match) return true;
  if (match.host && match.host !== target.host) return false;
  if (match.method && match.method !== target.method) return false;
  return !match.path || new RegExp(match.path).test(decodeLoosely(target.path));
}

function canShow(fault: BodyFault, span: Span): boolean {
  switch (fault.kind) {
    case 'cut':
    case 'cut-reset':
    case 'stall':
      return fault.afterBytes < span.end - span.start;
    case 'corrupt':
      return fault.atByte === undefined || (fault.atByte >= span.start && fault.atByte < span.end);
    case 'trickle':
    case 'wrong-length':
      return true;
  }
}

function take(rule: Rule): boolean {
  if (rule.skipLeft > 0) {
    rule.skipLeft--;
    return false;
  }
  if (rule.hits >= (rule.fault.times ?? Number.POSITIVE_INFINITY)) return false;
  rule.hits++;
  return true;
}

function decodeLoosely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
