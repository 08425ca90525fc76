// What the bench and its processes of many peers say to each other.

/** One peer, as its process is told. */
export interface PeerPlan {
  readonly name: string;
  readonly role: 'peer' | 'seed';
  /** On loopback, of its own. */
  readonly address: string;
  readonly folder: string;
}

/** The one argument of the process. */
export interface PeersPlan {
  readonly peers: readonly PeerPlan[];
  /** `host:port` */
  readonly scheduler: string;
  readonly hfEndpoint: string;
  /** Of each peer, in each direction. */
  readonly bytesPerSecond: number;
}

export type ToPeers = { readonly kind: 'download'; readonly url: string } | { readonly kind: 'stop' };

export type FromPeers =
  /** All daemons listen and have begun to attend the scheduler. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly peer: string; readonly url: string }
  | { readonly kind: 'failed'; readonly peer: string; readonly error: string };
