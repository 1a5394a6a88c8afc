import { parseConnectionUrl } from './connectionUrl.ts';
import { ConfigError } from './ConfigError.ts';
import { readTlsSettings, TLS_PARAMETERS, type TlsSettings } from './tlsSettings.ts';

export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

interface Login {
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly tls: TlsSettings | undefined;
}

/** One server; a primary that Sentinel names; or a cluster. */
export type RedisAddress = Login &
  (
    | { readonly kind: 'single'; readonly node: RedisNode; readonly database: number }
    | {
        readonly kind: 'sentinel';
        readonly sentinels: readonly RedisNode[];
        /** What Sentinel calls the primary and its replicas. */
        readonly name: string;
        readonly database: number;
        /** To the sentinels themselves. */
        readonly sentinelLogin: Login;
      }
    | { readonly kind: 'cluster'; readonly nodes: readonly RedisNode[] }
  );

const SENTINEL_PARAMETERS = [
  'name',
  'sentinel-user',
  'sentinel-password',
  'sentinel-ssl-mode',
] as const;
const KINDS = {
  redis: {
    kind: 'single',
    form: 'redis://user:password@host:6379/0',
    known: TLS_PARAMETERS,
    defaultPort: 6379,
  },
  'redis+sentinel': {
    kind: 'sentinel',
    form: 'redis+sentinel://user:password@host:26379,host:26379/0?name=mymaster',
    known: [...TLS_PARAMETERS, ...SENTINEL_PARAMETERS],
    defaultPort: 26_379,
  },
  'redis+cluster': {
    kind: 'cluster',
    form: 'redis+cluster://user:password@host:6379,host:6379',
    known: TLS_PARAMETERS,
    defaultPort: 6379,
  },
} as const;
const SCHEME = /^redis(s?)(\+[a-z]+)?:\/\//;

/**
 * @param url as in REDIS_URL. `redis://`, `redis+sentinel://` or `redis+cluster://`; with TLS
 *   `rediss` instead of `redis`. `name` is for Sentinel alone, as are `sentinel-user`,
 *   `sentinel-password` (of the sentinels themselves) and `sentinel-ssl-mode=DISABLED` (only the
 *   servers speak TLS)
 * @throws ConfigError that says what is wrong, never a part of the URL
 */
export function parseRedisUrl(url: string): RedisAddress {
  const [, secure, variant = ''] = SCHEME.exec(url) ?? [];
  const kinds = new Map<string, (typeof KINDS)[keyof typeof KINDS]>(Object.entries(KINDS));
  const form = secure === undefined ? undefined : kinds.get(`redis${variant}`);
  if (form === undefined) {
    throw new ConfigError(
      `begins with none of ${Object.keys(KINDS)
        .map((scheme) => `${scheme}://`)
        .join(', ')} (with TLS: rediss)`,
    );
  }
  const { user, password, hosts, path, parameters } = parseConnectionUrl(
    url,
    form.form,
    form.known,
  );
  if (user !== undefined && password === undefined)
    throw new ConfigError('names a user and no password');
  const nodes = hosts.map(({ host, port }) => ({ host, port: port ?? form.defaultPort }));
  const login = { user, password, tls: readTlsSettings(parameters, secure === 's' ? 'yes' : 'no') };
  if (form.kind === 'cluster') {
    if (path !== undefined && path !== '0')
      throw new ConfigError('names a database: a cluster has only 0');
    return { ...login, kind: 'cluster', nodes };
  }
  if (path !== undefined && !/^[0-9]{1,4}$/.test(path))
    throw new ConfigError(`is no URL of the form ${form.form}: databases have numbers`);
  const database = Number(path ?? 0);
  if (form.kind === 'sentinel') {
    const name = parameters.get('name');
    if (name === undefined)
      throw new ConfigError('needs the parameter name: what Sentinel calls the primary');
    return {
      ...login,
      kind: 'sentinel',
      sentinels: nodes,
      name,
      database,
      sentinelLogin: readSentinelLogin(parameters, login.tls),
    };
  }
  const [node, ...others] = nodes;
  if (node === undefined || others.length > 0) {
    throw new ConfigError(
      'names several hosts: say redis+sentinel:// or redis+cluster:// when that is what they are',
    );
  }
  return { ...login, kind: 'single', node, database };
}

function readSentinelLogin(
  parameters: ReadonlyMap<string, string>,
  tls: TlsSettings | undefined,
): Login {
  const mode = parameters.get('sentinel-ssl-mode');
  if (mode !== undefined && (mode.toUpperCase() !== 'DISABLED' || tls === undefined)) {
    throw new ConfigError(
      'has a sentinel-ssl-mode: it may be DISABLED, with rediss+sentinel://, and is the same as for the servers otherwise',
    );
  }
  const user = parameters.get('sentinel-user');
  const password = parameters.get('sentinel-password');
  if (user !== undefined && password === undefined)
    throw new ConfigError('has a sentinel-user and no sentinel-password');
  return { user, password, tls: mode === undefined ? tls : undefined };
}
