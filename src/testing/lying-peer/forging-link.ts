// A scheduler link that tells its own host, and so all its neighbours, of a lease that no scheduler granted.

import { createIdentity, type Identity, type SnapshotId, signReaderGrant } from '../../core/index.ts';
import type { SchedulerLink, SchedulerMessageHandler } from '../../scheduler-server/index.ts';

export interface ForgingLink extends SchedulerLink {
  /** Makes the host believe that it may read, under a key that nobody else trusts. */
  forgeLease(snapshot: SnapshotId): void;
}

/** Higher than any that a scheduler has given by then. */
const FORGED_EPOCH = 2 ** 40;

export function forgingLink(link: SchedulerLink, liar: Identity): ForgingLink {
  const forger = createIdentity();
  let handler: SchedulerMessageHandler = () => undefined;
  return {
    start: () => link.start(),
    stop: () => link.stop(),
    onMessage: (given) => {
      handler = given;
      link.onMessage(given);
    },
    announce: (self) => link.announce(self),
    join: (facts) => link.join(facts),
    tell: (statement) => {
      const isForged = statement.kind === 'leaseDone' && statement.epoch === FORGED_EPOCH;
      if (!isForged) link.tell(statement);
    },
    locate: (refKey, exclude, signal) => link.locate(refKey, exclude, signal),
    findBlobs: (keys, signal) => link.findBlobs(keys, signal),
    get schedulerKey() {
      return link.schedulerKey;
    },
    get connected() {
      return link.connected;
    },
    forgeLease: (snapshot) => {
      const claim = { snapshot, epoch: FORGED_EPOCH, readerKey: liar.publicKey };
      const grant = signReaderGrant(forger, claim);
      handler({ kind: 'connected', schedulerKey: forger.publicKey, keyChanged: true });
      handler({ kind: 'lease', snapshot, epoch: FORGED_EPOCH, spans: [], grant });
    },
  };
}
