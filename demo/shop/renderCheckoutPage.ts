import { formatUnits } from 'viem';

import type { components } from '../../api/generated/openapi.ts';
import { encodeWalletCalls } from './encodeWalletCalls.ts';
import { html } from './html.ts';
import type { Order } from './openStateFile.ts';
import { findProduct } from './products.ts';
import { renderPage } from './renderPage.ts';
import type { Token } from './waitForApi.ts';

export interface CheckoutPageInput {
  readonly order: Order;
  readonly payment: components['schemas']['Payment'];
  readonly token: Token;
  readonly hasDemoCustomer: boolean;
}

/** Where the customer pays, and sees the payment arrive. `public/checkout.js` brings it to life. */
export function renderCheckoutPage({
  order,
  payment,
  token,
  hasDemoCustomer,
}: CheckoutPageInput): string {
  const product = findProduct(order.product);
  const amount = `${formatUnits(BigInt(payment.amount), token.decimals)} ${token.symbol}`;
  return renderPage({
    title: `${amount} for ${order.orderId}`,
    script: '/checkout.js',
    body: html`
      <div
        class="card checkout"
        id="checkout"
        data-payment="${JSON.stringify(describeForScript(payment))}"
      >
        <p class="quiet">${order.orderId} · ${product?.emoji} ${product?.name ?? order.product}</p>
        <p class="amount">${amount}</p>
        <ol class="progress" id="progress">
          <li data-step="pending">Waiting for payment</li>
          <li data-step="processing">On its way <span id="confirmations"></span></li>
          <li data-step="completed">Paid</li>
        </ol>
        <p id="message" role="status" aria-live="polite">${payment.status}</p>
        <div id="buttons" hidden>
          <div id="wallet-buttons" hidden>
            <button type="button" data-pay="wallet-direct">Pay with wallet</button>
            ${token.gasless && html`<button type="button" data-pay="wallet-gasless">Pay with wallet, gasless</button>`}
          </div>
          <p id="no-wallet" class="quiet">No browser wallet found.</p>
          ${
            hasDemoCustomer &&
            html`
              <div>
                <button type="button" class="second" data-pay="demo-direct">
                  Pay as demo customer: direct
                </button>
                ${token.gasless && html`<button type="button" class="second" data-pay="demo-gasless">Pay as demo customer: gasless</button>`}
              </div>
            `
          }
        </div>
        <ul id="log" class="log"></ul>
        <h2>Webhooks verified</h2>
        <ul id="webhooks" class="log"></ul>
        <dl>
          <dt>Payment</dt>
          <dd><code>${payment.paymentId}</code></dd>
          <dt>To</dt>
          <dd><code>${payment.merchant}</code></dd>
          <dt>Transaction</dt>
          <dd><code id="transaction">${payment.txHash ?? '–'}</code></dd>
          <dt>Payable until</dt>
          <dd>
            <time datetime="${payment.expiresAt}"
              >${payment.expiresAt.slice(0, 19).replace('T', ' ')} UTC</time
            >
          </dd>
        </dl>
      </div>
    `,
  });
}

/** Nothing in here is secret: it is what the customer's wallet shows anyway. */
function describeForScript(payment: CheckoutPageInput['payment']) {
  const { paymentId, chainId, amount, requiredConfirmations } = payment;
  return { paymentId, chainId, amount, requiredConfirmations, calls: encodeWalletCalls(payment) };
}
