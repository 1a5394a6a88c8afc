import { advanceOrder } from './advanceOrder.ts';
import { expectData } from './expectData.ts';
import { requestPayment, type Till } from './placeOrder.ts';

/**
 * After a pause: asks for what webhooks may have told while nobody listened, and for the payments
 * of orders whose reply got lost. Webhooks are the news, asking is the truth; both end in the same
 * place, so it does no harm to do both.
 * @returns how many orders could not be brought up to date
 */
export async function catchUpOrders(till: Till, now: () => Date): Promise<number> {
  const open = till.stateFile.state.orders.filter(
    ({ status }) => status === 'pending' || status === 'processing',
  );
  let failures = 0;
  for (const order of open) {
    try {
      if (order.paymentId === null) {
        await requestPayment(till, order, now());
        continue;
      }
      const payment = expectData(
        await till.client.GET('/payments/{paymentId}', {
          params: { path: { paymentId: order.paymentId } },
        }),
      );
      if (payment.version > order.version)
        till.stateFile.update(() => advanceOrder(order, payment, now()));
    } catch {
      // One order that the server does not know any more must not keep the shop closed.
      failures++;
    }
  }
  return failures;
}
