// Errors across RPC, converted once on each side. The error table gives the RPC code; the whole record (code, message,
// hint, details) travels as an `anax.v1.Error` detail, so that the other side builds the same AnaxError again.

import { create, type JsonObject } from '@bufbuild/protobuf';
import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';
import {
  AnaxError,
  type ErrorCode,
  type ErrorDetails,
  type ErrorRecord,
  fromErrorRecord,
  type RpcCode,
  toAnaxError,
  toErrorRecord,
} from '../core/index.ts';
import { ErrorSchema, type Error as WireError } from './gen/anax/v1/common_pb.js';

const CODES: Readonly<Record<RpcCode, Code>> = {
  canceled: Code.Canceled,
  invalid_argument: Code.InvalidArgument,
  deadline_exceeded: Code.DeadlineExceeded,
  not_found: Code.NotFound,
  already_exists: Code.AlreadyExists,
  permission_denied: Code.PermissionDenied,
  resource_exhausted: Code.ResourceExhausted,
  failed_precondition: Code.FailedPrecondition,
  aborted: Code.Aborted,
  internal: Code.Internal,
  unavailable: Code.Unavailable,
  data_loss: Code.DataLoss,
  unauthenticated: Code.Unauthenticated,
};

/** Longest text taken from the other side, in characters. */
const MAX_TEXT_LENGTH = 8192;

export function errorToWire(record: ErrorRecord): WireError {
  const { code, message, hint, details } = record;
  return create(ErrorSchema, { code, message, hint, details: { ...details } });
}

export function errorFromWire(wire: WireError | undefined): ErrorRecord {
  const record = {
    code: (wire?.code ?? 'internal') as ErrorCode,
    message: (wire?.message ?? '').slice(0, MAX_TEXT_LENGTH),
    hint: (wire?.hint ?? '').slice(0, MAX_TEXT_LENGTH),
    details: readDetails(wire?.details),
  };
  return toErrorRecord(fromErrorRecord(record));
}

function readDetails(details: JsonObject | undefined): ErrorDetails {
  const facts: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(details ?? {})) {
    if (value !== null && typeof value !== 'object') facts[name] = value;
  }
  return facts;
}

/** For a server: what to throw out of a handler. Whatever is no AnaxError goes through `toAnaxError`. */
export function toConnectError(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  const known = toAnaxError(error);
  const detail = { desc: ErrorSchema, value: errorToWire(toErrorRecord(known)) };
  return new ConnectError(known.message, CODES[known.kind.rpcCode], undefined, [detail], error);
}

export interface FromConnectOptions {
  /** What a connection that fails or breaks is called: `daemon_unavailable` or `scheduler_unavailable`. */
  readonly unreachable: ErrorCode;
  /** Whom we spoke with, for the message: a socket path or an address. */
  readonly target?: string;
}

/** For a client: the AnaxError that the server threw, or the one that names the broken connection. */
export function fromConnectError(error: unknown, options: FromConnectOptions): AnaxError {
  if (error instanceof AnaxError) return error;
  if (!(error instanceof ConnectError)) return toAnaxError(error);
  const [wire] = error.findDetails(ErrorSchema);
  if (wire) return fromErrorRecord(errorFromWire(wire));
  const code = WITHOUT_DETAIL.get(error.code) ?? options.unreachable;
  const target = code === options.unreachable && options.target ? `${options.target}: ` : '';
  return new AnaxError(code, `${target}${error.rawMessage}`, { cause: error });
}

/** Codes that say something else than "not reached" when they come without our detail. */
const WITHOUT_DETAIL: ReadonlyMap<Code, ErrorCode> = new Map([
  [Code.DeadlineExceeded, 'timeout'],
  [Code.InvalidArgument, 'internal'],
  [Code.ResourceExhausted, 'limit_exceeded'],
]);

/** Server interceptor: every handler may throw AnaxErrors, before and between the messages of a stream. */
export const errorInterceptor: Interceptor = (next) => async (request) => {
  try {
    const response = await next(request);
    return response.stream ? { ...response, message: convertErrors(response.message) } : response;
  } catch (error) {
    throw toConnectError(error);
  }
};

async function* convertErrors<Item>(items: AsyncIterable<Item>): AsyncIterable<Item> {
  try {
    yield* items;
  } catch (error) {
    throw toConnectError(error);
  }
}
