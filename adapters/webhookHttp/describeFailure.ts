import { HostNotFoundError, HostNotResolvedError } from './createResolveHost.ts';

export class AddressNotAllowedError extends Error {
  override readonly name = 'AddressNotAllowedError';
}

/** The receiver goes on in a protocol that nobody asked for. */
export class OtherProtocolError extends Error {
  override readonly name = 'OtherProtocolError';
}

const ERROR_TEXTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection closed',
  EPIPE: 'connection closed',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'host unreachable',
  ETIMEDOUT: 'timeout',
  HPE_HEADER_OVERFLOW: 'answer headers too large',
  ERR_INVALID_URL: 'invalid URL',
  ERR_INVALID_PROTOCOL: 'invalid URL',
};

/** What TLS calls a certificate that it does not accept, as OpenSSL and Node have it. */
const CERTIFICATE_ERROR =
  /CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY|DECRYPT|DECODE)|HOSTNAME_MISMATCH|INVALID_CA/;

/**
 * Why a POST came to nothing. The store sees this text, so it is one of ours: messages of libraries
 * name addresses and ports.
 */
export function describeFailure(error: unknown): string {
  // Several addresses were tried: the first failure stands for all.
  if (error instanceof AggregateError && error.errors.length > 0)
    return describeFailure(error.errors[0]);
  if (error instanceof AddressNotAllowedError) return 'address not allowed';
  if (error instanceof HostNotFoundError) return 'host not found';
  if (error instanceof HostNotResolvedError) return 'name server does not answer';
  if (error instanceof OtherProtocolError) return 'not an HTTP answer';
  const code =
    error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  const text = ERROR_TEXTS[code];
  if (text !== undefined) return text;
  if (code.startsWith('HPE_')) return 'not an HTTP answer';
  if (CERTIFICATE_ERROR.test(code)) return 'TLS certificate not accepted';
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_'))
    return 'TLS failed';
  return 'request failed';
}
