// What hello says, and whether to go on with who said it.

import { type Identity, type PeerId, peerIdOf } from '../core/index.ts';
import { HelloError } from './link-end.ts';
import { type HelloMessage, PROTOCOL_VERSION } from './messages.ts';

const MIN_VERSION = 1;

export function helloFor(identity: Identity, listenPort: number): HelloMessage {
  const { id: peerId, publicKey } = identity;
  return { kind: 'hello', version: PROTOCOL_VERSION, peerId, publicKey, listenPort, features: 0 };
}

/** The hello again, with the version and the features that both ends have. Throws `HelloError`. */
export function acceptHello(
  hello: HelloMessage,
  ownId: PeerId,
  expectedId: PeerId | undefined,
): HelloMessage {
  const { peerId, publicKey } = hello;
  if (hello.version < MIN_VERSION) throw new HelloError('version', `version ${hello.version}`);
  if (peerIdOf(publicKey) !== peerId) throw new HelloError('identity', 'the id does not fit the key');
  if (peerId === ownId) throw new HelloError('identity', 'a peer talks to itself');
  if (expectedId !== undefined && peerId !== expectedId) {
    throw new HelloError('identity', `${peerId} answered, not ${expectedId}`);
  }
  return { ...hello, version: Math.min(hello.version, PROTOCOL_VERSION), features: 0 };
}
