import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { isIPv4 } from 'node:net';

/** A key and a certificate for it, in PEM. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

const DAY_MS = 86_400_000;

const OID = {
  commonName: [0x55, 0x04, 0x03],
  ecdsaWithSha256: [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
  basicConstraints: [0x55, 0x1d, 0x13],
  subjectAltName: [0x55, 0x1d, 0x11],
} as const;

/**
 * A self-signed certificate for this machine's loopback addresses and for these names (or IPv4 addresses), valid for
 * a month.
 *
 * It is built here, byte by byte (RFC 5280, ECDSA with P-256), because Node can sign but not make certificates,
 * `openssl` is not everywhere, and a key that is checked in sets off every secret scanner.
 */
export function loopbackCertificate(now: Date, names: readonly string[] = []): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  const name = sequence(set(sequence(oid(OID.commonName), utf8('embedded cluster'))));
  const body = sequence(
    tagged(0xa0, integer(Buffer.of(2))),
    integer(Buffer.concat([Buffer.of(1), randomBytes(15)])),
    algorithm,
    name,
    sequence(time(new Date(now.getTime() - DAY_MS)), time(new Date(now.getTime() + 30 * DAY_MS))),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(
      0xa3,
      sequence(
        extension(OID.basicConstraints, sequence(tagged(0x01, Buffer.of(0xff)))),
        extension(
          OID.subjectAltName,
          sequence(
            tagged(0x82, Buffer.from('localhost')),
            tagged(0x87, Buffer.of(127, 0, 0, 1)),
            tagged(0x87, Buffer.concat([Buffer.alloc(15), Buffer.of(1)])),
            ...names.map(alternative),
          ),
        ),
      ),
    ),
  );
  const certificate = sequence(body, algorithm, bits(sign('sha256', body, privateKey)));
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    cert: pem(certificate),
  };
}

function alternative(name: string): Buffer {
  return isIPv4(name)
    ? tagged(0x87, Buffer.from(name.split('.').map(Number)))
    : tagged(0x82, Buffer.from(name));
}

/** One DER element: tag, length, content. */
function tagged(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const bytes = Buffer.concat(content);
  if (bytes.length < 0x80) return Buffer.concat([Buffer.of(tag, bytes.length), bytes]);
  const length = Buffer.from(bytes.length.toString(16).padStart(4, '0'), 'hex');
  return Buffer.concat([Buffer.of(tag, 0x80 + length.length), length, bytes]);
}

const sequence = (...content: readonly Uint8Array[]) => tagged(0x30, ...content);
const set = (...content: readonly Uint8Array[]) => tagged(0x31, ...content);
const integer = (bytes: Uint8Array) => tagged(0x02, bytes);
const oid = (bytes: readonly number[]) => tagged(0x06, Buffer.from(bytes));
const utf8 = (text: string) => tagged(0x0c, Buffer.from(text));
const bits = (bytes: Uint8Array) => tagged(0x03, Buffer.of(0), bytes);
const extension = (id: readonly number[], value: Uint8Array) => sequence(oid(id), tagged(0x04, value));

/** UTCTime, good until 2049. */
function time(date: Date): Buffer {
  return tagged(0x17, Buffer.from(`${date.toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`));
}

function pem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
