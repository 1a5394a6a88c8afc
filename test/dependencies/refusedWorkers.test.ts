import dns, { type LookupAddress } from 'node:dns';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { pino } from 'pino';
import sinon from 'sinon';

import { findFreePort } from '../../dev/freePort.ts';
import { createRedis, type RedisConnection } from '../../platform/redis.ts';
import { keepWorker } from '../../workers/keepWorker.ts';
import { bulk, startFakeRedis, type FakeRedis } from '../support/startFakeRedis.ts';
import { waitUntil } from '../support/waitUntil.ts';

/** The number of keys tells BullMQ's script that hands out jobs from its others. */
const HANDS_OUT_JOBS = '11';
const NO_JOB = '*4\r\n$-1\r\n$1\r\n0\r\n:0\r\n:0\r\n';
const JOB_FIELDS = { name: 'any', data: '{}', opts: '{}', timestamp: '1', attemptsMade: '0' };
const ONE_JOB = `*4\r\n*${2 * Object.keys(JOB_FIELDS).length}\r\n${Object.entries(JOB_FIELDS).flat().map(bulk).join('')}${bulk('1-1')}:0\r\n:0\r\n`;

/** What the worker of a queue does while Redis does not let it. */
describe('a worker', function () {
  this.timeout(40_000);

  let server: FakeRedis | undefined;
  let connection: RedisConnection | undefined;
  let worker: { close(): Promise<void> } | undefined;
  let warnings: string[];
  /** Lets the job of a test end. */
  let end: () => void = () => undefined;

  beforeEach(() => {
    warnings = [];
  });
  afterEach(async () => {
    sinon.restore();
    end();
    await worker?.close();
    connection?.disconnect();
    await server?.close();
    server = connection = worker = undefined;
  });

  /**
   * As of when it was begun, in seconds. What comes once a second comes no more often on a busy
   * machine, but may come later.
   */
  function startStopwatch(): () => number {
    const startedAt = performance.now();
    return () => (performance.now() - startedAt) / 1_000;
  }

  function start(
    url: string,
    work: () => Promise<void> = () => Promise.resolve(),
    concurrency = 1,
  ): { close(): Promise<void> } {
    const log = pino({ level: 'warn' }, { write: (line: string) => void warnings.push(line) });
    connection = createRedis(url, 'worker');
    connection.on('error', () => undefined);
    worker = keepWorker({ log }, 'any', work, { connection, concurrency });
    return worker;
  }

  it('that is refused a job asks again now and then, and says so once', async () => {
    let scripts = 0;
    server = await startFakeRedis(([name = '']) => {
      if (!/^eval/i.test(name)) return undefined;
      scripts += 1;
      return "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
    });
    const seconds = startStopwatch();
    start(server.url);
    await waitUntil(() => scripts >= 3, { what: 'more than the first scripts' });
    await sleep(3_000);
    // Once a second for a job, each time twice when the script is not known, and once for stalled
    // ones.
    expect(scripts).to.be.at.most(3 + 4 * seconds());
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.include('Redis refuses');
  });

  it('that is refused to wait for a job asks again now and then, says so once, and goes on', async () => {
    let isRefusing = true;
    let waits = 0;
    let fetchedAfter = 0;
    server = await startFakeRedis(([name = '', , keys]) => {
      const command = name.toLowerCase();
      if (command === 'bzpopmin') {
        if (!isRefusing) return sleep(500, '*-1\r\n');
        waits += 1;
        return '-NOREPLICAS Not enough good replicas to write.\r\n';
      }
      if (!command.startsWith('eval')) return undefined;
      if (keys !== HANDS_OUT_JOBS) return '*0\r\n';
      if (!isRefusing) fetchedAfter += 1;
      return NO_JOB;
    });
    const seconds = startStopwatch();
    start(server.url);
    await waitUntil(() => waits >= 2, { what: 'the second refusal' });
    await sleep(3_000);
    expect(waits).to.be.at.most(2 + seconds());
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.include('Redis refuses');
    isRefusing = false;
    await waitUntil(() => fetchedAfter > 0, { what: 'a job to be asked for' });
  });

  it('that is refused what it asks first leaves others their time, and works once it is told', async () => {
    let isRefusing = true;
    let refused = 0;
    let fetched = 0;
    const asked = new Map<number, number>();
    server = await startFakeRedis(([name = '', , keys], { number }) => {
      const command = name.toLowerCase();
      if (command === 'info') {
        // The client itself asks once for each connection, when it is made.
        asked.set(number, (asked.get(number) ?? 0) + 1);
        if (!isRefusing || asked.get(number) === 1) return undefined;
        refused += 1;
        return "-NOPERM User msqpay has no permissions to run the 'info' command\r\n";
      }
      if (command === 'bzpopmin') return sleep(500, '*-1\r\n');
      if (!command.startsWith('eval')) return undefined;
      if (keys !== HANDS_OUT_JOBS) return '*0\r\n';
      fetched += 1;
      return NO_JOB;
    });
    const seconds = startStopwatch();
    start(server.url);
    await waitUntil(() => refused >= 2, { what: 'the second refusal' });
    await sleep(2_500);
    // Each of its two connections, once a second.
    expect(refused).to.be.at.most(4 + 3 * seconds());
    expect(fetched).to.equal(0);
    expect(warnings).to.have.length(1);
    isRefusing = false;
    await waitUntil(() => fetched > 0, { what: 'a job to be asked for' });
  });

  it('that found no Redis when it began is closed at once', async () => {
    const { close } = start(`redis://127.0.0.1:${await findFreePort()}`);
    await sleep(300);
    expect(await Promise.race([close().then(() => 'closed'), sleep(5_000, 'open')])).to.equal(
      'closed',
    );
  });

  it('that has one of its two connections only is not closed before the job that it was handed has ended', async () => {
    let handedOut = 0;
    server = await startFakeRedis(([name = '', , keys], { number, socket }) => {
      if (number > 1) {
        socket.destroy();
        return undefined;
      }
      if (!/^eval/i.test(name)) return undefined;
      if (keys !== HANDS_OUT_JOBS) return '*0\r\n';
      handedOut += 1;
      return handedOut === 1 ? ONE_JOB : NO_JOB;
    });
    let hasBegun = false;

    const working = new Promise<void>((resolve) => (end = resolve));
    const { close } = start(server.url, () => {
      hasBegun = true;
      return working;
    });
    await waitUntil(() => hasBegun, { what: 'the job' });
    const closed = close().then(() => 'closed');
    try {
      expect(await Promise.race([closed, sleep(1_000, 'open')])).to.equal('open');
    } finally {
      end();
    }
    expect(await Promise.race([closed, sleep(5_000, 'open')])).to.equal('closed');
  });

  it('that has one of its two connections only, and is closed, takes no job when the other one comes', async () => {
    let isOpen = false;
    let asked = 0;
    let waits = 0;
    server = await startFakeRedis(([name = '', , keys], { number, socket }) => {
      if (number > 1 && !isOpen) {
        socket.destroy();
        return undefined;
      }
      if (name.toLowerCase() === 'bzpopmin') {
        waits += 1;
        return '*-1\r\n';
      }
      if (!/^eval/i.test(name)) return undefined;
      if (keys !== HANDS_OUT_JOBS) return '*0\r\n';
      asked += 1;
      return asked === 1 ? ONE_JOB : NO_JOB;
    });

    const working = new Promise<void>((resolve) => (end = resolve));
    const { close } = start(server.url, () => working, 2);
    let closed: Promise<string> | undefined;
    try {
      await waitUntil(() => asked > 1, { what: 'to be asked for a further job, in vain' });
      closed = close().then(() => 'closed');
      isOpen = true;
      await waitUntil(() => waits > 0, { what: 'the other connection' });
      await sleep(300);
      expect(asked).to.equal(2);
    } finally {
      end();
    }
    expect(await Promise.race([closed, sleep(5_000, 'open')])).to.equal('closed');
  });

  it('that has one of its two connections only is not closed before the answer that is under way, and the job that it brings', async () => {
    let asked = 0;
    let answer = (_reply: string): void => undefined;
    server = await startFakeRedis(([name = '', , keys], { number, socket }) => {
      if (number > 1) {
        socket.destroy();
        return undefined;
      }
      if (!/^eval/i.test(name)) return undefined;
      if (keys !== HANDS_OUT_JOBS) return '*0\r\n';
      asked += 1;
      return asked === 1 ? new Promise<string>((resolve) => (answer = resolve)) : NO_JOB;
    });
    let hasBegun = false;

    const working = new Promise<void>((resolve) => (end = resolve));
    const { close } = start(server.url, () => {
      hasBegun = true;
      return working;
    });
    await waitUntil(() => asked > 0, { what: 'to be asked for a job', everyMs: 10 });
    const closed = close().then(() => 'closed');
    await sleep(100);
    answer(ONE_JOB);
    try {
      await waitUntil(() => hasBegun, { what: 'the job', everyMs: 10 });
      expect(await Promise.race([closed, sleep(1_000, 'open')])).to.equal('open');
    } finally {
      end();
    }
    expect(await Promise.race([closed, sleep(5_000, 'open')])).to.equal('closed');
  });

  it('whose host is looked up in vain while it is closed is not closed before its job has ended', async () => {
    let isKnown = true;
    let lookups = 0;
    // As a name server that takes its time to say that there is no such name.
    const lookUp = (
      name: string,
      _options: unknown,
      done: (error: Error | null, addresses?: LookupAddress[]) => void,
    ): void => {
      lookups += 1;
      if (isKnown) done(null, [{ address: '127.0.0.1', family: 4 }]);
      else
        setTimeout(
          () =>
            done(
              Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), {
                syscall: 'getaddrinfo',
                code: 'ENOTFOUND',
              }),
            ),
          300,
        );
    };
    let blocking: Socket | undefined;
    let asked = 0;
    server = await startFakeRedis(([name = '', , keys], { socket }) => {
      if (name.toLowerCase() === 'bzpopmin') {
        blocking = socket;
        return new Promise<string>(() => undefined);
      }
      if (!/^eval/i.test(name)) return undefined;
      if (keys !== HANDS_OUT_JOBS) return '*0\r\n';
      asked += 1;
      return asked === 1 ? ONE_JOB : NO_JOB;
    });

    const working = new Promise<void>((resolve) => (end = resolve));
    sinon.stub(dns, 'lookup').callsFake(lookUp as unknown as typeof dns.lookup);
    const { close } = start(server.url.replace('127.0.0.1', 'redis.example'), () => working, 2);
    await waitUntil(() => blocking, { what: 'the wait for a further job' });
    isKnown = false;
    const before = lookups;
    blocking?.destroy();
    await waitUntil(() => lookups > before, { what: 'the look-up', everyMs: 5 });
    const closed = close().then(() => 'closed');
    try {
      expect(await Promise.race([closed, sleep(2_000, 'open')])).to.equal('open');
    } finally {
      end();
    }
    expect(await Promise.race([closed, sleep(5_000, 'open')])).to.equal('closed');
  });
});
