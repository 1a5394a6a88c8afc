import { pino, type Logger as PinoLogger } from 'pino';

import type { Config } from './config.ts';

export type Logger = PinoLogger;

/**
 * Where a secret or a customer's e-mail address might turn up in something that is logged whole.
 */
const REDACTED_PATHS = [
  'apiKey',
  'apiSecret',
  'secretKey',
  'secret',
  'password',
  'authorization',
  'signature',
  'customerEmail',
  'privateKey',
  'accessToken',
  'refreshToken',
  'databaseUrl',
  'redisUrl',
].flatMap((name) => [name, `*.${name}`, `*.*.${name}`, `*.*.*.${name}`]);
const REDACTED_HEADERS = ['x-api-key', 'authorization', 'cookie', 'webhook-signature'].flatMap(
  (name) => [`headers["${name}"]`, `*.headers["${name}"]`, `*.*.headers["${name}"]`],
);

const STDOUT = 1;
const STDERR = 2;

export function createLogger(
  config: Pick<Config, 'log'>,
  name: 'api' | 'workers' | 'cli' | 'test',
): Logger {
  // What a command prints is its result, for scripts.
  const destination = name === 'cli' ? STDERR : STDOUT;
  const options = {
    name,
    level: config.log.level,
    redact: { paths: [...REDACTED_PATHS, ...REDACTED_HEADERS], censor: '[redacted]' },
    serializers: { err: serializeError },
  };
  if (!config.log.pretty) return pino(options, pino.destination(destination));
  return pino({
    ...options,
    transport: {
      target: 'pino-pretty',
      options: { colorize: true, ignore: 'pid,hostname', destination },
    },
  });
}

/**
 * Only what helps: libraries hang requests, headers and credentials on their errors, and a failed
 * relayer login even puts the API key into them.
 */
function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return { message: 'a value that is not an Error was thrown' };
  const details = error as Error & { code?: unknown; errno?: unknown; internal?: unknown };
  return {
    type: error.name,
    message: redactSecrets(error.message),
    ...(details.code === undefined ? {} : { code: details.code }),
    ...(details.errno === undefined ? {} : { errno: details.errno }),
    ...(details.internal === undefined ? {} : { internal: redactValues(details.internal) }),
    stack: error.stack === undefined ? undefined : redactSecrets(error.stack),
    ...(error.cause === undefined ? {} : { cause: serializeError(error.cause) }),
  };
}

/** Texts of other programs' errors end up in here too. */
function redactValues(value: unknown): unknown {
  if (typeof value === 'string') return redactSecrets(value);
  if (Array.isArray(value)) return value.map(redactValues);
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, redactValues(inner)]),
  );
}

/** API keys, webhook secrets, credentials in URLs, bearer tokens. */
export function redactSecrets(text: string): string {
  return (
    text
      .replace(/sk_(test|live)_[A-Za-z0-9]+/g, 'sk_$1_[redacted]')
      .replace(/whsec_[A-Za-z0-9+/=]+/g, 'whsec_[redacted]')
      // Up to the last @: one in a password may not be encoded.
      .replace(/(:\/\/[^:/\s]*:)[^/\s"']+@/g, '$1[redacted]@')
      .replace(/(sentinel-password=)[^&\s"']+/g, '$1[redacted]')
      .replace(/(Bearer\s+)[A-Za-z0-9._~+/=-]+/gi, '$1[redacted]')
      .replace(
        /("?(?:x-api-key|apiKey|secretKey|apiSecret|accessToken|refreshToken)"?\s*[:=]\s*"?)[^",}\s]+/gi,
        '$1[redacted]',
      )
  );
}
