import express, {
  type ErrorRequestHandler,
  type Express,
  type Response as ExpressResponse,
} from 'express';
import helmet from 'helmet';
import { join } from 'node:path';

import { ApiProblem, expectData } from './expectData.ts';
import { html } from './html.ts';
import { findOrder, type Order } from './openStateFile.ts';
import { placeOrder, type Till } from './placeOrder.ts';
import { findProduct } from './products.ts';
import { receiveWebhook, WEBHOOK_REPLIES } from './receiveWebhook.ts';
import { relayRequestSchema } from './relayRequestSchema.ts';
import { renderCheckoutPage } from './renderCheckoutPage.ts';
import { renderPage } from './renderPage.ts';
import { renderShopPage } from './renderShopPage.ts';

export interface ShopAppInput {
  /** Undefined until the payment server was reached; the shop is closed until then. */
  readonly findTill: () => Till | undefined;
  readonly stateFile: Till['stateFile'];
  /** Pays an order as a demo customer, or undefined when there is none. */
  readonly payAsDemoCustomer:
    | ((
        order: OrderWithPayment,
        way: 'direct' | 'gasless',
        onStep: (message: string) => void,
      ) => Promise<void>)
    | undefined;
  /** Ends requests that wait, when the shop closes. */
  readonly closing: AbortSignal;
  readonly now: () => Date;
  readonly log: (message: string) => void;
}

export type OrderWithPayment = Order & { readonly paymentId: string };

const publicFolder = join(import.meta.dirname, 'public');
/** How long a browser's question for the status is held open. */
const WAIT_SECONDS = 25;

/**
 * The shop's pages and the few requests behind them. The browser talks to the shop only; the shop
 * talks to the payment server, with the API key.
 */
export function createShopApp({
  findTill,
  stateFile,
  payAsDemoCustomer,
  closing,
  now,
  log,
}: ShopAppInput): Express {
  const app = express();
  let unverifiedWebhooks = 0;

  app.disable('x-powered-by');
  app.use(
    helmet({
      contentSecurityPolicy: {
        useDefaults: false,
        directives: {
          defaultSrc: ["'none'"],
          scriptSrc: ["'self'"],
          styleSrc: ["'self'"],
          imgSrc: ["'self'"],
          connectSrc: ["'self'"],
          formAction: ["'self'"],
          baseUri: ["'none'"],
          frameAncestors: ["'none'"],
        },
      },
      // The demo speaks plain HTTP; a browser that was told otherwise would not find it again.
      strictTransportSecurity: false,
    }),
  );
  app.use(express.static(publicFolder, { index: false }));

  // The raw bytes, whatever content type they claim: the signature is over them.
  app.post('/webhooks', express.raw({ type: () => true, limit: '256kb' }), (req, res) => {
    const outcome = receiveWebhook(
      stateFile,
      {
        // Express leaves no Buffer when there was no body.
        body: Buffer.isBuffer(req.body) ? req.body : Buffer.alloc(0),
        headers: {
          'webhook-id': req.get('webhook-id') ?? '',
          'webhook-timestamp': req.get('webhook-timestamp') ?? '',
          'webhook-signature': req.get('webhook-signature') ?? '',
        },
      },
      now(),
    );
    if (outcome === 'unverified') unverifiedWebhooks++;
    res.status(WEBHOOK_REPLIES[outcome]).end();
  });

  app.get('/healthz', (_req, res) => {
    const isOpen = findTill() !== undefined;
    res.status(isOpen ? 200 : 503).json({ status: isOpen ? 'ok' : 'opening', unverifiedWebhooks });
  });

  app.get('/', (_req, res) => {
    res.send(
      renderShopPage({
        orders: stateFile.state.orders,
        decimals: requireTill().token.decimals,
        unverifiedWebhooks,
      }),
    );
  });

  app.get('/orders.json', (_req, res) => {
    res.json(stateFile.state.orders.map(describeOrder));
  });

  app.get('/orders/:paymentId.json', (req, res) => {
    res.json(describeOrder(requireOrder(req.params.paymentId)));
  });

  app.post(
    '/orders',
    express.urlencoded({ extended: false, limit: '1kb' }),
    express.json({ limit: '1kb' }),
    async (req, res) => {
      const { product: productId } = (req.body ?? {}) as { readonly product?: unknown };
      const product = findProduct(productId);
      if (product === undefined) throw new ShopError(400, 'There is no such product.');
      const order = await placeOrder(requireTill(), product, now());
      const checkout = `/checkout/${order.paymentId}`;
      // Browsers are sent on; a script that asks for JSON gets the order.
      if (req.accepts(['html', 'json']) === 'json')
        res.status(201).location(checkout).json(describeOrder(order));
      else res.redirect(303, checkout);
    },
  );

  app.get('/checkout/:paymentId', async (req, res) => {
    const { client, token } = requireTill();
    const order = requireOrder(req.params.paymentId);
    const payment = expectData(
      await client.GET('/payments/{paymentId}', {
        params: { path: { paymentId: order.paymentId } },
      }),
    );
    res.send(
      renderCheckoutPage({
        order,
        payment,
        token,
        hasDemoCustomer: payAsDemoCustomer !== undefined,
      }),
    );
  });

  // Held open until something changes. The browser says what it knows: what changed between two of
  // its questions is told at once.
  app.get('/orders/:paymentId/status', async (req, res) => {
    const { client } = requireTill();
    const path = { paymentId: requireOrder(req.params.paymentId).paymentId };
    const left = new AbortController();
    res.on('close', () => left.abort());
    const signal = AbortSignal.any([left.signal, closing]);
    try {
      let status = expectData(
        await client.GET('/payments/{paymentId}/status', { params: { path }, signal }),
      );
      if (fingerprint(status) === req.query['known']) {
        status = expectData(
          await client.GET('/payments/{paymentId}/status', {
            params: { path, query: { wait: WAIT_SECONDS } },
            signal,
          }),
        );
      }
      res.set('Cache-Control', 'no-store').json({ ...status, known: fingerprint(status) });
    } catch (error) {
      if (left.signal.aborted) return;
      if (closing.aborted) throw new ShopError(503, 'The shop is closing.');
      throw error;
    }
  });

  app.get('/orders/:paymentId/gasless', async (req, res) => {
    const { client } = requireTill();
    const { paymentId } = requireOrder(req.params.paymentId);
    const userAddress = readText(req.query['userAddress']);
    const request = expectData(
      await client.GET('/payments/{paymentId}/gasless', {
        params: { path: { paymentId }, query: { userAddress } },
      }),
    );
    res.set('Cache-Control', 'no-store').json(request);
  });

  app.post('/orders/:paymentId/relay', express.json({ limit: '32kb' }), async (req, res) => {
    const { client } = requireTill();
    const { paymentId } = requireOrder(req.params.paymentId);
    const body = relayRequestSchema.safeParse(req.body);
    const idempotencyKey = req.get('idempotency-key');
    if (!body.success || idempotencyKey === undefined)
      throw new ShopError(400, 'This is not a signed payment.');
    const reply = expectData(
      await client.POST('/payments/{paymentId}/relay', {
        params: {
          path: { paymentId },
          header: { 'Idempotency-Key': idempotencyKey, Prefer: `wait=${WAIT_SECONDS}` },
        },
        body: body.data,
      }),
    );
    res.status(202).json(reply);
  });

  // The steps, one JSON object a line, as they happen.
  app.post('/orders/:paymentId/demo-payment', express.json({ limit: '1kb' }), async (req, res) => {
    const order = requireOrder(req.params.paymentId);
    const { way } = (req.body ?? {}) as { readonly way?: unknown };
    if (payAsDemoCustomer === undefined)
      throw new ShopError(404, 'There is no demo customer here.');
    // Only our own page can send JSON here: other sites would have to ask the browser first, and
    // are not allowed to.
    if (way !== 'direct' && way !== 'gasless') throw new ShopError(400, 'Pay which way?');
    res.type('application/x-ndjson').set('Cache-Control', 'no-store');
    const writeLine = (line: { readonly step: string } | { readonly error: string }) =>
      res.write(`${JSON.stringify(line)}\n`);
    try {
      await payAsDemoCustomer(order, way, (step) => writeLine({ step }));
    } catch (error) {
      log(`the demo customer could not pay ${order.orderId}: ${describeError(error)}`);
      writeLine({ error: describeError(error) });
    }
    res.end();
  });

  app.use(() => {
    throw new ShopError(404, 'There is nothing here.');
  });

  const onError: ErrorRequestHandler = (error: unknown, req, res: ExpressResponse, next) => {
    if (res.headersSent) {
      next(error);
      return;
    }
    const { status, message } = toAnswer(error);
    if (status >= 500) log(`${req.method} ${req.path}: ${describeError(error)}`);
    if (req.accepts(['html', 'json']) === 'json') res.status(status).json({ error: message });
    else
      res.status(status).send(
        renderPage({
          title: 'Sorry',
          body: html`<h1>Sorry</h1>
            <p>${message}</p>
            <p><a href="/">Back to the shop</a></p>`,
        }),
      );
  };
  app.use(onError);

  function requireTill(): Till {
    const till = findTill();
    if (till === undefined)
      throw new ShopError(503, 'The shop is about to open: it waits for the payment server.');
    return till;
  }

  /** Only the shop's own orders: its API key must not become everybody's. */
  function requireOrder(paymentId: string): OrderWithPayment {
    const order = findOrder(stateFile.state, paymentId);
    if (order === undefined) throw new ShopError(404, 'There is no such order.');
    return { ...order, paymentId };
  }

  return app;
}

class ShopError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** For scripts. */
function describeOrder({ paymentId, orderId, amount, status, webhooks, shippedAt }: Order) {
  return { paymentId, orderId, amount, status, webhooks, shipped: shippedAt !== null };
}

function fingerprint({
  status,
  confirmations,
  txHash,
}: {
  status: string;
  confirmations: number;
  txHash?: string;
}): string {
  return `${status} ${confirmations} ${txHash ?? ''}`;
}

/**
 * What a customer is told. The payment server's refusals are written for people; anything else
 * stays in the log.
 */
function toAnswer(error: unknown): { readonly status: number; readonly message: string } {
  if (error instanceof ShopError) return error;
  if (error instanceof ApiProblem) {
    // Our key, our rate limit, its troubles: not the customer's business.
    const isOurs = error.status >= 500 || [401, 403, 429].includes(error.status);
    return isOurs
      ? { status: 502, message: 'The payment server cannot answer now. Please try again.' }
      : error;
  }
  // Of the body parsers: malformed or too large.
  const status = (error as { readonly status?: unknown } | null)?.status;
  if (typeof status === 'number' && status >= 400 && status < 500)
    return { status, message: 'The request is malformed.' };
  return { status: 502, message: 'The payment server cannot be reached. Please try again.' };
}

function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // viem's messages are long; their first line says it.
  const message = error.message.split('\n')[0] ?? '';
  return error.cause instanceof Error
    ? `${message} (${error.cause.message.split('\n')[0] ?? ''})`
    : message;
}

/** A query parameter given twice is an array; the payment server will say what is wrong with "". */
function readText(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
