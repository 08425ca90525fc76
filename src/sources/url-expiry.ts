// When a signed URL ends, read from the URL itself. Each vendor spells it differently; unknown spellings give
// `undefined`, and the caller assumes the hour that hubs sign for.

/** Milliseconds since the epoch. */
export function signedUrlExpiry(url: URL): number | undefined {
  const query = url.searchParams;
  return (
    epochSeconds(query.get('Expires')) ?? // CloudFront, Aliyun OSS, GCS v2
    dateAndSpan(query.get('X-Amz-Date'), query.get('X-Amz-Expires')) ?? // S3
    dateAndSpan(query.get('X-Goog-Date'), query.get('X-Goog-Expires')) ?? // GCS v4
    epochSeconds(query.get('auth_key')?.split('-')[0] ?? null) ?? // Aliyun CDN: <end>-<rand>-<uid>-<md5>
    isoDate(query.get('se')) // Azure
  );
}

/** Ten digits, so that no span is taken for a date: 2001 to 2286. */
function epochSeconds(text: string | null): number | undefined {
  return text !== null && /^\d{10}$/u.test(text) ? Number(text) * 1000 : undefined;
}

function dateAndSpan(date: string | null, span: string | null): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/u.exec(date ?? '');
  if (match === null || !/^\d{1,7}$/u.test(span ?? '')) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number);
  const startMs = Date.UTC(year ?? 0, (month ?? 1) - 1, day ?? 1, hour ?? 0, minute ?? 0, second ?? 0);
  return startMs + Number(span) * 1000;
}

function isoDate(text: string | null): number | undefined {
  const ms = text !== null && /^\d{4}-\d\d-\d\dT/u.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}
