import * as payments from '../../../domain/payments/service.ts';
import { noteReadPayment } from '../../../domain/payments/status.ts';
import { inStoreReadTurn } from '../../../platform/storeReads.ts';
import type { Handler } from '../../http/handler.ts';
import { parseMoment } from '../../http/parseMoment.ts';
import { toPaymentResource } from './toPaymentResource.ts';

/** openapi.yaml has the same as `default`, which the validator fills in. */
const DEFAULT_LIMIT = 20;

export const listPayments: Handler<'listPayments'> = (ctx, { identity, query }) =>
  inStoreReadTurn(ctx.db, identity.storeId, async () => {
    const page = await payments.listPayments(ctx, {
      storeId: identity.storeId,
      limit: query.limit ?? DEFAULT_LIMIT,
      cursor: query.cursor,
      status: query.status,
      orderId: query.orderId,
      createdAfter: toMoment(query.createdAfter),
      createdBefore: toMoment(query.createdBefore),
    });
    for (const payment of page.payments) noteReadPayment(ctx, payment);
    const data = await Promise.all(page.payments.map((payment) => toPaymentResource(ctx, payment)));
    return {
      status: 200,
      body: { data, hasMore: page.nextCursor !== null, nextCursor: page.nextCursor },
    };
  });

/** The validator has asked parseMoment already. */
function toMoment(text: string | undefined): Date | undefined {
  return text === undefined ? undefined : parseMoment(text);
}
