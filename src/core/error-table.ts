// The one table of errors. A code is API: scripts, RPC clients and tests depend on it, so codes are added, never
// changed. Text is for people. Exit codes group what a caller would do about it (see ExitCode).

/** Process exit codes of `dfget` and `anax`. */
export const ExitCode = {
  ok: 0,
  failed: 1,
  usage: 2,
  authentication: 3,
  gated: 4,
  notFound: 5,
  rateLimited: 6,
  origin: 7,
  integrity: 8,
  disk: 9,
  network: 10,
  timeout: 11,
  internal: 70,
  interrupted: 130,
  /** Whoever read standard output went away: what the shell says of a process that SIGPIPE ended. */
  pipeClosed: 141,
} as const;

/** The RPC codes of Connect (and gRPC), by name. */
export type RpcCode =
  | 'canceled'
  | 'invalid_argument'
  | 'deadline_exceeded'
  | 'not_found'
  | 'already_exists'
  | 'permission_denied'
  | 'resource_exhausted'
  | 'failed_precondition'
  | 'aborted'
  | 'internal'
  | 'unavailable'
  | 'data_loss'
  | 'unauthenticated';

export interface ErrorKind {
  /** One sentence, without a full stop, that stands when nothing more is known. */
  readonly message: string;
  /** What the reader can do about it; empty where there is nothing to do. */
  readonly hint: string;
  /** Whether the same call can succeed later without anybody changing anything. */
  readonly retryable: boolean;
  readonly httpStatus: number;
  readonly rpcCode: RpcCode;
  readonly exitCode: number;
}

function kind(
  exitCode: number,
  httpStatus: number,
  rpcCode: RpcCode,
  message: string,
  hint = '',
  retryable = false,
): ErrorKind {
  return { message, hint, retryable, httpStatus, rpcCode, exitCode };
}

const X = ExitCode;

export const errorTable = {
  usage_invalid: kind(X.usage, 400, 'invalid_argument', 'the command line is not valid', 'see --help'),
  url_invalid: kind(
    X.usage,
    400,
    'invalid_argument',
    'the address is not valid',
    'e.g. hf://owner/name@revision/path',
  ),
  scheme_unknown: kind(
    X.usage,
    400,
    'invalid_argument',
    'no source is known for this scheme',
    'e.g. hf://owner/name',
  ),
  config_invalid: kind(X.usage, 400, 'invalid_argument', 'the configuration is not valid'),

  auth_required: kind(
    X.authentication,
    401,
    'unauthenticated',
    'the repository is private or does not exist',
    'check the name; if it is private, pass a token (HF_TOKEN, --hf-token, MODELSCOPE_API_TOKEN, --ms-token)',
  ),
  auth_invalid: kind(
    X.authentication,
    401,
    'unauthenticated',
    'the hub does not accept the token',
    'the token may be mistyped, expired or revoked',
  ),
  access_denied: kind(
    X.authentication,
    403,
    'permission_denied',
    'access is denied',
    'the account or the token lacks the right to read this',
  ),
  access_gated: kind(
    X.gated,
    403,
    'permission_denied',
    'the repository is gated and access is not granted',
    "ask for access on the repository's page, then pass the token of the account that has it",
  ),

  repo_not_found: kind(
    X.notFound,
    404,
    'not_found',
    'the repository does not exist, or the token may not see it',
    'check the name, and that the token belongs to an account with access',
  ),
  revision_not_found: kind(
    X.notFound,
    404,
    'not_found',
    'the revision does not exist',
    'name a branch, a tag or a commit',
  ),
  file_not_found: kind(
    X.notFound,
    404,
    'not_found',
    'the file does not exist at this revision',
    'check the path; --dry-run without it lists the files there are',
  ),
  nothing_matched: kind(
    X.notFound,
    404,
    'not_found',
    'no file matches the filters',
    'see which files there are with --dry-run and no filter',
  ),
  blob_not_found: kind(X.notFound, 404, 'not_found', 'the store does not hold this blob'),

  rate_limited: kind(
    X.rateLimited,
    429,
    'resource_exhausted',
    'the hub limits the rate of requests, for longer than the limit on waiting',
    'pass a token (its limit is higher), wait longer with --retry-wait, or try later',
    true,
  ),

  origin_unavailable: kind(
    X.origin,
    502,
    'unavailable',
    'the origin does not answer as it should',
    'the hub may be down; try later',
    true,
  ),
  origin_protocol: kind(
    X.origin,
    502,
    'internal',
    'the origin gave an answer that makes no sense',
    'is the endpoint really such a hub?',
  ),
  origin_changed: kind(
    X.origin,
    502,
    'aborted',
    'the content at the origin changed while it was read',
    'run the command again',
    true,
  ),
  origin_tls: kind(
    X.origin,
    502,
    'unavailable',
    "the origin's TLS certificate is not trusted",
    'add its CA with NODE_EXTRA_CA_CERTS',
  ),
  limit_exceeded: kind(
    X.origin,
    502,
    'resource_exhausted',
    'a size or count from outside is over its limit',
    'the repository is broken or hostile',
  ),

  digest_mismatch: kind(
    X.integrity,
    502,
    'data_loss',
    'the content does not have the digest that the origin published',
    'nothing of it was kept; if it happens again, the origin serves damaged content',
  ),
  piece_corrupt: kind(X.integrity, 502, 'data_loss', 'a piece does not have its digest', '', true),
  listing_unsafe: kind(
    X.integrity,
    502,
    'data_loss',
    'the listing names a path that would leave the output folder',
    'the repository is broken or hostile; use --include to take only files that you know',
  ),

  disk_full: kind(
    X.disk,
    507,
    'resource_exhausted',
    'no space left on the device',
    'free space and run the command again: what is verified is kept',
  ),
  disk_io: kind(
    X.disk,
    500,
    'internal',
    'the disk gave an error',
    'see the log of the system (dmesg): the disk may be failing',
  ),
  output_unwritable: kind(
    X.disk,
    400,
    'failed_precondition',
    'the output cannot be written',
    'check the path and its permissions',
  ),
  output_exists: kind(
    X.disk,
    409,
    'already_exists',
    'the output exists with other content',
    'use --overwrite to replace it',
  ),
  store_locked: kind(
    X.disk,
    503,
    'failed_precondition',
    'another anax process uses this cache',
    'let that process end, or use another --cache-dir',
    true,
  ),

  network_unreachable: kind(
    X.network,
    502,
    'unavailable',
    'the host cannot be reached',
    'check the name, the network and the proxy',
    true,
  ),
  network_timeout: kind(
    X.network,
    504,
    'unavailable',
    'the host did not answer in time',
    'check the network, or try later: what is verified is kept',
    true,
  ),
  peer_protocol: kind(X.network, 502, 'aborted', 'a peer broke the protocol', '', true),
  peer_refused: kind(X.network, 503, 'unavailable', 'a peer refused', '', true),
  identity_in_use: kind(
    X.network,
    409,
    'already_exists',
    'another process has the identity of this host',
    'give each daemon its own --data-dir, and copy none to another host',
    true,
  ),
  peer_tls: kind(
    X.network,
    502,
    'unavailable',
    "a peer's TLS does not fit this host's",
    'all hosts of a cluster need certificates of one CA, which --peer-tls-ca names, or all none',
  ),
  scheduler_unavailable: kind(
    X.network,
    503,
    'unavailable',
    'the scheduler cannot be reached',
    'is it running? check --scheduler',
    true,
  ),
  daemon_unavailable: kind(
    X.network,
    503,
    'unavailable',
    'the daemon cannot be reached',
    'is it running? check --endpoint',
    true,
  ),
  swarm_stalled: kind(
    X.network,
    504,
    'unavailable',
    'no peer and no origin gives the missing pieces',
    'run the command again: what is verified is kept',
    true,
  ),

  timeout: kind(
    X.timeout,
    504,
    'deadline_exceeded',
    'the time limit is over',
    'run the command again with a longer --timeout: what is verified is kept',
    true,
  ),
  files_failed: kind(X.failed, 500, 'aborted', 'some files failed'),
  interrupted: kind(
    X.interrupted,
    499,
    'canceled',
    'interrupted',
    'run the command again: what is verified is kept',
    true,
  ),
  internal: kind(X.internal, 500, 'internal', 'a bug in anax', 'please report it, with the log'),
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof errorTable;
