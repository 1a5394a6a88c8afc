/**
 * The demo shop: how a store takes payments with MSQPay.
 *
 *   SHOP_API_URL=http://127.0.0.1:3000/api/v1 SHOP_API_KEY=sk_test_… SHOP_STATE_PATH=shop.json node
 *   --import tsx demo/shop/main.ts
 *
 * All its variables are in readShopConfig.ts. Where to read on: placeOrder.ts asks for a payment,
 * receiveWebhook.ts learns what became of it, payAsDemoCustomer.ts is the customer's side.
 */
import { readShopConfig } from './readShopConfig.ts';
import { startShop, type Shop } from './startShop.ts';

const log = (message: string) => console.log(`[shop] ${message}`);
const stopping = new AbortController();
let shop: Shop | undefined;

const stop = () => {
  stopping.abort();
  // While it starts there is nothing to wait for yet: startShop gives up by the signal. A demo
  // payment that waits for its block is not waited for.
  void shop?.close().finally(() => process.exit());
};
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
// Whoever started us with a channel is gone: do not outlive them.
process.on('disconnect', stop);

try {
  shop = await startShop(readShopConfig(process.env), log, stopping.signal);
  log(`open at ${shop.url}`);
  process.send?.({ ready: true, url: shop.url });
  // The signal may have come between the last step of the start and here.
  if (stopping.signal.aborted) stop();
} catch (error) {
  if (!stopping.signal.aborted) console.error(error instanceof Error ? error.message : error);
  process.exit(stopping.signal.aborted ? 0 : 1);
}
