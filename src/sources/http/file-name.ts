// A name for the one file of an http URL: the last segment of the path, else what the server suggests, else `index`.

import type { RepoPath } from '../../core/index.ts';

/** Linux takes 255 bytes a name. */
const MAX_NAME_BYTES = 255;

export function fileNameOf(url: URL, contentDisposition: string | undefined): RepoPath {
  const segment = url.pathname.split('/').at(-1) ?? '';
  const name = safeName(decodeLoosely(segment)) ?? safeName(suggestedName(contentDisposition)) ?? 'index';
  return name as RepoPath;
}

/** As a single path segment; `undefined` where nothing usable is left. */
function safeName(text: string): string | undefined {
  // eslint-disable-next-line no-control-regex -- control characters are what is replaced
  const plain = text.toWellFormed().replace(/[\u0000-\u001f\u007f/\\]/gu, '_');
  let name = '';
  for (const character of plain) {
    if (Buffer.byteLength(name + character) > MAX_NAME_BYTES) break;
    name += character;
  }
  return name === '' || name === '.' || name === '..' ? undefined : name;
}

/** `filename*=UTF-8''…` before `filename="…"`, as RFC 6266 has it. */
function suggestedName(header: string | undefined): string {
  const extended = /filename\*\s*=\s*UTF-8'[^']*'([^;\s]+)/iu.exec(header ?? '')?.[1];
  if (extended !== undefined) return decodeLoosely(extended);
  return (
    /filename\s*=\s*(?:"([^"]*)"|([^;\s]+))/iu
      .exec(header ?? '')
      ?.slice(1)
      .find(Boolean) ?? ''
  );
}

function decodeLoosely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
