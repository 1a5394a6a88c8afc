import { parseConnectionUrl } from './connectionUrl.ts';
import { ConfigError } from './ConfigError.ts';
import { readTlsSettings, TLS_PARAMETERS, type TlsSettings } from './tlsSettings.ts';

export interface DatabaseAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** Undefined: none chosen. */
  readonly database: string | undefined;
  readonly tls: TlsSettings | undefined;
}

const FORM = 'mysql://user:password@host:3306/database';

/**
 * @param url as in DATABASE_URL
 * @throws ConfigError that says what is wrong, never a part of the URL
 */
export function parseDatabaseUrl(url: string): DatabaseAddress {
  const { scheme, user, password, hosts, path, parameters } = parseConnectionUrl(
    url,
    FORM,
    TLS_PARAMETERS,
  );
  const [only, ...others] = hosts;
  if (scheme !== 'mysql' || only === undefined || others.length > 0)
    throw new ConfigError(`is no URL of the form ${FORM}`);
  return {
    host: only.host,
    port: only.port ?? 3306,
    user,
    password,
    database: path,
    tls: readTlsSettings(parameters, 'if asked'),
  };
}
