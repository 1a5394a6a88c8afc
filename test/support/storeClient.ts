import { setTimeout as sleep } from 'node:timers/promises';
import createClient, { type Client } from 'openapi-fetch';
import type { Address } from 'viem';
import type { PrivateKeyAccount } from 'viem/accounts';

import type { components, paths } from '../../api/generated/openapi.ts';
import type { TypedData } from '../../domain/chain/ports.ts';
import { signTypedData } from './gasless.ts';

/** The first request with this Idempotency-Key is still being worked on. */
const IN_FLIGHT = 'PAY_014';
/** Tomorrow, that is: nobody waits for it. */
export const GAS_BUDGET_SPENT = 'PAY_034';

export type PaymentResource = components['schemas']['Payment'];

export interface NewPayment {
  readonly orderId: string;
  readonly amount: string;
  readonly token: string;
  readonly chainId?: number;
  readonly expiresInSeconds?: number;
}

/** How a store's server talks to the API: through the client generated from openapi.yaml. */
export interface StoreClient {
  readonly api: Client<paths>;
  /** How often each answer was met, `no answer` among them. */
  readonly answers: ReadonlyMap<string, number>;
  createPayment(input: NewPayment): Promise<PaymentResource>;
  /** Fetches what is to be signed, signs it as the customer's wallet does, and hands it over. */
  relay(
    customer: PrivateKeyAccount,
    paymentId: string,
  ): Promise<components['schemas']['PaymentStatusReply']>;
  /**
   * The same on the authorization rail. @param payer whose tokens they are: the customer's contract
   * wallet, when it is not the customer
   */
  execute(
    customer: PrivateKeyAccount,
    paymentId: string,
    payer?: Address,
  ): Promise<components['schemas']['PaymentStatusReply']>;
}

/**
 * @param input.patienceMs how long a request is sent again, with the same Idempotency-Key, while
 *   there is no answer or one that says "not now": asked anew before each try; none when absent
 */
export function createStoreClient(input: {
  readonly url: string;
  readonly apiKey: string;
  readonly patienceMs?: () => number;
}): StoreClient {
  const { patienceMs = () => 0 } = input;
  const answers = new Map<string, number>();
  const count = (answer: string) => answers.set(answer, (answers.get(answer) ?? 0) + 1);

  async function patientFetch(request: Request): Promise<Response> {
    const begunAt = Date.now();
    const isOver = () => Date.now() - begunAt > patienceMs();
    for (;;) {
      let problem: unknown;
      try {
        const response = await fetch(request.clone());
        count(String(response.status));
        const isPassing =
          response.status >= 500 ||
          (response.status === 429 && !(await hasCode(response, GAS_BUDGET_SPENT))) ||
          (response.status === 409 && (await hasCode(response, IN_FLIGHT)));
        if (!isPassing || isOver()) return response;
      } catch (error) {
        count('no answer');
        if (isOver()) throw error;
        problem = error;
      }
      await sleep(problem === undefined ? 100 : 200);
    }
  }

  const api = createClient<paths>({
    baseUrl: `${input.url}/api/v1`,
    headers: { 'x-api-key': input.apiKey },
    fetch: patientFetch,
  });

  return {
    api,
    answers,
    async createPayment(payment) {
      const { data, error } = await api.POST('/payments', {
        params: { header: { 'Idempotency-Key': `create-${payment.orderId}` } },
        body: { expiresInSeconds: 900, ...payment },
      });
      if (data === undefined)
        throw new Error(`creating ${payment.orderId}: ${JSON.stringify(error)}`);
      return data;
    },
    async relay(customer, paymentId) {
      const path = { paymentId };
      const offered = await api.GET('/payments/{paymentId}/gasless', {
        params: { path, query: { userAddress: customer.address } },
      });
      if (offered.data === undefined)
        throw new Error(`gasless request of ${paymentId}: ${JSON.stringify(offered.error)}`);
      const { forwardRequest, typedData, permit } = offered.data;
      const signature = await sign(customer, typedData);
      const relayed = await api.POST('/payments/{paymentId}/relay', {
        params: { path, header: { 'Idempotency-Key': `relay-${paymentId}` } },
        body: {
          forwardRequest,
          signature,
          ...(permit === null
            ? {}
            : {
                permit: {
                  value: permit.value,
                  deadline: permit.deadline,
                  signature: await sign(customer, permit.typedData),
                },
              }),
        },
      });
      if (relayed.data === undefined)
        throw new Error(`relay of ${paymentId}: ${JSON.stringify(relayed.error)}`);
      return relayed.data;
    },
    async execute(customer, paymentId, payer = customer.address) {
      const path = { paymentId };
      const query = { customerAddress: payer };
      const offered = await api.GET('/payments/{paymentId}/authorization', {
        params: { path, query },
      });
      if (offered.data === undefined)
        throw new Error(`authorization of ${paymentId}: ${JSON.stringify(offered.error)}`);
      const { typedData, permit } = offered.data;
      const executed = await api.POST('/payments/{paymentId}/execute', {
        params: { path, header: { 'Idempotency-Key': `execute-${paymentId}` } },
        body: {
          customerAddress: payer,
          signature: await sign(customer, typedData),
          ...(permit === null
            ? {}
            : {
                permit: {
                  value: permit.value,
                  deadline: permit.deadline,
                  signature: await sign(customer, permit.typedData),
                },
              }),
        },
      });
      if (executed.data === undefined) throw new RefusedExecution(paymentId, executed.error);
      return executed.data;
    },
  };
}

export class RefusedExecution extends Error {
  readonly code: string | undefined;

  constructor(paymentId: string, problem: { readonly code?: string } | undefined) {
    super(`execution of ${paymentId}: ${JSON.stringify(problem)}`);
    this.code = problem?.code;
  }
}

async function hasCode(response: Response, code: string): Promise<boolean> {
  const problem = (await response.clone().json()) as { code?: string };
  return problem.code === code;
}

/** openapi.yaml leaves the content of typed data open. */
function sign(account: PrivateKeyAccount, typedData: components['schemas']['TypedData']) {
  return signTypedData(account, typedData as unknown as TypedData);
}
