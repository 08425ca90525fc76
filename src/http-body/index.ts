// Large bodies over HTTP, straight from the socket: below the sources, which decide what is asked of whom, and the data
// plane, in whose threads the bytes come in.

export { type BodySpan, readSpan } from './body-span.ts';
export { dumpBody, type LargeBody } from './bulk-body.ts';
export { BulkClient, type BulkResponse } from './bulk-client.ts';
export type { BulkOptions } from './bulk-exchange.ts';
export { isRetryableError, toRequestError } from './request-error.ts';
export type { ResponseHeaders } from './response-headers.ts';
