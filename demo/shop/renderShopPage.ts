import { formatUnits } from 'viem';

import { html, type Html } from './html.ts';
import type { Order } from './openStateFile.ts';
import { CURRENCY, findProduct, PRODUCTS } from './products.ts';
import { renderPage } from './renderPage.ts';

export interface ShopPageInput {
  readonly orders: readonly Order[];
  readonly decimals: number;
  readonly unverifiedWebhooks: number;
}

/** What there is to buy, and what was bought. */
export function renderShopPage({ orders, decimals, unverifiedWebhooks }: ShopPageInput): string {
  return renderPage({
    title: 'The Demo Shop',
    body: html`
      <h1>Three fine things</h1>
      <section class="products">
        ${PRODUCTS.map(
          (product) => html`
            <form method="post" action="/orders" class="card product">
              <span class="emoji" aria-hidden="true">${product.emoji}</span>
              <h2>${product.name}</h2>
              <p>${product.description}</p>
              <input type="hidden" name="product" value="${product.id}" />
              <button>Buy for ${product.price} ${CURRENCY}</button>
            </form>
          `,
        )}
      </section>
      <h1>Orders</h1>
      ${
        orders.length === 0
          ? html`<p class="quiet">None yet.</p>`
          : html`
              <div class="card wide">
                <table>
                  <thead>
                    <tr>
                      <th>Order</th>
                      <th>Product</th>
                      <th>Amount</th>
                      <th>Payment</th>
                      <th>Webhooks verified</th>
                      <th>Shipped</th>
                    </tr>
                  </thead>
                  <tbody>
                    ${orders.toReversed().map((order) => renderOrder(order, decimals))}
                  </tbody>
                </table>
              </div>
            `
      }
      ${unverifiedWebhooks > 0 && html`<p class="quiet">${unverifiedWebhooks} deliveries were refused: they could not be verified.</p>`}
    `,
  });
}

function renderOrder(order: Order, decimals: number): Html {
  return html`
    <tr>
      <td>
        ${order.paymentId === null ? order.orderId : html`<a href="/checkout/${order.paymentId}">${order.orderId}</a>`}
      </td>
      <td>${findProduct(order.product)?.name ?? order.product}</td>
      <td class="number">${formatUnits(BigInt(order.amount), decimals)} ${CURRENCY}</td>
      <td><span class="status ${order.status}">${order.status}</span></td>
      <td>
        ${order.webhooks.map(({ id, type, version }) => html`<span class="webhook" title="${id}, version ${version}">${type}</span> `)}
      </td>
      <td>${renderShipping(order)}</td>
    </tr>
  `;
}

function renderShipping({ shippedAt, status }: Order): Html {
  if (shippedAt === null) return html`–`;
  if (status !== 'completed')
    return html`<strong class="warning">yes, but the payment is not final any more</strong>`;
  return html`<time datetime="${shippedAt}">${shippedAt.slice(0, 19).replace('T', ' ')}</time>`;
}
