import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FakeRequest {
  readonly method: string;
  readonly path: string;
  readonly idempotencyKey: string | undefined;
  readonly apiKey: string | undefined;
  readonly body: unknown;
}

export interface FakeReply {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface FakeApi {
  readonly url: string;
  readonly requests: FakeRequest[];
  /** Endpoints as they are registered now. */
  readonly endpoints: Map<string, { url: string; secret: string; status: 'enabled' | 'disabled' }>;
  /**
   * Answers instead of the fake's own handling, unless it returns undefined. `hangUp` closes the
   * connection without an answer.
   */
  intercept: (
    request: FakeRequest,
  ) => FakeReply | 'hangUp' | undefined | Promise<FakeReply | undefined>;
  count(method: string, path: string): number;
  close(): Promise<void>;
}

export const TOKEN_ADDRESS = '0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512';
const CREATED_AT = '2026-01-01T00:00:00.000Z';

/**
 * The payment server's API as far as the shop uses it, with webhook endpoints and payments that are
 * remembered, and replies that are replayed.
 */
export async function startFakeApi(): Promise<FakeApi> {
  const requests: FakeRequest[] = [];
  const endpoints: FakeApi['endpoints'] = new Map();
  const payments = new Map<string, unknown>();
  const replies = new Map<string, FakeReply>();
  let count = 0;

  const handle = (request: FakeRequest): FakeReply => {
    const { method, path, body } = request;
    const [, collection, id] = path.split('/');
    const describe = (endpointId: string) => {
      const endpoint = endpoints.get(endpointId);
      return {
        id: endpointId,
        url: endpoint?.url,
        status: endpoint?.status,
        eventTypes: null,
        disabledReason: null,
        createdAt: CREATED_AT,
      };
    };
    if (path === '/tokens') {
      const token = {
        chainId: 31337,
        chainName: 'Test',
        address: TOKEN_ADDRESS,
        symbol: 'TUSD',
        decimals: 6,
        permit: true,
        gasless: true,
      };
      return { status: 200, body: { data: [token] } };
    }
    if (method === 'GET' && path === '/webhook-endpoints')
      return { status: 200, body: { data: [...endpoints.keys()].map(describe) } };
    if (method === 'POST' && path === '/webhook-endpoints') {
      const endpointId = `we_${++count}`;
      const secret = `whsec_${Buffer.alloc(32, count).toString('base64')}`;
      endpoints.set(endpointId, { url: (body as { url: string }).url, secret, status: 'enabled' });
      return { status: 201, body: { ...describe(endpointId), secret } };
    }
    if (method === 'DELETE' && collection === 'webhook-endpoints' && id !== undefined) {
      return endpoints.delete(id) ? { status: 204 } : problem(404, 'PAY_009');
    }
    if (method === 'POST' && path === '/payments') {
      const payment = createFakePayment(++count, body as { orderId: string; amount: string });
      payments.set(payment.paymentId, payment);
      return { status: 201, body: payment };
    }
    const payment = id === undefined ? undefined : payments.get(id);
    return payment === undefined ? problem(404, 'PAY_009') : { status: 200, body: payment };
  };

  const server = createServer((message, response) => {
    void readRequest(message).then(async (request) => {
      requests.push(request);
      const key =
        request.idempotencyKey === undefined
          ? undefined
          : `${request.path} ${request.idempotencyKey}`;
      const replayed = key === undefined ? undefined : replies.get(key);
      let reply = await api.intercept(request);
      if (reply === undefined) {
        reply = replayed ?? handle(request);
        if (key !== undefined) replies.set(key, reply);
      }
      if (reply === 'hangUp') {
        message.socket.destroy();
        return;
      }
      response.writeHead(reply.status, {
        'content-type': reply.status < 400 ? 'application/json' : 'application/problem+json',
        ...reply.headers,
      });
      response.end(reply.body === undefined ? undefined : JSON.stringify(reply.body));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  const api: FakeApi = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    endpoints,
    intercept: () => undefined,
    count: (method, path) =>
      requests.filter((request) => request.method === method && request.path === path).length,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return api;
}

export function problem(status: number, code: string, detail = 'no'): FakeReply {
  return {
    status,
    body: { type: 'about:blank', title: 'Refused', status, code, detail, requestId: 'req-1' },
  };
}

function createFakePayment(
  number: number,
  { orderId, amount }: { orderId: string; amount: string },
) {
  const address = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8';
  const salt = `0x${'ab'.repeat(32)}`;
  return {
    paymentId: `0x${number.toString(16).padStart(64, '0')}`,
    orderId,
    status: 'pending',
    chainId: 31337,
    gateway: address,
    token: TOKEN_ADDRESS,
    amount,
    merchant: address,
    terms: { salt, token: TOKEN_ADDRESS, amount, merchant: address, expiresAt: 2_000_000_000 },
    checkoutUrl: 'http://shop.test',
    payer: null,
    txHash: null,
    chain: null,
    confirmations: 0,
    requiredConfirmations: 2,
    late: false,
    version: 1,
    customerEmail: null,
    metadata: null,
    expiresAt: '2033-05-18T03:33:20.000Z',
    createdAt: CREATED_AT,
    updatedAt: CREATED_AT,
    completedAt: null,
    timeline: [],
    relayAttempts: [],
  };
}

async function readRequest(message: IncomingMessage): Promise<FakeRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return {
    method: message.method ?? '',
    path: new URL(message.url ?? '', 'http://fake').pathname,
    idempotencyKey: message.headers['idempotency-key'] as string | undefined,
    apiKey: message.headers['x-api-key'] as string | undefined,
    body: text === '' ? undefined : (JSON.parse(text) as unknown),
  };
}
