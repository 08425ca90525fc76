// Large bodies over HTTP, straight from the socket: below the sources, which decide what is asked of whom, and the data
// plane, in whose threads the bytes come in.

export { type BodySpan, readSpan } from './body-span.ts';
export { dumpBody, type LargeBody } from './bulk-body.ts';
export { type BulkOptions, type BulkResponse, bulkGet } from './bulk-get.ts';
export { isRetryableError, toRequestError } from './request-error.ts';
export type { ResponseHeaders } from './response-headers.ts';
