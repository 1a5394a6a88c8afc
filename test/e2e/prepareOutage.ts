import { expect } from 'chai';

import type { EngineControl } from '../../dev/startStack.ts';
import { createRandom, type Random } from '../support/createRandom.ts';
import { prepareFlow, randomPause } from '../support/flow.ts';
import { createHarness, type Harness } from '../support/harness.ts';
import { createServerProcess, type ServerProcess } from '../support/serverProcess.ts';
import { createStoreClient, type StoreClient } from '../support/storeClient.ts';

const PAYMENTS = 30;
const PATIENCE_MS = 60_000;
const SEED = 1;

/** Payments about to be made, by one API and one workers process that are not restarted for an outage, and of which none may end. */
export interface Outage {
  readonly harness: Harness;
  readonly api: ServerProcess;
  readonly workers: ServerProcess;
  readonly client: StoreClient;
  readonly random: Random;
  /** The payments flow for some five seconds. */
  startPaying(): Promise<void>;
  expectAllEndedWell(): Promise<void>;
  close(): Promise<void>;
}

export async function prepareOutage(): Promise<Outage> {
  const random = createRandom(SEED);
  const harness = await createHarness({
    // A send whose outcome could not be saved is waited for twice as long.
    env: { MSQPAY_WEBHOOK_SCHEDULE_SECONDS: '0,1,2,3,5,5,5', MSQPAY_RELAY_TIMEOUT_MS: '1500' },
  });
  const store = await harness.createTestStore();
  const api = await createServerProcess(harness, 'api');
  const workers = await createServerProcess(harness, 'workers');
  await Promise.all([api.start(), workers.start()]);
  const client = createStoreClient({ url: api.url, apiKey: store.apiKey, patienceMs: () => PATIENCE_MS });
  const flow = await prepareFlow(harness, store, client, PAYMENTS);
  return {
    harness,
    api,
    workers,
    client,
    random,
    startPaying: () => flow.run(client, { atOnce: 6, pauseMs: randomPause(random, 300, 1_500) }),
    async expectAllEndedWell() {
      await flow.waitForEnd(120_000);
      await flow.expectExactlyOnce();
      for (const server of [api, workers]) expect(server.isRunning(), `${server.name}:\n${server.logTail()}`).to.equal(true);
    },
    async close() {
      await api.close();
      await workers.close();
      await flow.close();
      await harness.close();
    },
  };
}

export function requireControl(control: EngineControl | undefined, name: string, variable: string): EngineControl {
  if (control === undefined) throw new Error(`this test kills ${name}, so it needs one of its own: run it without ${variable}`);
  return control;
}
