// The certificates of the peer protocol: one for this host and the CA that all hosts of the cluster have theirs from,
// read from files, and read again when those change. Links that are there keep what they began with.
//
// TLS 1.3 with AES-GCM only: processors have instructions for it, and every Node has it.

import { createHash, hkdfSync, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import tls from 'node:tls';
import { AnaxError, type Logger, silentLogger } from '../core/index.ts';

/** Files in PEM. */
export interface TlsFiles {
  /** This host's certificate, and those between it and the CA. Good for servers and for clients. */
  readonly cert: string;
  readonly key: string;
  /** Who signed the certificates of all hosts that may take part. */
  readonly ca: string;
}

export interface PeerTlsOptions {
  readonly logger?: Logger;
  /** How often to look whether the files changed. Default 10 s. */
  readonly pollMs?: number;
}

/** What `tls.createServer` and `tls.connect` take of it. */
export interface TlsMaterial extends tls.SecureContextOptions {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca: Buffer;
  /** Of the files' content: all threads of a host, and a host after a restart, know each other's tickets. */
  readonly ticketKeys: Buffer;
}

const POLL_MS = 10_000;
const TICKET_KEY_BYTES = 48;

export class PeerTls {
  /** For another thread to load. */
  readonly files: TlsFiles;
  readonly #logger: Logger;
  readonly #timer: NodeJS.Timeout;
  readonly #listeners = new Set<() => void>();
  #material: TlsMaterial;
  #context: tls.SecureContext;
  #stamp: string;

  /** Throws `config_invalid` for files that cannot be read or do not fit each other. */
  static async load(files: TlsFiles, options: PeerTlsOptions = {}): Promise<PeerTls> {
    const stamp = await stampOf(files);
    return new PeerTls(files, options, await readMaterial(files), stamp);
  }

  private constructor(files: TlsFiles, options: PeerTlsOptions, material: TlsMaterial, stamp: string) {
    this.files = files;
    this.#logger = options.logger ?? silentLogger;
    this.#material = material;
    this.#context = toContext(material);
    this.#stamp = stamp;
    this.#warnOfExpiry();
    this.#timer = setInterval(() => void this.reload(), options.pollMs ?? POLL_MS);
    this.#timer.unref();
  }

  get material(): TlsMaterial {
    return this.#material;
  }

  /** For connections that begin now. */
  get context(): tls.SecureContext {
    return this.#context;
  }

  /** Called after each change; returns how to unsubscribe. */
  onReload(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Looks whether the files changed, and takes what they hold; whether it did. What is broken, as in the middle of a
   * change, is logged and tried again at the next look; until then the old certificate stays in use.
   */
  async reload(): Promise<boolean> {
    try {
      const stamp = await stampOf(this.files);
      if (stamp === this.#stamp) return false;
      const material = await readMaterial(this.files);
      this.#context = toContext(material);
      this.#material = material;
      this.#stamp = stamp;
    } catch (error) {
      this.#logger.error('the changed certificate is not taken', { error: String(error) });
      return false;
    }
    this.#logger.info('the certificate was read again', { cert: this.files.cert });
    this.#warnOfExpiry();
    for (const listener of this.#listeners) listener();
    return true;
  }

  #warnOfExpiry(): void {
    const { validTo, validToDate } = new X509Certificate(this.#material.cert);
    if (validToDate.getTime() > Date.now()) return;
    this.#logger.warn("this host's certificate has expired", { cert: this.files.cert, validTo });
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#listeners.clear();
  }
}

function toContext(material: TlsMaterial): tls.SecureContext {
  return tls.createSecureContext(material);
}

/** Kubernetes changes mounted secrets by a symbolic link, which `stat` follows. */
async function stampOf({ cert, key, ca }: TlsFiles): Promise<string> {
  const stats = await Promise.all([cert, key, ca].map(statFile));
  return stats.map(({ ino, mtimeMs, size }) => `${ino}/${mtimeMs}/${size}`).join(' ');
}

async function statFile(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): AnaxError {
  const why = error instanceof Error ? error.message : String(error);
  return new AnaxError('config_invalid', `${path}: ${why}`, { cause: error });
}

async function readPem(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

async function readMaterial(files: TlsFiles): Promise<TlsMaterial> {
  const [cert, key, ca] = await Promise.all([readPem(files.cert), readPem(files.key), readPem(files.ca)]);
  const secret = createHash('sha256').update(cert).update(key).update(ca).digest();
  const material: TlsMaterial = {
    cert,
    key,
    ca,
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ciphers: 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384',
    honorCipherOrder: true,
    sessionIdContext: 'anax-peer',
    ticketKeys: Buffer.from(hkdfSync('sha256', secret, '', 'anax peer tickets', TICKET_KEY_BYTES)),
  };
  try {
    toContext(material);
    return material;
  } catch (error) {
    throw unreadable(`${files.cert}, ${files.key}, ${files.ca}`, error);
  }
}
