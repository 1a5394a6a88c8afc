import { fork, type ChildProcess } from 'node:child_process';
import dns, { type LookupAddress } from 'node:dns';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import {
  connect,
  getDefaultAutoSelectFamilyAttemptTimeout,
  setDefaultAutoSelectFamilyAttemptTimeout,
  type Socket,
} from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import sinon from 'sinon';

import { allowSlowConnections } from '../../platform/allowSlowConnections.ts';
import { createAddressLimits } from '../../platform/createAddressLimits.ts';
import { createDatabase, selectRows } from '../../platform/db.ts';
import { createLogger } from '../../platform/logger.ts';
import { PROJECT_ROOT } from '../../platform/projectRoot.ts';
import { createRedis } from '../../platform/redis.ts';
import { createCertificateAuthority } from '../support/createCertificateAuthority.ts';
import { getStack } from '../support/stack.ts';
import { bulk, startFakeRedis, type FakeRedis } from '../support/startFakeRedis.ts';
import { waitUntil } from '../support/waitUntil.ts';

const NAME = 'many.example';
const GOOD = '127.0.0.1';
/** Nothing that is sent there is answered, as of machines that are gone. */
const DEAD = ['127.0.0.2', '127.0.0.3'];
/** Of a connection that is tried again and again in vain, several tries. */
const REACHED_WITHIN_MS = 20_000;

describe('a host whose first addresses are dead', function () {
  this.timeout(60_000);

  const attemptMs = getDefaultAutoSelectFamilyAttemptTimeout();
  let closers: (() => unknown)[];

  beforeEach(() => {
    closers = [];
    allowSlowConnections();
  });
  afterEach(async () => {
    sinon.restore();
    setDefaultAutoSelectFamilyAttemptTimeout(attemptMs);
    for (const close of closers.reverse()) await close();
  });

  /** Who asks for one address of the host is given the first. */
  function give(addresses: readonly string[]): void {
    sinon.restore();
    const lookUp = (
      name: string,
      { all = false }: { readonly all?: boolean },
      done: (error: Error | null, found: string | LookupAddress[], family?: number) => void,
    ): void => {
      expect(name).to.equal(NAME);
      if (all)
        done(
          null,
          addresses.map((address) => ({ address, family: 4 })),
        );
      else done(null, addresses[0]!, 4);
    };
    sinon.stub(dns, 'lookup').callsFake(lookUp as unknown as typeof dns.lookup);
  }

  /** They take no connection, and what knocks is dropped once a few have filled their queues. */
  async function dropAll(port: number): Promise<void> {
    for (const host of DEAD) {
      const dead: ChildProcess = fork(
        join(PROJECT_ROOT, 'test', 'support', 'receiverProcess.mjs'),
        [host, String(port)],
        {
          stdio: 'ignore',
        },
      );
      closers.push(async () => {
        dead.kill('SIGKILL');
        await once(dead, 'exit');
      });
      await once(dead, 'message');
      dead.kill('SIGSTOP');
      const waiting: Socket[] = Array.from({ length: 4 }, () =>
        connect(port, host).on('error', () => undefined),
      );
      closers.push(() => waiting.forEach((socket) => socket.destroy()));
    }
    await sleep(100);
  }

  async function serve(
    tls?: Parameters<typeof startFakeRedis>[1],
  ): Promise<FakeRedis & { readonly port: number }> {
    const server = await startFakeRedis(([name = '', what = '']) => {
      const own = `${bulk(GOOD)}:${port}\r\n`;
      switch (`${name} ${what}`.toLowerCase()) {
        case 'cluster slots':
          return `*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n${own}`;
        case 'sentinel get-master-addr-by-name':
          return `*2\r\n${bulk(GOOD)}${bulk(String(port))}`;
        case 'sentinel sentinels':
          return '*0\r\n';
        default:
          return undefined;
      }
    }, tls);
    const port = Number(new URL(server.url).port);
    closers.push(() => server.close());
    await dropAll(port);
    return { ...server, port };
  }

  async function expectReached(url: string): Promise<void> {
    const redis = createRedis(url, 'worker');
    redis.on('error', () => undefined);
    try {
      await waitUntil(() => redis.status === 'ready', {
        what: 'the connection',
        timeoutMs: REACHED_WITHIN_MS,
      });
    } finally {
      redis.disconnect();
    }
  }

  it('is reached where Redis is one server', async () => {
    const { port } = await serve();
    give([...DEAD, GOOD]);
    await expectReached(`redis://${NAME}:${port}`);
  });

  it('is reached where a sentinel is asked', async () => {
    const { port } = await serve();
    give([DEAD[0]!, GOOD]);
    await expectReached(`redis+sentinel://${NAME}:${port}/0?name=shop`);
  });

  it('is reached where it names a cluster', async () => {
    const { port } = await serve();
    give([...DEAD, GOOD]);
    await expectReached(`redis+cluster://${NAME}:${port}`);
  });

  it('is reached by TLS, a cluster too', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'msqpay-addresses-'));
    closers.push(() => rmSync(folder, { recursive: true, force: true }));
    const authority = createCertificateAuthority(folder, 'own');
    const { cert, key } = authority.issue('server', [NAME, GOOD]);
    const { port } = await serve({ cert: readFileSync(cert), key: readFileSync(key) });
    for (const kind of ['', '+cluster']) {
      give(kind === '' ? [...DEAD, GOOD] : [DEAD[0]!, GOOD]);
      await expectReached(
        `rediss${kind}://${NAME}:${port}?ssl-ca=${encodeURIComponent(authority.ca)}`,
      );
    }
  });

  it('is reached where it is the database', async () => {
    const url = new URL(await (await getStack()).createDatabase('addresses'));
    const { address } = await dns.promises.lookup(url.hostname, { family: 4 });
    await dropAll(Number(url.port));
    give([...DEAD, address]);
    url.hostname = NAME;
    const db = createDatabase(
      url.href,
      1,
      createLogger({ log: { level: 'silent', pretty: false } }, 'test'),
    );
    closers.push(() => db.destroy());
    expect(await selectRows<{ one: number }>(db, 'SELECT 1 AS one')).to.have.length(1);
  });

  it('gives each of very many an equal part of the connection’s time, once they are known', async () => {
    give(Array.from({ length: 10 }, () => GOOD));
    const optionsFor = createAddressLimits(5_000);
    const { lookup, autoSelectFamilyAttemptTimeout: first } = optionsFor(NAME);
    await new Promise<void>((resolve) => lookup(NAME, { all: true }, () => resolve()));
    expect([
      first,
      optionsFor(NAME).autoSelectFamilyAttemptTimeout,
      optionsFor('other.example').autoSelectFamilyAttemptTimeout,
    ]).to.deep.equal([1_250, 500, 1_250]);
  });
});
