import { isIPv6 } from 'node:net';

import { ConfigError } from './ConfigError.ts';

/**
 * What DATABASE_URL and REDIS_URL have in common:
 * `scheme://user:password@host:port,host:port/path?name=value`.
 */
export interface ConnectionUrl {
  readonly scheme: string;
  /** Undefined: none, or an empty one. */
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** At least one; IPv6 addresses without their brackets. */
  readonly hosts: readonly { readonly host: string; readonly port: number | undefined }[];
  /** Without the leading slash. Undefined: none. */
  readonly path: string | undefined;
  /** By name, percent-decoded. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** Scheme, authority, path and parameters. A fragment means nothing here. */
const SHAPE = /^([a-z]+(?:\+[a-z]+)?):\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/;
const HOST = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?$/;

/**
 * Not WHATWG's parser: it knows one host only, and keeps the brackets of an IPv6 address. No error
 * holds a part of the URL: where a password is not percent-encoded, it may be anywhere.
 * @param form what a right one looks like, for the message
 * @param known the parameters that mean something
 * @throws ConfigError
 */
export function parseConnectionUrl(
  text: string,
  form: string,
  known: readonly string[],
): ConnectionUrl {
  const wrong = new ConfigError(
    `is no URL of the form ${form} (in user and password, percent-encode what is neither letter nor digit)`,
  );
  const [matched, scheme = '', authority = '', path, search = ''] = SHAPE.exec(text) ?? [];
  // An @ after the authority is the end of a password that had a /, ? or # in it.
  if (matched === undefined || [path, search].some((part) => part?.includes('@'))) throw wrong;

  const decode = (part: string) => {
    try {
      return decodeURIComponent(part);
    } catch {
      throw wrong;
    }
  };
  const end = authority.lastIndexOf('@');
  const [, user = '', password = ''] =
    /^([^:]*):?(.*)$/.exec(authority.slice(0, Math.max(end, 0))) ?? [];
  const hosts = authority
    .slice(end + 1)
    .split(',')
    .map((part) => {
      const [found, ipv6, name = '', port] = HOST.exec(part) ?? [];
      if (
        found === undefined ||
        (ipv6 !== undefined && !isIPv6(ipv6)) ||
        Number(port ?? 1) < 1 ||
        Number(port ?? 1) > 65_535
      )
        throw wrong;
      return { host: ipv6 ?? name, port: port === undefined ? undefined : Number(port) };
    });

  const parameters = new Map<string, string>();
  for (const part of search === '' ? [] : search.split('&')) {
    const [, name = '', value = ''] = /^([^=]*)=?(.*)$/.exec(part) ?? [];
    if (!known.includes(name)) throw new ConfigError(unknownParameter(name, known));
    if (parameters.has(name)) throw new ConfigError(`has the parameter ${name} twice`);
    if (value === '') throw new ConfigError(`has the parameter ${name} without a value`);
    parameters.set(name, decode(value));
  }
  return {
    scheme,
    user: user === '' ? undefined : decode(user),
    password: password === '' ? undefined : decode(password),
    hosts,
    path: path === undefined || path === '' ? undefined : decode(path),
    parameters,
  };
}

function unknownParameter(name: string, known: readonly string[]): string {
  // What other programs call it. Any other name may be part of a password.
  const isTls =
    /^(ssl|sslmode|ssl_mode|tls|sslaccept|sslca|sslcert|sslkey|sslrootcert|rejectUnauthorized|useSSL|verifyServerCertificate)$/i.test(
      name,
    );
  const hint = isTls ? `: what is meant by "${name}" is said with ssl-mode` : '';
  return `has a parameter that means nothing here${hint}. There ${known.length === 0 ? 'are none' : `are ${known.join(', ')}`}`;
}
