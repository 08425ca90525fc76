// The framed peer protocol on TCP (docs/PROTOCOL.md): links between daemons that carry swarms, pieces and calls.

export { BufferPool } from './buffer-pool.ts';
export { ByteRate } from './byte-rate.ts';
export type { CallOptions } from './call-client.ts';
export type { CallHandler } from './call-server.ts';
export type { LinkLimits } from './limits.ts';
export {
  type GoodbyeCode,
  type IncomingMessage,
  type OpenMessage,
  type OutgoingMessage,
  PeerReject,
  type RefusalCode,
  type RejectCode,
} from './messages.ts';
export type {
  AttachLink,
  ChannelOpening,
  LinkEnd,
  LinkHandlers,
  LinkRemote,
  LinkStats,
  PeerLink,
} from './peer-link.ts';
export { PeerTls, type PeerTlsOptions, type TlsFiles } from './peer-tls.ts';
export {
  type DialOptions,
  type ListenOptions,
  type PeerListener,
  PeerTransport,
  type PeerTransportOptions,
} from './peer-transport.ts';
export type { PieceRequest, ReceivedPiece } from './piece-receiver.ts';
export type { PieceToSend } from './piece-step.ts';
export { nowNs, RateGate } from './rate-gate.ts';
export type { AcceptedReads } from './socket.ts';
