import type { CertificateFiles } from './createCertificateAuthority.ts';

/** What servers of one group speak TLS with, with their clients and with each other. */
export interface GroupTls extends CertificateFiles {
  readonly ca: string;
}

/**
 * Lines of a Redis server's or a sentinel's configuration. Whoever connects by TLS has to have a
 * certificate.
 */
export function tlsConfiguration(tls: GroupTls | undefined, port: number): string[] {
  if (tls === undefined) return [];
  return [
    `tls-port ${port}`,
    `tls-cert-file ${tls.cert}`,
    `tls-key-file ${tls.key}`,
    `tls-ca-cert-file ${tls.ca}`,
    'tls-auth-clients yes',
    'tls-replication yes',
  ];
}
