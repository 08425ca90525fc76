// Certificates for tests of TLS, made on the spot (Node has no API for it, and a key in the repository would only alarm
// scanners): EC P-256, valid for 127.0.0.1 and localhost, signed by themselves or by another. The DER is written by
// hand, just what RFC 5280 needs.

import { createPrivateKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface TestCertificate {
  readonly name: string;
  /** PEM. */
  readonly key: string;
  /** PEM. Also what others take as their CA. */
  readonly cert: string;
}

export interface TestCertificateOptions {
  readonly name?: string;
  /** Who signs it. Default: itself. */
  readonly issuer?: TestCertificate;
  /** Last second of validity, `YYMMDDhhmmssZ`. Default: in 2049. */
  readonly validTo?: string;
}

const OID_ECDSA_SHA256 = '06082a8648ce3d040302';
const OID_COMMON_NAME = '0603550403';
const OID_BASIC_CONSTRAINTS = '0603551d13';
const OID_SUBJECT_ALT_NAME = '0603551d11';

export function makeTestCertificate(options: TestCertificateOptions = {}): TestCertificate {
  const { name = 'anax test', issuer, validTo = '491231235959Z' } = options;
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = sequence(hex(OID_ECDSA_SHA256));
  const version3 = tlv(0xa0, tlv(0x02, Buffer.from([2])));
  const serial = tlv(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)]));
  const validity = sequence(tlv(0x17, Buffer.from('200101000000Z')), tlv(0x17, Buffer.from(validTo)));
  const [issuerName, subject] = [distinguishedName(issuer?.name ?? name), distinguishedName(name)];
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const body = sequence(version3, serial, algorithm, issuerName, validity, subject, spki, extensions());
  const issuerKey = issuer ? createPrivateKey(issuer.key) : privateKey;
  const signature = tlv(0x03, Buffer.concat([Buffer.from([0]), sign('sha256', body, issuerKey)]));
  return {
    name,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: toPem(sequence(body, algorithm, signature)),
  };
}

/** Writes what a host of a cluster with TLS needs, and returns the paths. */
export async function writeCertificate(
  folder: string,
  { key, cert }: TestCertificate,
  ca: TestCertificate,
): Promise<{ readonly cert: string; readonly key: string; readonly ca: string }> {
  const paths = { cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key'), ca: join(folder, 'ca.crt') };
  await writeFile(paths.cert, cert);
  await writeFile(paths.key, key, { mode: 0o600 });
  await writeFile(paths.ca, ca.cert);
  return paths;
}

function extensions(): Buffer {
  const names = sequence(tlv(0x82, Buffer.from('localhost')), tlv(0x87, Buffer.from([127, 0, 0, 1])));
  const isTrue = tlv(0x01, Buffer.from([0xff]));
  return tlv(
    0xa3,
    sequence(
      sequence(hex(OID_BASIC_CONSTRAINTS), isTrue, tlv(0x04, sequence(isTrue))),
      sequence(hex(OID_SUBJECT_ALT_NAME), tlv(0x04, names)),
    ),
  );
}

function distinguishedName(name: string): Buffer {
  return sequence(tlv(0x31, sequence(hex(OID_COMMON_NAME), tlv(0x0c, Buffer.from(name)))));
}

function toPem(der: Buffer): string {
  const lines = der
    .toString('base64')
    .replace(/(.{64})/gu, '$1\n')
    .trim();
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

function sequence(...parts: Buffer[]): Buffer {
  return tlv(0x30, Buffer.concat(parts));
}

function tlv(tag: number, value: Buffer): Buffer {
  const length = value.length;
  const head =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), value]);
}

function hex(text: string): Buffer {
  return Buffer.from(text, 'hex');
}
