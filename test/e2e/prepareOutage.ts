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

/**
 * One API and one workers process, which go on through every outage of a file: none of them is
 * restarted for one, and none may end.
 */
export interface Installation {
  readonly harness: Harness;
  readonly api: ServerProcess;
  readonly workers: ServerProcess;
  close(): Promise<void>;
}

/** Payments about to be made, of a store of their own. */
export interface Outage {
  readonly client: StoreClient;
  readonly random: Random;
  /** The payments flow for some five seconds. */
  startPaying(): Promise<void>;
  expectAllEndedWell(): Promise<void>;
  close(): Promise<void>;
}

export async function startInstallation(): Promise<Installation> {
  const harness = await createHarness({
    // A send whose outcome could not be saved is waited for twice as long.
    env: { MSQPAY_WEBHOOK_SCHEDULE_SECONDS: '0,1,2,3,5,5,5', MSQPAY_RELAY_TIMEOUT_MS: '1500' },
  });
  const api = await createServerProcess(harness, 'api');
  const workers = await createServerProcess(harness, 'workers');
  return {
    harness,
    api,
    workers,
    async close() {
      await api.close();
      await workers.close();
      await harness.close();
    },
  };
}

export async function prepareOutage({ harness, api, workers }: Installation): Promise<Outage> {
  // Those that a test before has left dead are started again: what it met says nothing of this one.
  await Promise.all(
    [api, workers].filter((server) => !server.isRunning()).map((server) => server.start()),
  );
  const random = createRandom(SEED);
  const store = await harness.createTestStore();
  const client = createStoreClient({
    url: api.url,
    apiKey: store.apiKey,
    patienceMs: () => PATIENCE_MS,
  });
  const flow = await prepareFlow(harness, store, client, PAYMENTS);
  return {
    client,
    random,
    startPaying: () => flow.run(client, { atOnce: 6, pauseMs: randomPause(random, 300, 1_500) }),
    async expectAllEndedWell() {
      await flow.waitForEnd(120_000);
      await flow.expectExactlyOnce();
      for (const server of [api, workers])
        expect(server.isRunning(), `${server.name}:\n${server.logTail()}`).to.equal(true);
    },
    close: () => flow.close(),
  };
}

export function requireControl(
  control: EngineControl | undefined,
  name: string,
  variable: string,
): EngineControl {
  if (control === undefined)
    throw new Error(
      `this test kills ${name}, so it needs one of its own: run it without ${variable}`,
    );
  return control;
}
