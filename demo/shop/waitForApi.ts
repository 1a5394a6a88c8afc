import { setTimeout as sleep } from 'node:timers/promises';

import type { components } from '../../api/generated/openapi.ts';
import type { ApiClient } from './createClient.ts';
import { ApiProblem, expectData } from './expectData.ts';
import { CURRENCY } from './products.ts';

export type Token = components['schemas']['Token'];

const PATIENCE_MS = 30_000;
const PAUSE_MS = 500;

/**
 * Waits for the payment server, which may be starting up beside us.
 * @returns the token that the shop's prices are in
 * @throws ApiProblem at once when the server is there and refuses us, else after 30 seconds
 */
export async function waitForApi(client: ApiClient, signal: AbortSignal): Promise<Token> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      const { data: tokens } = expectData(await client.GET('/tokens', { signal }));
      const token = tokens.find(({ symbol }) => symbol === CURRENCY);
      if (token === undefined)
        throw new ApiProblem(200, { title: `the payment server offers no ${CURRENCY}` });
      return token;
    } catch (error) {
      const isFinal = error instanceof ApiProblem && error.status < 500 && error.status !== 429;
      if (isFinal || signal.aborted || Date.now() > deadline) throw error;
    }
    await sleep(PAUSE_MS, undefined, { signal });
  }
}
