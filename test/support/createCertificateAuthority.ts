import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';

/** Files of a certificate and its key, PEM. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** An authority of a test's own. */
export interface CertificateAuthority {
  /** The file of its own certificate. */
  readonly ca: string;
  /**
   * @param name of the subject, and of the files
   * @param hosts the names and addresses that a server is reached by; none for a client
   */
  issue(name: string, hosts?: readonly string[]): CertificateFiles;
}

const DAY_MS = 86_400_000;

/**
 * X.509 in DER (RFC 5280), as much of it as servers and clients of databases look at. Node makes
 * keys and signatures, and no certificates.
 */
export function createCertificateAuthority(folder: string, name: string): CertificateAuthority {
  // A server in a container, or one of another user, has to read them.
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const write = (file: string, text: string) => {
    const path = join(folder, file);
    writeFileSync(path, text, { mode: 0o644 });
    return path;
  };
  const own = makeCertificate({
    subject: name,
    publicKey: keys.publicKey,
    issuer: name,
    issuerKeys: keys,
    extensions: authorityExtensions(keys.publicKey),
  });
  return {
    ca: write(`${name}-ca.pem`, own),
    issue(subject, hosts = []) {
      const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
      const certificate = makeCertificate({
        subject,
        publicKey,
        issuer: name,
        issuerKeys: keys,
        extensions: leafExtensions(hosts),
      });
      return {
        cert: write(`${name}-${subject}.pem`, certificate),
        // PKCS #1: what every server's TLS library reads.
        key: write(
          `${name}-${subject}.key`,
          privateKey.export({ type: 'pkcs1', format: 'pem' }) as string,
        ),
      };
    },
  };
}

interface CertificateInput {
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly issuer: string;
  readonly issuerKeys: { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
  readonly extensions: readonly Buffer[];
}

function makeCertificate({
  subject,
  publicKey,
  issuer,
  issuerKeys,
  extensions,
}: CertificateInput): string {
  const algorithm = sequence(oid('1.2.840.113549.1.1.11'), tag(0x05));
  const toSign = sequence(
    tag(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    algorithm,
    distinguishedName(issuer),
    sequence(time(Date.now() - DAY_MS), time(Date.now() + 30 * DAY_MS)),
    distinguishedName(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    tag(0xa3, sequence(...extensions)),
  );
  const signature = sign('sha256', toSign, issuerKeys.privateKey);
  const der = sequence(toSign, algorithm, bitString(signature));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function authorityExtensions(publicKey: KeyObject): Buffer[] {
  const keyId = createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest();
  return [
    extension('2.5.29.19', sequence(tag(0x01, Buffer.from([0xff])))),
    extension('2.5.29.14', tag(0x04, keyId)),
  ];
}

function leafExtensions(hosts: readonly string[]): Buffer[] {
  const names = hosts.map((host) =>
    isIP(host) === 0 ? tag(0x82, Buffer.from(host)) : tag(0x87, addressBytes(host)),
  );
  return [
    extension('2.5.29.19', sequence()),
    ...(names.length === 0 ? [] : [extension('2.5.29.17', sequence(...names))]),
  ];
}

function extension(id: string, value: Buffer): Buffer {
  return sequence(oid(id), tag(0x04, value));
}

function distinguishedName(commonName: string): Buffer {
  return sequence(tag(0x31, sequence(oid('2.5.4.3'), tag(0x0c, Buffer.from(commonName)))));
}

/** Of the addresses that tests use: IPv4, and ::1. */
function addressBytes(host: string): Buffer {
  return host === '::1'
    ? Buffer.concat([Buffer.alloc(15), Buffer.from([1])])
    : Buffer.from(host.split('.').map(Number));
}

function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '');
  return tag(0x17, Buffer.from(text.slice(2)));
}

function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const bytes = rest.flatMap((part) => {
    const groups = [part & 0x7f];
    for (let left = Math.floor(part / 128); left > 0; left = Math.floor(left / 128))
      groups.unshift((left & 0x7f) | 0x80);
    return groups;
  });
  return tag(0x06, Buffer.from([first * 40 + second, ...bytes]));
}

function integer(bytes: Buffer): Buffer {
  return tag(0x02, bytes);
}

function bitString(bytes: Buffer): Buffer {
  return tag(0x03, Buffer.concat([Buffer.from([0]), bytes]));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tag(0x30, ...parts);
}

function tag(number: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const length = content.length;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([number, ...size]), content]);
}
