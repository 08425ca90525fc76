// How links end: which goodbye goes with which error, both ways.

import { AnaxError, type ErrorCode, hasCode } from '../core/index.ts';
import type { GoodbyeCode } from './messages.ts';
import type { LinkEnd } from './peer-link.ts';

/** Why this side gives a link up. */
export class LinkFault {
  readonly code: GoodbyeCode;
  readonly error: AnaxError;

  constructor(code: GoodbyeCode, error: AnaxError) {
    this.code = code;
    this.error = error;
  }
}

/** Thrown by the handshake, whose failures have codes of their own. */
export class HelloError extends AnaxError {
  readonly goodbye: GoodbyeCode;

  constructor(goodbye: GoodbyeCode, message: string) {
    super('peer_protocol', message);
    this.goodbye = goodbye;
  }
}

/** What was thrown while frames were read, as a fault: a violation by the remote, or a bug of ours. */
export function toFault(error: unknown): LinkFault {
  if (error instanceof HelloError) return new LinkFault(error.goodbye, error);
  if (hasCode(error, 'peer_protocol', 'peer_tls')) return new LinkFault('protocol', error);
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new LinkFault('internal', new AnaxError('internal', message, { cause: error }));
}

const ERRORS: Readonly<Record<GoodbyeCode | 'lost', ErrorCode>> = {
  done: 'network_unreachable',
  shutdown: 'network_unreachable',
  protocol: 'peer_protocol',
  version: 'peer_refused',
  identity: 'peer_refused',
  limit: 'peer_refused',
  timeout: 'network_timeout',
  slow: 'network_timeout',
  duplicate: 'network_unreachable',
  internal: 'peer_refused',
  tls: 'peer_tls',
  lost: 'network_unreachable',
};

const WHO: Readonly<Record<LinkEnd['by'], string>> = {
  local: 'the link was closed',
  remote: 'the peer closed the link',
  network: 'the connection was lost',
};

/** The error for what was under way. `text` comes from the remote or the system, and is cut and cleaned. */
export function endError(by: LinkEnd['by'], code: GoodbyeCode | 'lost', text: string): AnaxError {
  const clean = text.replace(/[^\x20-\x7e]/gu, '?').slice(0, 256);
  const why = [code === 'lost' ? '' : code, clean].filter((part) => part !== '').join(', ');
  return new AnaxError(ERRORS[code], why === '' ? WHO[by] : `${WHO[by]} (${why})`, {
    details: { goodbye: code },
  });
}
