import { mkdtempSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';

import { findFreePort } from '../../dev/freePort.ts';
import { startRedis, type RedisServer } from '../../dev/redis.ts';
import { createRedis } from '../../platform/redis.ts';
import { startTestApi } from '../api/startTestApi.ts';
import {
  createCertificateAuthority,
  type CertificateAuthority,
  type CertificateFiles,
} from '../support/createCertificateAuthority.ts';
import { runWorkers } from '../support/runWorkers.ts';
import { startStoreServer } from '../support/storeServer.ts';
import { createTcpSwitch } from '../support/tcpSwitch.ts';
import { waitUntil } from '../support/waitUntil.ts';

const HAS_IPV6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === '::1'),
);
const PASSWORD = 'p:ss/w?rd#1 @%&ä';

describe('a Redis that is reached by TLS', function () {
  this.timeout(120_000);

  let folder: string;
  let server: RedisServer;
  let tlsPort: number;
  let authority: CertificateAuthority;
  let other: CertificateAuthority;
  let client: CertificateFiles;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'msqpay-redis-tls-'));
    authority = createCertificateAuthority(join(folder, 'tls'), 'own');
    other = createCertificateAuthority(join(folder, 'tls'), 'other');
    client = authority.issue('client');
    const { cert, key } = authority.issue('server', ['redis.internal', '127.0.0.1', '::1']);
    tlsPort = await findFreePort();
    server = await startRedis({
      dataDir: join(folder, 'redis'),
      logPath: join(folder, 'redis.log'),
      // Whoever connects by TLS has to have a certificate.
      configuration: [
        `tls-port ${tlsPort}`,
        `tls-cert-file ${cert}`,
        `tls-key-file ${key}`,
        `tls-ca-cert-file ${authority.ca}`,
        'tls-auth-clients yes',
      ],
    });
    const admin = createRedis(server.url, 'worker');
    await admin.acl('SETUSER', 'shop@user:1', 'on', `>${PASSWORD}`, '~*', '&*', '+@all');
    admin.disconnect();
  });
  after(async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const pair = () => ({ 'ssl-cert': client.cert, 'ssl-key': client.key });
  const ownCa = () => ({ 'ssl-ca': authority.ca });
  function urlOf(
    parameters: Readonly<Record<string, string>>,
    host = '127.0.0.1',
    port = tlsPort,
  ): string {
    const search = Object.entries(parameters).map(
      ([name, value]) => `${name}=${encodeURIComponent(value)}`,
    );
    return `rediss://shop%40user%3A1:${encodeURIComponent(PASSWORD)}@${host}:${port}/5?${search.join('&')}`;
  }

  /** @returns what Redis says of the connection; rejects with the first error of it */
  async function connect(url: string): Promise<string> {
    const redis = createRedis(url, 'subscriber');
    try {
      return await new Promise((resolve, reject) => {
        redis.once('error', reject);
        redis.client('INFO').then((info) => resolve(String(info)), reject);
      });
    } finally {
      redis.on('error', () => undefined);
      redis.disconnect();
    }
  }
  async function refusal(url: string): Promise<string> {
    const error: unknown = await connect(url).catch((reason: unknown) => reason);
    if (!(error instanceof Error)) throw new Error('the connection was made');
    expect(error.message).not.to.contain(PASSWORD).and.not.to.contain(encodeURIComponent(PASSWORD));
    return error.message;
  }

  it('is asked in the database and as the user that the URL names, with a certificate of our own', async () => {
    expect(await connect(urlOf({ ...ownCa(), ...pair() })))
      .to.contain(' db=5 ')
      .and.to.contain('user=shop@user:1');
    expect(await refusal(urlOf(ownCa()))).to.match(
      /certificate required|handshake|ECONNRESET|closed/i,
    );
  });

  it('is verified as the mode says: the authority, the name, the address', async () => {
    expect(await connect(urlOf({ 'ssl-mode': 'REQUIRED', ...pair() }))).to.contain('user=');
    for (const mode of ['VERIFY_CA', 'VERIFY_IDENTITY']) {
      expect(
        await refusal(urlOf({ 'ssl-mode': mode, 'ssl-ca': other.ca, ...pair() })),
        mode,
      ).to.match(/self-signed|unable to verify/);
      expect(await connect(urlOf({ 'ssl-mode': mode, ...ownCa(), ...pair() })), mode).to.contain(
        'user=',
      );
    }
    const verified = { ...ownCa(), ...pair() };
    expect(await connect(urlOf({ 'ssl-mode': 'VERIFY_CA', ...verified }, 'localhost'))).to.contain(
      'user=',
    );
    expect(await refusal(urlOf(verified, 'localhost'))).to.contain('does not match');
    expect(
      await connect(urlOf({ ...verified, 'ssl-server-name': 'redis.internal' }, 'localhost')),
    ).to.contain('user=');
    for (const name of ['redis2.internal', '127.0.0.2']) {
      expect(await refusal(urlOf({ ...verified, 'ssl-server-name': name })), name).to.contain(
        'does not match',
      );
    }
  });

  if (HAS_IPV6) {
    it('is reached by its IPv6 address', async () => {
      const address = await createTcpSwitch(tlsPort, '::1');
      try {
        expect(await connect(urlOf({ ...ownCa(), ...pair() }, '[::1]', address.port))).to.contain(
          'user=',
        );
      } finally {
        await address.close();
      }
    });
  }

  it('carries everything: jobs, hints, limits, readiness, by TLS alone', async () => {
    const api = await startTestApi({
      env: {
        REDIS_URL: urlOf({ ...ownCa(), ...pair() }),
        MSQPAY_RATE_LIMIT_PER_MINUTE: '100',
        MSQPAY_WEBHOOK_ALLOW_PRIVATE_NETWORKS: 'true',
      },
    });
    const workers = await runWorkers(api, ['webhook', 'expire', 'maintenance']);
    const store = await startStoreServer();
    const admin = createRedis(server.url, 'worker');
    try {
      const endpoint = await api.call('/webhook-endpoints', { json: { url: store.url } });
      store.trust(((await endpoint.json()) as { secret: string }).secret);
      const { paymentId } = await api.createPayment();
      await waitUntil(() => store.ofPayment(paymentId).length > 0, {
        what: 'the webhook',
        timeoutMs: 15_000,
      });
      // What Redis does not answer within a quarter of a second is let through uncounted.
      await waitUntil(
        async () => /r=\d+/.test((await api.call('/tokens')).headers.get('ratelimit') ?? ''),
        { what: 'limits' },
      );
      const readiness = (await (await fetch(`${api.url}/readyz`)).json()) as {
        dependencies: { name: string; status: string }[];
      };
      expect(readiness.dependencies.find(({ name }) => name === 'redis')?.status).to.equal('up');

      const connections = String(await admin.client('LIST'))
        .trim()
        .split('\n')
        .filter((line) => line.includes('user=shop@user:1'));
      // Of the API and of the workers: commands, producers, hints, consumers.
      expect(connections.length).to.be.above(6);
      for (const connection of connections)
        expect(connection).to.contain(`laddr=127.0.0.1:${tlsPort}`).and.to.contain(' db=5 ');
    } finally {
      admin.disconnect();
      await workers.stop(1_000);
      await api.close();
      await store.close();
    }
  });
});
