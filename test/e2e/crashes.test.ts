import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';

import type { FaultKind } from '../../simulators/defender/faults.ts';
import { createRandom, type Random } from '../support/createRandom.ts';
import { prepareFlow, randomPause, type Flow } from '../support/flow.ts';
import { createHarness, type Harness } from '../support/harness.ts';
import { createServerProcess, type ServerProcess } from '../support/serverProcess.ts';
import { createStoreClient, type StoreClient } from '../support/storeClient.ts';

const PAYMENTS = 100;
const PATIENCE_MS = 60_000;
/** Answers of a relayer after which nobody can know whether it took the transaction. */
const AMBIGUOUS: readonly FaultKind[] = [
  'serverErrorAfterSend',
  'resetAfterSend',
  'timeoutAfterSend',
  'resetBeforeSend',
  'timeoutBeforeSend',
];
const SEND_LATENCY_MS = 600;
/** CHAOS_SEED repeats the choices of an earlier run, as far as time allows. */
const SEED = Number(process.env['CHAOS_SEED'] ?? randomInt(2 ** 31));

describe(`crashes (CHAOS_SEED=${SEED})`, function () {
  this.timeout(300_000);

  let harness: Harness;
  let servers: ServerProcess[] = [];
  let flow: Flow;
  let client: StoreClient;

  before(async () => {
    harness = await createHarness({
      env: {
        MSQPAY_OUTBOX_REDRIVE_MS: '2000',
        // Whoever was killed while it sent is waited for twice as long.
        MSQPAY_RELAY_TIMEOUT_MS: '1500',
        MSQPAY_WEBHOOK_SCHEDULE_SECONDS: '0,1,2,3,5,5,5,5,5',
        MSQPAY_WEBHOOK_TIMEOUT_MS: '1000',
      },
    });
    const store = await harness.createTestStore();
    const api = await createServerProcess(harness, 'api');
    servers = [
      api,
      await createServerProcess(harness, 'workers'),
      await createServerProcess(harness, 'workers'),
    ];
    await Promise.all(servers.map((server) => server.start()));
    client = createStoreClient({
      url: api.url,
      apiKey: store.apiKey,
      patienceMs: () => PATIENCE_MS,
    });
    flow = await prepareFlow(harness, store, client, PAYMENTS);
  });
  after(async () => {
    for (const server of servers) await server.close();
    harness.stack.simulator.clearFaults();
    await flow.close();
    await harness.close();
  });

  it(`lose no payment and do nothing twice, though every process is killed again and again while ${PAYMENTS} payments are on their way`, async () => {
    const random = createRandom(SEED);
    try {
      await runThroughCrashes(random);
    } catch (error) {
      throw new Error(
        `with CHAOS_SEED=${SEED}: ${error instanceof Error ? error.message : String(error)}`,
        { cause: error },
      );
    }
  });

  async function runThroughCrashes(random: Random): Promise<void> {
    for (let count = 0; count < 5; count++)
      harness.stack.simulator.setFault({ kind: random.pick(AMBIGUOUS) });
    // So long that a good part of the crashes falls between a send and its answer.
    harness.stack.simulator.setFault({
      kind: 'latencyMs',
      operation: 'sendTransaction',
      count: -1,
      delayMs: SEND_LATENCY_MS,
    });
    const receiver = createRandom(random.between(0, 2 ** 31));
    flow.storeServer.answerWith(() =>
      receiver.next() < 0.1 ? receiver.pick([500, 503, 'none'] as const) : 204,
    );

    const flowing = new AbortController();
    const kills = servers.map(() => 0);
    async function killAgainAndAgain(server: ServerProcess, index: number): Promise<void> {
      const moments = createRandom(random.between(0, 2 ** 31));
      // At least twice each, whatever the machine's speed; and on a slow one, where a start takes
      // long, not for ever.
      while (kills[index]! < 2 || (!flowing.signal.aborted && kills[index]! < 5)) {
        await sleep(moments.between(200, 5_000));
        if (!server.isRunning())
          throw new Error(`${server.name} ended by itself:\n${server.logTail()}`);
        expect(await server.kill('SIGKILL')).to.deep.equal({ code: null, signal: 'SIGKILL' });
        kills[index]! += 1;
        await server.start();
      }
    }
    const killing = servers.map(killAgainAndAgain);
    const paying = flow
      .run(client, { atOnce: 10, pauseMs: randomPause(random, 0, 2_000) })
      .finally(() => flowing.abort());
    try {
      await Promise.all([paying, ...killing]);
    } finally {
      // Nobody starts a process any more once the test is over.
      flowing.abort();
      await Promise.allSettled(killing);
    }
    expect(client.answers.get('no answer'), 'the store met crashes').to.be.greaterThan(0);

    await flow.waitForEnd(120_000);
    await flow.expectExactlyOnce();
    for (const server of servers) expect(server.isRunning(), server.logTail()).to.equal(true);
  }
});
