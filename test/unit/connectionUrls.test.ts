import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';

import { ConfigError } from '../../platform/ConfigError.ts';
import { parseDatabaseUrl } from '../../platform/databaseUrl.ts';
import { parseRedisUrl } from '../../platform/redisUrl.ts';
import { createCertificateAuthority } from '../support/createCertificateAuthority.ts';

describe('what DATABASE_URL and REDIS_URL may be', () => {
  const folder = mkdtempSync(join(tmpdir(), 'msqpay-urls-'));
  const authority = createCertificateAuthority(folder, 'own');
  const client = authority.issue('client');
  const other = authority.issue('other');
  const noPem = join(folder, 'no.pem');
  writeFileSync(noPem, 'hunter2');
  after(() => rmSync(folder, { recursive: true, force: true }));

  const plain = { user: undefined, password: undefined, tls: undefined };

  it('of the database: with and without port, user and name, an IPv6 address, anything percent-encoded', () => {
    const read = (url: string) => parseDatabaseUrl(url);
    expect(read('mysql://host')).to.deep.equal({
      ...plain,
      host: 'host',
      port: 3306,
      database: undefined,
    });
    expect(read('mysql://u@10.0.0.1:3307/shop')).to.deep.include({
      host: '10.0.0.1',
      port: 3307,
      user: 'u',
      database: 'shop',
    });
    expect(read('mysql://u:p@[fe80::1]:3307/shop')).to.deep.include({
      host: 'fe80::1',
      port: 3307,
    });
    expect(read('mysql://u%40x:p%3Ass%2F%3F%23%25@host/na%20me')).to.deep.include({
      user: 'u@x',
      password: 'p:ss/?#%',
      database: 'na me',
    });
    // Not encoded, and still with one reading only.
    expect(read('mysql://u:p:a@ss@host/shop')).to.deep.include({
      user: 'u',
      password: 'p:a@ss',
      host: 'host',
    });
  });

  it('of Redis: a server, sentinels, a cluster', () => {
    expect(parseRedisUrl('redis://[::1]')).to.deep.equal({
      ...plain,
      kind: 'single',
      node: { host: '::1', port: 6379 },
      database: 0,
    });
    expect(parseRedisUrl('redis://u%40x:p%2F@host:1/15')).to.deep.include({
      user: 'u@x',
      password: 'p/',
      database: 15,
    });
    expect(
      parseRedisUrl(
        'redis+sentinel://:p@one,[::1]:2/3?name=mymaster&sentinel-user=s&sentinel-password=a%26+b',
      ),
    ).to.deep.equal({
      kind: 'sentinel',
      user: undefined,
      password: 'p',
      tls: undefined,
      sentinels: [
        { host: 'one', port: 26_379 },
        { host: '::1', port: 2 },
      ],
      name: 'mymaster',
      database: 3,
      sentinelLogin: { user: 's', password: 'a&+b', tls: undefined },
    });
    expect(parseRedisUrl('redis+cluster://one:1,two')).to.deep.equal({
      ...plain,
      kind: 'cluster',
      nodes: [
        { host: 'one', port: 1 },
        { host: 'two', port: 6379 },
      ],
    });
  });

  it('with TLS verify who it is unless they say otherwise, and sentinels like the servers', () => {
    const verified = {
      ca: undefined,
      cert: undefined,
      key: undefined,
      verify: 'identity',
      serverName: undefined,
    };
    expect(parseRedisUrl('rediss://host').tls).to.deep.equal(verified);
    expect(parseRedisUrl('rediss+cluster://host').tls).to.deep.equal(verified);
    const both = parseRedisUrl('rediss+sentinel://host?name=m&ssl-mode=verify_ca');
    expect(both).to.deep.include({ tls: { ...verified, verify: 'ca' } });
    expect(both).to.have.nested.property('sentinelLogin.tls.verify', 'ca');
    expect(
      parseRedisUrl('rediss+sentinel://host?name=m&sentinel-ssl-mode=DISABLED'),
    ).to.have.nested.property('sentinelLogin.tls', undefined);

    expect(parseDatabaseUrl('mysql://host/x?ssl-mode=REQUIRED').tls).to.deep.include({
      verify: 'nothing',
    });
    expect(parseDatabaseUrl('mysql://host/x?ssl-mode=DISABLED').tls).to.equal(undefined);
    const tls = parseDatabaseUrl(
      `mysql://host/x?ssl-ca=${authority.ca}&ssl-cert=${client.cert}&ssl-key=${client.key}&ssl-server-name=db`,
    ).tls;
    expect(tls).to.deep.include({ verify: 'identity', serverName: 'db' });
    expect(tls?.ca).to.match(/^-----BEGIN CERTIFICATE/);
    expect(tls?.key).to.match(/^-----BEGIN RSA PRIVATE KEY/);
  });

  const files = (cert: string, key: string) => `ssl-cert=${cert}&ssl-key=${key}`;
  const refused: readonly (readonly [url: string, says: string])[] = [
    ['mysql://u:hunter2@host/x?ssl=true', 'ssl-mode'],
    ['mysql://u:hunter2@host/x?sslmode=require', 'ssl-mode'],
    ['mysql://u:hunter2@host/x?charset=utf8', 'means nothing here'],
    ['mysql://u:hunter2@host/x?ssl-mode=PREFERRED', 'none of DISABLED, REQUIRED'],
    ['mysql://u:hunter2@host/x?ssl-mode=REQUIRED&ssl-mode=DISABLED', 'twice'],
    ['mysql://u:hunter2@host/x?ssl-ca=', 'without a value'],
    ['mysql://u:hunter2@host/x?ssl-ca=/nowhere/ca.pem', 'ssl-ca that cannot be read (ENOENT)'],
    [`mysql://u:hunter2@host/x?ssl-ca=${noPem}`, 'no PEM file'],
    [`mysql://u:hunter2@host/x?ssl-cert=${client.cert}`, 'both of ssl-cert and ssl-key'],
    [`mysql://u:hunter2@host/x?${files(client.cert, other.key)}`, 'do not belong together'],
    [`mysql://u:hunter2@host/x?ssl-mode=REQUIRED&ssl-ca=${authority.ca}`, 'does not look at'],
    [`mysql://u:hunter2@host/x?ssl-mode=DISABLED&ssl-ca=${authority.ca}`, 'ssl-mode=DISABLED'],
    ['mysql://u:hunter2@one,two/x', 'of the form mysql://'],
    ['mysql://u:hunter2@host:0/x', 'of the form mysql://'],
    ['mysql://u:hunter2@host:99999/x', 'of the form mysql://'],
    ['mysql://u:hunter2@[::1/x', 'of the form mysql://'],
    ['mysql://u:hunter2@/x', 'of the form mysql://'],
    ['mysql://u:hunter2%@host/x', 'percent-encode'],
    // A password that is not encoded, and ends the authority early.
    ['mysql://u:1/hunter2@host/x', 'percent-encode'],
    ['mysql://u:1?hunter2@host/x', 'percent-encode'],
    ['mysql://u:1#hunter2@host/x', 'percent-encode'],
    ['mysql://u:1?hunter2=x', 'means nothing here'],
    ['postgres://u:hunter2@host/x', 'of the form mysql://'],
    ['http://:hunter2@host', 'redis+sentinel://'],
    ['redis+other://:hunter2@host', 'redis+sentinel://'],
    ['redis://u:hunter2@host?db=1', 'means nothing here'],
    ['redis://u:hunter2@host?tls=true', 'ssl-mode'],
    ['redis://u:hunter2@host?ssl-mode=REQUIRED', 'a scheme without TLS'],
    ['rediss://u:hunter2@host?ssl-mode=DISABLED', 'none of REQUIRED'],
    ['redis://hunter2@host', 'a user and no password'],
    ['redis://:hunter2@host/one', 'databases have numbers'],
    ['redis://:hunter2@one,two', 'several hosts'],
    ['redis://:hunter2@host?name=mymaster', 'means nothing here'],
    ['redis+sentinel://:hunter2@host', 'parameter name'],
    ['redis+sentinel://:hunter2@host?name=m&sentinel-user=s', 'no sentinel-password'],
    ['redis+sentinel://:hunter2@host?name=m&sentinel-ssl-mode=DISABLED', 'sentinel-ssl-mode'],
    ['redis+cluster://:hunter2@host/1', 'a cluster has only 0'],
  ];
  for (const [url, says] of refused) {
    it(`may not be ${url.replaceAll('hunter2', '…').replaceAll(folder, '')}, and that is said without the password`, () => {
      const parse = () =>
        /^(?:http|redis)/.test(url) ? parseRedisUrl(url) : parseDatabaseUrl(url);
      expect(parse).to.throw(ConfigError, says).with.property('message').not.contain('hunter2');
    });
  }
});
