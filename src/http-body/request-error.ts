// From what undici, the TLS stack or the system threw to an AnaxError. An abort passes through as the caller's reason.

import {
  AnaxError,
  type ErrorCode,
  isAbortError,
  redactUrl,
  systemErrorCode,
  toAnaxError,
} from '../core/index.ts';

const UNDICI_CODES: Readonly<Record<string, ErrorCode>> = {
  UND_ERR_CONNECT_TIMEOUT: 'network_timeout',
  UND_ERR_HEADERS_TIMEOUT: 'network_timeout',
  UND_ERR_BODY_TIMEOUT: 'network_timeout',
  UND_ERR_HEADERS_OVERFLOW: 'origin_protocol',
  UND_ERR_RES_EXCEEDED_MAX_SIZE: 'limit_exceeded',
};

/** Certificates that Node does not accept, by the prefixes and names of OpenSSL's verdicts. */
const CERTIFICATE =
  /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH|INVALID_CA|ERR_TLS_CERT_)/u;

/** Converts an error of a request or of its body. Throws the signal's reason where that was the cause. */
export function toRequestError(error: unknown, url: URL, signal: AbortSignal): AnaxError {
  if (signal.aborted) throw signal.reason;
  if (error instanceof AnaxError) return error;
  const code = systemErrorCode(error) ?? '';
  const options = { cause: error, details: { url: redactUrl(url.href) } };
  if (CERTIFICATE.test(code)) return new AnaxError('origin_tls', `${url.host}: ${code}`, options);
  if (code.startsWith('ERR_SSL_') || code === 'EPROTO') {
    const hint = 'does the server speak TLS on this port? an http:// address may be meant';
    return new AnaxError('origin_tls', `${url.host}: the handshake failed (${code})`, { ...options, hint });
  }
  if (code.startsWith('HPE_'))
    return new AnaxError('origin_protocol', `${url.host}: not HTTP (${code})`, options);
  const known = UNDICI_CODES[code];
  if (known !== undefined) return new AnaxError(known, `${url.host} (${code})`, options);
  if (isAbortError(error))
    return new AnaxError('network_unreachable', `${url.host}: the connection closed`, options);
  const mapped = toAnaxError(error, 'network_unreachable');
  const isKnown = mapped.code === 'network_timeout' || mapped.code === 'network_unreachable';
  return new AnaxError(isKnown ? mapped.code : 'network_unreachable', describe(error, url, code), options);
}

function describe(error: unknown, url: URL, code: string): string {
  const text = error instanceof Error && error.message !== '' ? error.message : code;
  return text === '' ? url.host : `${url.host}: ${text}`;
}

/** Whether sending the same request again can help. */
export function isRetryableError(error: AnaxError): boolean {
  return error.code === 'network_unreachable' || error.code === 'network_timeout';
}
