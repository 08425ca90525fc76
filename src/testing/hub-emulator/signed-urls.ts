/**
 * Signed CDN links: each one different, bound to one path, expiring by the hub's clock. Shared by both hubs; how
 * the parts are spelled in a query is the hub's affair.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

export interface Signature {
  readonly expiresAtMs: number;
  readonly nonce: string;
  readonly mac: string;
}

/** About an hour, as the real hubs. */
export const DEFAULT_SIGNED_URL_TTL_MS = 3_600_000;

export class UrlSigner {
  readonly #secret = randomBytes(32);
  readonly #clock: () => number;
  readonly #ttlMs: number;

  constructor(clock: () => number, ttlMs = DEFAULT_SIGNED_URL_TTL_MS) {
    this.#clock = clock;
    this.#ttlMs = ttlMs;
  }

  sign(path: string): Signature {
    const expiresAtMs = this.#clock() + this.#ttlMs;
    const nonce = randomBytes(9).toString('base64url');
    return { expiresAtMs, nonce, mac: this.#mac(path, expiresAtMs, nonce) };
  }

  verify(path: string, signature: Signature): 'valid' | 'expired' | 'forged' {
    const expected = Buffer.from(this.#mac(path, signature.expiresAtMs, signature.nonce));
    const given = Buffer.from(signature.mac);
    if (expected.length !== given.length || !timingSafeEqual(expected, given)) return 'forged';
    return this.#clock() < signature.expiresAtMs ? 'valid' : 'expired';
  }

  #mac(path: string, expiresAtMs: number, nonce: string): string {
    return createHmac('sha256', this.#secret).update(`${path}\n${expiresAtMs}\n${nonce}`).digest('base64url');
  }
}
