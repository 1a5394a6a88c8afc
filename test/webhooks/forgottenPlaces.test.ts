import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';

import { reportPlaces } from '../../domain/webhooks/places.ts';
import { recordEvents } from '../../domain/events/recordEvents.ts';
import { createWebhookEndpoint } from '../../domain/webhooks/service.ts';
import { selectRows } from '../../platform/db.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import { createHarness, type Harness } from '../support/harness.ts';
import { runWorkers, type RunningWorkers } from '../support/runWorkers.ts';
import { waitUntil } from '../support/waitUntil.ts';
import { newPaymentId } from './support.ts';

const PLACES = 16;
const PLACES_PER_ENDPOINT = 4;
const PROCESSES = 2;
const ENDPOINTS = 5;
/** By their turns alone those of a silent endpoint take two minutes. */
const EVENTS = 60;

describe('webhooks: places that Redis has forgotten', function () {
  this.timeout(120_000);

  let harness: Harness;
  let receiver: Awaited<ReturnType<typeof startReceiver>>;
  const workers: RunningWorkers[] = [];

  before(async () => {
    harness = await createHarness({
      env: {
        MSQPAY_WEBHOOK_PLACES: String(PLACES),
        MSQPAY_WEBHOOK_PLACES_PER_ENDPOINT: String(PLACES_PER_ENDPOINT),
        MSQPAY_WEBHOOK_SCHEDULE_SECONDS: '0,1,2,4,8,16,32',
      },
    });
    receiver = await startReceiver();
  });
  after(async () => {
    await receiver.close();
    await Promise.all(workers.splice(0).map((running) => running.stop(0)));
    await harness.close();
  });

  /**
   * All that this installation has in Redis: the queues’ jobs as well. A Redis that begins anew
   * knows no scripts either.
   */
  async function wipe(): Promise<void> {
    const { redis } = harness.ctx;
    if ('nodes' in redis) throw new Error('the tests’ Redis is a single server');
    const name = harness.config.queuePrefix.replace(/[{}]/g, '');
    const keys = await redis.keys(`*${name}*`);
    if (keys.length > 0) await redis.del(...keys);
    await redis.script('FLUSH');
  }

  async function openStore(path: string): Promise<void> {
    const { storeId } = await harness.createTestStore();
    for (let index = 0; index < ENDPOINTS; index++) {
      await createWebhookEndpoint(harness.ctx, {
        storeId,
        url: `${receiver.url}${path}/${index}`,
        eventTypes: null,
      });
    }
    const event = () => ({
      storeId,
      type: 'payment.created' as const,
      subject: { type: 'payment' as const, id: newPaymentId() },
      version: 1,
      data: { paymentId: '0x1' },
    });
    await inUnitOfWork(harness.ctx, (unit) =>
      recordEvents(harness.ctx, unit, Array.from({ length: EVENTS }, event)),
    );
  }

  it('are taken anew: few are too many for a moment, and nobody waits for ever', async () => {
    await openStore('silent');
    await openStore('quick');
    for (let index = 0; index < PROCESSES; index++)
      workers.push(await runWorkers(harness, ['webhook']));
    for (const from of [20, 60, 100]) {
      await waitUntil(() => receiver.count('quick') >= from, { what: `${from} webhooks` });
      await wipe();
      await waitUntil(async () => (await reportPlaces(harness.ctx)).limit === PROCESSES * PLACES, {
        what: 'the processes',
      });
    }
    await sleep(1_000);
    await wipe();
    receiver.answer();
    const open = () => selectRows(harness.ctx.db, "SELECT id FROM outbox WHERE queue = 'webhook'");
    await waitUntil(async () => (await open()).length === 0, {
      what: 'the end of all deliveries',
      timeoutMs: 60_000,
    });
    const statuses = await selectRows(
      harness.ctx.db,
      'SELECT status, COUNT(*) AS count FROM webhook_deliveries GROUP BY status',
    );
    expect(statuses).to.deep.equal([
      { status: 'succeeded', count: String(2 * ENDPOINTS * EVENTS) },
    ]);
    expect(receiver.mostOpen(), 'what the processes have jobs for').to.be.at.most(
      PROCESSES * PLACES,
    );
    expect(receiver.mostOpenOfPath(), 'those of before and after').to.be.at.most(
      2 * PLACES_PER_ENDPOINT,
    );
    const isOver = async () => {
      const { byStore, waitingStores } = await reportPlaces(harness.ctx);
      return byStore.size === 0 && Object.values(waitingStores).every((count) => count === 0);
    };
    await waitUntil(isOver, { what: 'places and lines to be empty' });
  });
});

/** `/silent/…` keeps silent until it is told to answer. */
async function startReceiver() {
  const counts = new Map<string, number>();
  const open = new Map<string, number>();
  let isAnswering = false;
  let mostOpen = 0;
  let mostOpenOfPath = 0;
  const add = (map: Map<string, number>, key: string, by: number) =>
    map.set(key, (map.get(key) ?? 0) + by);
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    const kind = path.split('/')[1] ?? '';
    add(counts, kind, 1);
    add(open, path, 1);
    mostOpen = Math.max(
      mostOpen,
      [...open.values()].reduce((sum, one) => sum + one, 0),
    );
    mostOpenOfPath = Math.max(mostOpenOfPath, open.get(path) ?? 0);
    response.on('close', () => add(open, path, -1));
    request.resume();
    if (isAnswering || kind !== 'silent') setTimeout(() => response.writeHead(204).end(), 50);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    count: (kind: string) => counts.get(kind) ?? 0,
    mostOpen: () => mostOpen,
    mostOpenOfPath: () => mostOpenOfPath,
    answer() {
      isAnswering = true;
    },
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
