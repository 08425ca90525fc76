// Credentials on their way to the one node that talks to the hub. They are sealed to that node's key (X25519, then
// HKDF-SHA256 and AES-256-GCM), so that neither the network between nor anybody who relays them can read them.

import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { AnaxError, type Credentials, Secret } from '../core/index.ts';

const SPKI_PREFIX = Buffer.from('302a300506032b656e032100', 'hex');
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export interface SealingKey {
  /** Raw X25519 public key. */
  readonly publicKey: Uint8Array;
  readonly privateKey: KeyObject;
}

/** A key pair for one run of a daemon: it is never written anywhere. */
export function createSealingKey(): SealingKey {
  const { publicKey, privateKey } = generateKeyPairSync('x25519');
  return { publicKey: rawKey(publicKey), privateKey };
}

function rawKey(key: KeyObject): Uint8Array {
  return new Uint8Array(key.export({ type: 'spki', format: 'der' }).subarray(SPKI_PREFIX.length));
}

function toKey(raw: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: 'der', type: 'spki' });
}

function secretBetween(privateKey: KeyObject, publicKey: Uint8Array, ephemeral: Uint8Array): Buffer {
  const shared = diffieHellman({ privateKey, publicKey: toKey(publicKey) });
  return Buffer.from(hkdfSync('sha256', shared, ephemeral, 'anax credentials 1', KEY_BYTES));
}

/** `ephemeral key · nonce · tag · ciphertext`, base64. */
export function sealCredentials(credentials: Credentials, recipient: Uint8Array): string {
  const ephemeral = createSealingKey();
  const key = secretBetween(ephemeral.privateKey, recipient, ephemeral.publicKey);
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const text = Buffer.concat([cipher.update(JSON.stringify(plain(credentials))), cipher.final()]);
  return Buffer.concat([ephemeral.publicKey, nonce, cipher.getAuthTag(), text]).toString('base64');
}

/** Throws `peer_protocol` where it was not sealed for this key or was changed. */
export function openCredentials(sealed: string, own: SealingKey): Credentials {
  const bytes = Buffer.from(sealed, 'base64');
  try {
    const ephemeral = bytes.subarray(0, KEY_BYTES);
    const nonce = bytes.subarray(KEY_BYTES, KEY_BYTES + NONCE_BYTES);
    const tag = bytes.subarray(KEY_BYTES + NONCE_BYTES, KEY_BYTES + NONCE_BYTES + TAG_BYTES);
    const key = secretBetween(own.privateKey, ephemeral, ephemeral);
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAuthTag(tag);
    const text = decipher.update(bytes.subarray(KEY_BYTES + NONCE_BYTES + TAG_BYTES));
    return revive(JSON.parse(Buffer.concat([text, decipher.final()]).toString('utf8')));
  } catch {
    throw new AnaxError('peer_protocol', 'sealed credentials that this node cannot open');
  }
}

function plain({ token, headers }: Credentials): { token?: string; headers?: Record<string, string> } {
  return {
    ...(token && { token: token.reveal() }),
    ...(headers && {
      headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.reveal()])),
    }),
  };
}

function revive(value: { token?: string; headers?: Record<string, string> }): Credentials {
  return {
    ...(value.token !== undefined && { token: new Secret(value.token) }),
    ...(value.headers && {
      headers: Object.fromEntries(
        Object.entries(value.headers).map(([name, text]) => [name, new Secret(text)]),
      ),
    }),
  };
}
