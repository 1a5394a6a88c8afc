import createClient, { type Client } from 'openapi-fetch';

import type { components, paths } from '../../api/generated/openapi.ts';
import { startServer, type RunningServer } from '../../api/http/startServer.ts';
import {
  createHarness,
  type Harness,
  type HarnessOptions,
  type TestStore,
} from '../support/harness.ts';

export type Problem = components['schemas']['Problem'];
export type Payment = components['schemas']['Payment'];

/** The API on a port of its own, as its process has it, on the installation of one test file. */
export interface TestApi extends Harness {
  readonly url: string;
  readonly server: RunningServer;
  readonly store: TestStore;
  /** As a store's server would have it: generated from openapi.yaml. */
  client(store?: TestStore): Client<paths>;
  /** Raw HTTP, relative to /api/v1, with the store's key. */
  call(path: string, init?: CallOptions): Promise<Response>;
  createPayment(overrides?: Record<string, unknown>, store?: TestStore): Promise<Payment>;
}

export interface CallOptions {
  readonly method?: string;
  readonly store?: TestStore | null;
  readonly headers?: Record<string, string>;
  /** Sent as JSON. */
  readonly json?: unknown;
  readonly body?: string | Buffer;
  readonly signal?: AbortSignal;
}

export async function startTestApi(options: HarnessOptions = {}): Promise<TestApi> {
  const harness = await createHarness(options);
  // Its own client keeps connections, and sends nothing more on them once a test is over.
  const server = await startServer(harness.ctx, harness.queues.all, { idleMs: 10 });
  const store = await harness.createTestStore();

  async function call(path: string, init: CallOptions = {}): Promise<Response> {
    const {
      store: caller = store,
      json,
      method = json === undefined && init.body === undefined ? 'GET' : 'POST',
    } = init;
    const body = json === undefined ? init.body : JSON.stringify(json);
    return fetch(path.startsWith('http') ? path : `${server.url}/api/v1${path}`, {
      method,
      redirect: 'manual',
      headers: {
        ...(caller === null ? {} : { 'x-api-key': caller.apiKey }),
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...init.headers,
      },
      ...(body === undefined
        ? {}
        : { body: typeof body === 'string' ? body : new Uint8Array(body) }),
      ...(init.signal === undefined ? {} : { signal: init.signal }),
    });
  }

  return {
    ...harness,
    url: server.url,
    server,
    store,
    client: (caller = store) =>
      createClient<paths>({
        baseUrl: `${server.url}/api/v1`,
        headers: { 'x-api-key': caller.apiKey },
      }),
    call,
    async createPayment(overrides = {}, caller = store) {
      const response = await call('/payments', {
        store: caller,
        json: paymentRequest(harness, overrides),
      });
      if (response.status !== 201)
        throw new Error(`POST /payments answered ${response.status}: ${await response.text()}`);
      return (await response.json()) as Payment;
    },
    async close() {
      await server.stop();
      await harness.close();
    },
  };
}

export function paymentRequest(
  harness: Pick<Harness, 'tokens'>,
  overrides: Record<string, unknown> = {},
): Record<string, unknown> {
  return { orderId: 'order-1', amount: '1500000', token: harness.tokens.TUSD, ...overrides };
}

/** The problem that a refusal carries; fails when it is not one in every respect. */
export async function readProblem(response: Response): Promise<Problem> {
  const text = await response.text();
  const type = response.headers.get('content-type');
  if (type === null || !type.startsWith('application/problem+json'))
    throw new Error(`not a problem: ${response.status} ${type} ${text}`);
  const problem = JSON.parse(text) as Problem;
  if (problem.status !== response.status)
    throw new Error(`the problem says ${problem.status}, the response ${response.status}`);
  if (problem.requestId !== response.headers.get('x-request-id'))
    throw new Error('the problem has another request id than the response');
  if (problem.type !== `urn:msqpay:error:${problem.code}`)
    throw new Error(`unexpected type ${problem.type}`);
  return problem;
}
