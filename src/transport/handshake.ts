// What hello says, and whether to go on with who said it.

import {
  type Identity,
  isLinkSignature,
  type LinkRole,
  type PeerId,
  peerIdOf,
  signLink,
} from '../core/index.ts';
import { HelloError } from './link-end.ts';
import { type HelloMessage, PROTOCOL_VERSION } from './messages.ts';

const MIN_VERSION = 1;

export interface HelloFacts {
  readonly listenPort: number;
  /** Of the sender. */
  readonly role: LinkRole;
  /** What only the two ends of a TLS connection know: the sender proves its key over it. */
  readonly binding?: Uint8Array | undefined;
}

export function helloFor(identity: Identity, { listenPort, role, binding }: HelloFacts): HelloMessage {
  const { id: peerId, publicKey } = identity;
  const common = { kind: 'hello', version: PROTOCOL_VERSION, peerId, publicKey, listenPort } as const;
  const keyProof = binding && signLink(identity, role, binding);
  return { ...common, features: 0, ...(keyProof && { keyProof }) };
}

export interface HelloExpectation {
  readonly ownId: PeerId;
  readonly expectedId: PeerId | undefined;
  /** Of who said hello. */
  readonly role: LinkRole;
  readonly binding: Uint8Array | undefined;
}

/** The hello again, with the version and the features that both ends have. Throws `HelloError`. */
export function acceptHello(
  hello: HelloMessage,
  { ownId, expectedId, role, binding }: HelloExpectation,
): HelloMessage {
  const { peerId, publicKey, keyProof } = hello;
  if (hello.version < MIN_VERSION) throw new HelloError('version', `version ${hello.version}`);
  if (peerIdOf(publicKey) !== peerId) throw new HelloError('identity', 'the id does not fit the key');
  if (peerId === ownId) throw new HelloError('identity', 'a peer talks to itself');
  if (expectedId !== undefined && peerId !== expectedId) {
    throw new HelloError('identity', `${peerId} answered, not ${expectedId}`);
  }
  if (binding && !(keyProof && isLinkSignature(publicKey, role, binding, keyProof))) {
    throw new HelloError('identity', 'the key is not proven');
  }
  return { ...hello, version: Math.min(hello.version, PROTOCOL_VERSION), features: 0 };
}
