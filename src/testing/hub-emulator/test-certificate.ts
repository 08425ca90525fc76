/**
 * A self-signed certificate for the TLS mode, made on the spot (Node has no API for it, and a key in the
 * repository would only alarm scanners): EC P-256, valid for 127.0.0.1 and localhost, its own CA.
 * The DER is written by hand, just what RFC 5280 needs.
 */
import { generateKeyPairSync, sign } from 'node:crypto';

export interface TestCertificate {
  readonly key: string;
  /** Also what a client takes as its CA. */
  readonly cert: string;
}

const OID_ECDSA_SHA256 = '06082a8648ce3d040302';
const OID_COMMON_NAME = '0603550403';
const OID_BASIC_CONSTRAINTS = '0603551d13';
const OID_SUBJECT_ALT_NAME = '0603551d11';

export function makeTestCertificate(): TestCertificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = sequence(hex(OID_ECDSA_SHA256));
  const name = sequence(
    tlv(0x31, sequence(hex(OID_COMMON_NAME), tlv(0x0c, Buffer.from('anax hub emulator')))),
  );
  const validity = sequence(tlv(0x17, Buffer.from('250101000000Z')), tlv(0x17, Buffer.from('491231235959Z')));
  const names = sequence(tlv(0x82, Buffer.from('localhost')), tlv(0x87, Buffer.from([127, 0, 0, 1])));
  const isCa = sequence(tlv(0x01, Buffer.from([0xff])));
  const extensions = sequence(
    sequence(hex(OID_BASIC_CONSTRAINTS), tlv(0x01, Buffer.from([0xff])), tlv(0x04, isCa)),
    sequence(hex(OID_SUBJECT_ALT_NAME), tlv(0x04, names)),
  );
  const version3 = tlv(0xa0, tlv(0x02, Buffer.from([2])));
  const serial = tlv(0x02, Buffer.from([1]));
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const body = sequence(version3, serial, algorithm, name, validity, name, spki, tlv(0xa3, extensions));
  const signature = tlv(0x03, Buffer.concat([Buffer.from([0]), sign('sha256', body, privateKey)]));
  const der = sequence(body, algorithm, signature);
  const lines = der
    .toString('base64')
    .replace(/(.{64})/g, '$1\n')
    .trim();
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
  };
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
