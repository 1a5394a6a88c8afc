import { expect } from 'chai';
import type { PrivateKeyAccount } from 'viem/accounts';

import type { components } from '../../api/generated/openapi.ts';
import type { TypedData } from '../../domain/chain/ports.ts';
import type { JobQueuePort } from '../../domain/outbox/ports.ts';
import { publishOutbox } from '../../domain/outbox/service.ts';
import { getPayment } from '../../domain/payments/service.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { attemptDelivery } from '../../domain/webhooks/attemptDelivery.ts';
import { createWebhookEndpoint } from '../../domain/webhooks/service.ts';
import { selectRows } from '../../platform/db.ts';
import { addMs } from '../../shared/clock.ts';
import { asBytes32 } from '../../shared/hex.ts';
import { MAINTENANCE_TASKS } from '../../workers/maintenance.ts';
import { OUTBOX_GATES } from '../../workers/queues.ts';
import { paymentRequest, type Payment, type TestApi } from '../api/startTestApi.ts';
import { expireNow } from '../support/expireNow.ts';
import { acceptRelay, driveUntil, isOver, readAttempt } from '../support/relayFlow.ts';
import { createStoreClient } from '../support/storeClient.ts';
import { signTypedData } from '../support/gasless.ts';
import type { Recorder } from './recordStatements.ts';

type RefundRequest = components['schemas']['RefundRequest'];

/** Who acts, beside all that is in the tables already. */
export interface Actors {
  readonly payer: PrivateKeyAccount;
  /** The store's payout address. */
  readonly merchant: PrivateKeyAccount;
  readonly storeUrl: string;
}

/**
 * Does once, through the services that the server's processes call, what they do all day. The
 * recorder is told what is done when.
 */
export async function runHotPaths(
  api: TestApi,
  recorder: Recorder,
  { payer, merchant, storeUrl }: Actors,
): Promise<void> {
  const { ctx, store } = api;
  const chainId = api.config.chains[0]?.chainId ?? 0;
  const call = async (
    during: string,
    path: string,
    status: number,
    init: Parameters<TestApi['call']>[1] = {},
  ) => {
    recorder.begin(during);
    const response = await api.call(path, init);
    expect(response.status, `${during}: ${await response.clone().text()}`).to.equal(status);
    return response;
  };
  const create = async (key: string) => {
    const init = {
      headers: { 'idempotency-key': key },
      json: paymentRequest(api, { orderId: key, expiresInSeconds: 600 }),
    };
    return (await (await call('create a payment', '/payments', 201, init)).json()) as Payment;
  };
  const find = (payment: Payment) =>
    getPayment(ctx, { storeId: store.storeId, paymentId: asBytes32(payment.paymentId) });

  recorder.begin('make an endpoint');
  const endpoint = await createWebhookEndpoint(ctx, {
    storeId: store.storeId,
    url: storeUrl,
    eventTypes: null,
  });
  const direct = await create('scale-direct');
  await create('scale-direct');
  await call('status', `/payments/${direct.paymentId}/status`, 200);
  await call('one payment', `/payments/${direct.paymentId}`, 200);
  const yearStart = addMs(ctx.clock.now(), -365 * 86_400_000);
  const day = (days: number) =>
    encodeURIComponent(addMs(yearStart, days * 86_400_000).toISOString());
  const lists: Readonly<Record<string, string>> = {
    all: '',
    'a rare status': 'status=failed',
    'a frequent status': 'status=completed',
    'an order': 'orderId=order-17',
    'an order and a status': 'orderId=order-17&status=expired',
    'an old date': `createdBefore=${day(3)}`,
    'a period': `createdAfter=${day(100)}&createdBefore=${day(101)}`,
    'a period and a rare status': `createdAfter=${day(100)}&createdBefore=${day(200)}&status=failed`,
    'the future': `createdAfter=${day(400)}`,
  };
  for (const [name, query] of Object.entries(lists)) {
    const page = (await (
      await call(`list: ${name}`, `/payments?limit=50&${query}`, 200)
    ).json()) as { nextCursor: string | null };
    if (page.nextCursor !== null)
      await call(
        `list: ${name}, next page`,
        `/payments?limit=50&${query}&cursor=${page.nextCursor}`,
        200,
      );
  }

  const cancelled = await create('scale-cancelled');
  await call('cancel', `/payments/${cancelled.paymentId}/cancel`, 200, {
    method: 'POST',
    headers: { 'idempotency-key': 'scale-cancel' },
  });

  recorder.begin('expire');
  const expired = await create('scale-expired');
  recorder.begin('expire');
  await expireNow(ctx, expired);

  const relayed = await create('scale-relayed');
  recorder.begin('relay: ask and accept');
  await acceptRelay(ctx, payer, await find(relayed));
  recorder.begin('relay: dispatch');
  const attempt = await readAttempt(ctx, await find(relayed));
  await sendAttempt(ctx, attempt.id);
  recorder.begin('relay: confirm and scan');
  await driveUntil(ctx, await find(relayed), isOver);
  await call('one relayed payment', `/payments/${relayed.paymentId}`, 200);

  const authorized = await create('scale-authorized');
  recorder.begin('execute: ask and accept');
  await createStoreClient({ url: api.url, apiKey: store.apiKey }).execute(
    payer,
    authorized.paymentId,
  );
  recorder.begin('execute: dispatch, confirm, scan');
  await driveUntil(ctx, await find(authorized), isOver);

  recorder.begin('scan');
  await api.chain.payDirectly(payer, await find(direct));
  for (let tries = 0; tries < 200 && (await find(direct)).status !== 'completed'; tries++) {
    await scanChain(ctx, chainId);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect((await find(direct)).status).to.equal('completed');

  const path = `/payments/${direct.paymentId}/refunds`;
  const asked = (await (
    await call('refund: ask', `${path}/authorization?amount=400000`, 200)
  ).json()) as RefundRequest;
  const { amount, nonce, deadline, typedData, permit } = asked;
  const sign = (data: RefundRequest['typedData']) =>
    signTypedData(merchant, data as unknown as TypedData);
  await call('refund: accept', path, 202, {
    headers: { 'idempotency-key': 'scale-refund' },
    json: {
      ...{ amount, nonce, deadline, signature: await sign(typedData) },
      ...(permit === null
        ? {}
        : {
            permit: {
              value: permit.value,
              deadline: permit.deadline,
              signature: await sign(permit.typedData),
            },
          }),
    },
  });
  await call('refund: list', path, 200);
  recorder.begin('refund: dispatch, confirm, scan');
  const [row] = await selectRows<{ id: string }>(
    ctx.db,
    "SELECT id FROM relay_attempts WHERE payment_id = ? AND rail = 'refund'",
    [direct.paymentId],
  );
  if (row !== undefined) await sendAttempt(ctx, row.id);
  await scanChain(ctx, chainId);

  recorder.begin('webhook');
  const deliveries = await selectRows<{ id: string }>(
    ctx.db,
    "SELECT id FROM webhook_deliveries WHERE endpoint_id = ? AND status = 'pending'",
    [endpoint.id],
  );
  for (const { id } of deliveries) await attemptDelivery(ctx, id);

  recorder.begin('outbox');
  const queues: JobQueuePort = { addAll: () => Promise.resolve() };
  // Others' turns too: it takes less than is due.
  await publishOutbox(ctx, queues, 1, OUTBOX_GATES);
  await publishOutbox(ctx, queues, 200, OUTBOX_GATES);
  for (const [task, { run }] of Object.entries(MAINTENANCE_TASKS)) {
    recorder.begin(`maintenance: ${task}`);
    await run(ctx);
  }
  await call('readiness', api.url + '/readyz', 200);
  const login = Buffer.from(`${api.config.admin.user}:${api.config.admin.password}`).toString(
    'base64',
  );
  await call('metrics', `${api.url}/metrics`, 200, {
    store: null,
    headers: { authorization: `Basic ${login}` },
  });
}
