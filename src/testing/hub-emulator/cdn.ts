/**
 * The CDN beside a hub, on a hostname of its own: objects under signed, expiring URLs. Refuses credentials
 * (they must not leave the hub's origin), serves true ranges, and answers errors in XML as object stores do.
 */
import type { Content } from './content.ts';
import { fileReply, type HubRequest, type Reply, textReply } from './reply.ts';
import type { Signature, UrlSigner } from './signed-urls.ts';

export interface CdnObject {
  readonly content: Content;
  readonly etag: string;
  readonly fileName: string;
}

export class Cdn {
  readonly #objects = new Map<string, CdnObject>();
  readonly #signer: UrlSigner;
  readonly #readSignature: (query: URLSearchParams) => Signature | undefined;

  constructor(signer: UrlSigner, readSignature: (query: URLSearchParams) => Signature | undefined) {
    this.#signer = signer;
    this.#readSignature = readSignature;
  }

  /** Makes an object reachable at `path` and signs the path. */
  publish(path: string, object: CdnObject): Signature {
    this.#objects.set(path, object);
    return this.#signer.sign(path);
  }

  handle(request: HubRequest): Reply {
    const { authorization, cookie } = request.headers;
    if (authorization !== undefined || cookie !== undefined) {
      return xmlError(400, 'InvalidArgument', 'Only one auth mechanism allowed');
    }
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return xmlError(405, 'MethodNotAllowed', 'GET only');
    const object = this.#objects.get(request.rawPath);
    const signature = this.#readSignature(request.query);
    const verdict = signature ? this.#signer.verify(request.rawPath, signature) : 'forged';
    if (verdict !== 'valid') {
      return xmlError(403, 'AccessDenied', verdict === 'expired' ? 'Request has expired' : 'Access denied');
    }
    if (!object) return xmlError(404, 'NoSuchKey', 'The specified key does not exist.');
    return fileReply(request, object.content, { etag: object.etag, headers: objectHeaders(object) });
  }
}

function objectHeaders(object: CdnObject): Record<string, string> {
  const encoded = encodeURIComponent(object.fileName);
  return {
    'content-disposition': `inline; filename*=UTF-8''${encoded}; filename="${encoded}";`,
    'cache-control': 'public, max-age=31536000',
  };
}

function xmlError(status: number, code: string, message: string): Reply {
  const xml = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  return textReply(status, xml, { 'content-type': 'application/xml' });
}
