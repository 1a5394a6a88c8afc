import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';

import { createRedis, type RedisConnection } from '../../platform/redis.ts';
import {
  createCertificateAuthority,
  type CertificateAuthority,
  type CertificateFiles,
} from '../support/createCertificateAuthority.ts';
import { startRedisCluster, type RedisCluster } from '../support/startRedisCluster.ts';
import { startRedisSentinel, type SentinelGroup } from '../support/startRedisSentinel.ts';
import type { GroupTls } from '../support/tlsConfiguration.ts';
import { waitUntil } from '../support/waitUntil.ts';
import { startServices } from './startServices.ts';

const USER = 'shop';

/**
 * Real servers that speak TLS with us and with each other, and take nobody without a certificate.
 */
describe('Redis with Sentinel, and a Redis Cluster, that are reached by TLS', function () {
  this.timeout(180_000);

  let folder: string;
  let authority: CertificateAuthority;
  let other: CertificateAuthority;
  let client: CertificateFiles;
  let tls: GroupTls;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'msqpay-groups-tls-'));
    authority = createCertificateAuthority(folder, 'own');
    other = createCertificateAuthority(folder, 'other');
    client = authority.issue('client');
    tls = { ca: authority.ca, ...authority.issue('server', ['127.0.0.1']) };
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const parameters = (ca: CertificateAuthority) =>
    `ssl-ca=${encodeURIComponent(ca.ca)}&ssl-cert=${encodeURIComponent(client.cert)}&ssl-key=${encodeURIComponent(client.key)}`;
  const allow = (admin: RedisConnection, password: string) =>
    admin.acl('SETUSER', USER, 'on', `>${password}`, '~*', '&*', '+@all');
  /** @returns where the product's own connections to that server have come in */
  async function listOwn(admin: RedisConnection): Promise<string[]> {
    const lines = String(await admin.client('LIST')).split('\n');
    return lines
      .filter((line) => line.includes(`user=${USER} `))
      .map((line) => /laddr=(\S+)/.exec(line)?.[1] ?? '');
  }
  /** @returns why no connection comes about */
  async function refusal(url: string): Promise<string> {
    const redis = createRedis(url, 'subscriber');
    try {
      const error = await new Promise<Error>((resolve) => redis.once('error', resolve));
      expect(redis.status).not.to.equal('ready');
      return `${error.message} ${error.cause instanceof Error ? error.cause.message : ''}`;
    } finally {
      redis.on('error', () => undefined);
      redis.disconnect();
    }
  }

  describe('with Sentinel', () => {
    let group: SentinelGroup;
    let admins: RedisConnection[];

    before(async () => {
      group = await startRedisSentinel({ name: 'shop', tls });
      admins = group.servers.map(({ url }) => createRedis(url, 'worker'));
      for (const admin of admins) {
        admin.on('error', () => undefined);
        await allow(admin, group.password);
      }
    });
    after(async () => {
      for (const admin of admins) admin.disconnect();
      await group.close();
    });

    const urlWith = (ca: CertificateAuthority) =>
      `rediss+sentinel://${USER}:${group.password}@${group.hosts}/2?name=shop&sentinel-password=${group.password}&${parameters(ca)}`;

    it('carries everything by TLS alone, to servers and sentinels, also after a failover', async () => {
      const services = await startServices(urlWith(authority));
      try {
        await services.expectToWork();
        const primary = await group.findPrimary();
        expect(primary).to.equal(group.servers[0]);
        const own = await listOwn(admins[0]!);
        expect(own.length).to.be.above(6);
        expect(new Set(own)).to.deep.equal(new Set([`127.0.0.1:${group.portOf(primary)}`]));
        // Who asks the sentinels by TLS has none but this connection without it.
        const asking = String(await group.sentinel.client('LIST'))
          .split('\n')
          .filter(Boolean);
        expect(
          asking.filter((line) => line.includes(`laddr=127.0.0.1:${group.sentinels[0]!.port} `)),
        ).to.have.length(1);
        expect(
          asking.filter((line) =>
            line.includes(`laddr=127.0.0.1:${group.portOf(group.sentinels[0]!)} `),
          ),
        ).not.to.have.length(0);

        await primary.kill();
        await waitUntil(async () => (await group.findPrimary()) !== primary, {
          what: 'another primary',
          timeoutMs: 60_000,
        });
        await services.expectToWork();
        expect(new Set(await listOwn(admins[1]!))).to.deep.equal(
          new Set([`127.0.0.1:${group.portOf(group.servers[1]!)}`]),
        );
      } finally {
        await services.close();
      }
    });

    it('is not spoken to when its certificates are another authority’s', async () => {
      // What the sentinels' connections fail with ioredis keeps to itself.
      expect(await refusal(urlWith(other))).to.contain('All sentinels are unreachable');
    });
  });

  describe('as a Cluster', () => {
    let cluster: RedisCluster;

    before(async () => {
      cluster = await startRedisCluster({ nodeTimeoutMs: 30_000, tls });
      for (const admin of cluster.admins) await allow(admin, cluster.password);
    });
    after(() => cluster.close());

    const urlWith = (ca: CertificateAuthority) =>
      `rediss+cluster://${USER}:${cluster.password}@${cluster.hosts}?${parameters(ca)}`;

    it('carries everything by TLS alone, to every node', async () => {
      const services = await startServices(urlWith(authority));
      try {
        await services.expectToWork();
        for (const [index, admin] of cluster.admins.entries()) {
          const own = await listOwn(admin);
          expect(own.length, `node ${index}`).to.be.above(0);
          expect(new Set(own), `node ${index}`).to.deep.equal(
            new Set([`127.0.0.1:${cluster.ports[index]}`]),
          );
        }
      } finally {
        await services.close();
      }
    });

    it('is not spoken to when its certificates are another authority’s, and says so', async () => {
      expect(await refusal(urlWith(other))).to.match(/self-signed|unable to verify/);
    });
  });
});
