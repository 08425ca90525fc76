// Remote calls: the contracts of proto/, their plain twins, clients, servers and the one error conversion. Knows how to
// carry calls; what they do is the daemon's and the scheduler's.

export { type ControlConnection, connectControl, createControlClient } from './control-client.ts';
export { controlRoutes } from './control-server.ts';
export type * from './control-types.ts';
export {
  type Error as ErrorMessage,
  ErrorSchema,
  type PeerInfo as WirePeerInfo,
  type Span,
} from './gen/anax/v1/common_pb.js';
export { Control } from './gen/anax/v1/control_pb.js';
export {
  type AttendRequest,
  type AttendResponse,
  type AttendResponse_BlobsFound as BlobsFound,
  AttendResponseSchema,
  type ReaderGrant as ReaderGrantMessage,
  ReaderGrantSchema,
  Scheduler,
  type SchedulerStatusResponse,
  SchedulerStatusResponseSchema,
} from './gen/anax/v1/scheduler_pb.js';
export { createPathFilter } from './path-filter.ts';
export { grantFromWire, grantToWire, peerFromWire, peerToWire } from './peer-convert.ts';
export {
  errorFromWire,
  errorToWire,
  type FromConnectOptions,
  fromConnectError,
  toConnectError,
} from './rpc-error.ts';
export {
  createRpcListener,
  type Http2ServerOptions,
  type RpcListener,
  type RpcRoutes,
  type RpcServer,
  type SocketServerOptions,
  startHttp2Server,
  startSocketServer,
} from './rpc-server.ts';
export { type AttendRequestInit, createSchedulerClient, type SchedulerClient } from './scheduler-client.ts';
