import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';

import { ConfigError } from './ConfigError.ts';

/** How a connection to the database or to Redis is encrypted. */
export interface TlsSettings {
  /** PEM. Undefined: the authorities that Node knows. */
  readonly ca: string | undefined;
  /** PEM, of the client; both or none. */
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /**
   * Whether the server's certificate has to come from the CA, and whether it has to be the server's
   * that was meant.
   */
  readonly verify: 'nothing' | 'ca' | 'identity';
  /** Whose certificate the server's has to be. Undefined: the host's. */
  readonly serverName: string | undefined;
}

/**
 * MySQL's names and words, for Redis too: one word has one meaning. PREFERRED, which goes on
 * unencrypted when it has to, is not among them.
 */
export const TLS_PARAMETERS = [
  'ssl-mode',
  'ssl-ca',
  'ssl-cert',
  'ssl-key',
  'ssl-server-name',
] as const;
const VERIFY_BY_MODE = {
  REQUIRED: 'nothing',
  VERIFY_CA: 'ca',
  VERIFY_IDENTITY: 'identity',
} as const;

/**
 * Reads the files that the parameters name, once: after a certificate was renewed, the process is
 * to be started again.
 * @param isTls what the URL says about TLS before its parameters: a scheme may ask for it, or
 *   exclude it
 * @returns undefined: without TLS
 * @throws ConfigError never with what a file holds
 */
export function readTlsSettings(
  parameters: ReadonlyMap<string, string>,
  isTls: 'yes' | 'no' | 'if asked',
): TlsSettings | undefined {
  const given = TLS_PARAMETERS.filter((name) => parameters.has(name));
  if (isTls === 'no' && given.length > 0)
    throw new ConfigError(`has ${given.join(', ')}, and a scheme without TLS`);
  const mode = parameters.get('ssl-mode')?.toUpperCase();
  if (mode === 'DISABLED' && isTls === 'if asked') {
    if (given.length > 1)
      throw new ConfigError('has other ssl parameters beside ssl-mode=DISABLED');
    return undefined;
  }
  if (given.length === 0 && isTls !== 'yes') return undefined;

  const verify =
    mode === undefined
      ? 'identity'
      : new Map<string, TlsSettings['verify']>(Object.entries(VERIFY_BY_MODE)).get(mode);
  if (verify === undefined) {
    const modes = [...(isTls === 'if asked' ? ['DISABLED'] : []), ...Object.keys(VERIFY_BY_MODE)];
    throw new ConfigError(`has an ssl-mode that is none of ${modes.join(', ')}`);
  }
  if (verify === 'nothing' && parameters.has('ssl-ca'))
    throw new ConfigError('has an ssl-ca, which ssl-mode=REQUIRED does not look at');
  if (parameters.has('ssl-cert') !== parameters.has('ssl-key'))
    throw new ConfigError('needs both of ssl-cert and ssl-key, or none');
  const files = {
    ca: readPem(parameters, 'ssl-ca'),
    cert: readPem(parameters, 'ssl-cert'),
    key: readPem(parameters, 'ssl-key'),
  };
  try {
    createSecureContext(files);
  } catch {
    throw new ConfigError(
      'has an ssl-cert and ssl-key that do not belong together, or need a passphrase, or an ssl-ca that is no certificate',
    );
  }
  return { ...files, verify, serverName: parameters.get('ssl-server-name') };
}

function readPem(
  parameters: ReadonlyMap<string, string>,
  name: (typeof TLS_PARAMETERS)[number],
): string | undefined {
  const path = parameters.get(name);
  if (path === undefined) return undefined;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    throw new ConfigError(`has an ${name} that cannot be read (${code})`);
  }
  if (!text.includes('-----BEGIN ')) throw new ConfigError(`has an ${name} that is no PEM file`);
  return text;
}
