import type { ProviderTransaction, RelayerPort } from '../../../domain/relayers/ports.ts';
import type { Logger } from '../../../platform/logger.ts';
import type { RelayerWithKeys } from '../../../platform/relayerKeys.ts';
import type { Clock } from '../../../shared/clock.ts';
import { createOzRelayerClient } from './createOzRelayerClient.ts';
import { createProviderCalls, type BreakerOptions } from '../createProviderCalls.ts';
import {
  carriesCall,
  parsePage,
  parsePendingCount,
  parseRelayer,
  parseTransaction,
  toTransaction,
  type ListedTransaction,
} from './ozRelayerAnswers.ts';
import { CLOCK_SKEW_MS } from '../providerTransaction.ts';

export interface OzRelayerOptions {
  readonly relayer: Pick<
    Extract<RelayerWithKeys, { provider: 'ozRelayer' }>,
    'id' | 'url' | 'relayerId' | 'apiKey'
  >;
  /** For one call. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly breaker?: BreakerOptions;
}

const PAGE_SIZE = 50;
/** Some 5,000 transactions. */
const MAX_PAGES = 100;

/**
 * A relayer at a self-hosted OpenZeppelin Relayer. It knows no idempotency key, so an ambiguous
 * send is looked up in its list.
 */
export function createOzRelayer(options: OzRelayerOptions): RelayerPort {
  const { id, url, relayerId, apiKey } = options.relayer;
  const client = createOzRelayerClient({
    url,
    relayerId,
    apiKey,
    timeoutMs: options.timeoutMs,
    clock: options.clock,
  });
  const { ask, find, send, unavailable } = createProviderCalls({
    relayerId: id,
    log: options.log,
    breaker: options.breaker,
  });

  const readPage = (number: number) =>
    ask({
      request: () => client.get(`/transactions/?page=${number}&per_page=${PAGE_SIZE}`),
      parse: parsePage,
    });

  /**
   * Page after page, those since that moment first. The list takes no dates, and its order depends
   * on where the provider keeps it: newest first in Redis, oldest first in memory. Only an order
   * that the first page proves is relied on; without one everything is read.
   */
  async function* listSince(from: Date): AsyncGenerator<readonly ListedTransaction[]> {
    const first = await readPage(1);
    const order = orderOf(first.items);
    const isPassed = (items: readonly ListedTransaction[]): boolean =>
      items.some(({ created_at: at }) => at < from);
    let read = 1;
    const readNext = async (number: number) => {
      if (++read > MAX_PAGES)
        throw unavailable(`the list of transactions has more than ${MAX_PAGES} pages`);
      return readPage(number);
    };
    if (order === 'oldestFirst') {
      // From its end. New ones are added behind what was read: they came after the question.
      for (let number = first.pages; number > 1; number--) {
        const { items } = await readNext(number);
        yield items;
        if (isPassed(items)) return;
      }
      yield first.items;
      return;
    }
    yield first.items;
    // New ones push those that were read onto the next page, where they are read again.
    for (let page = first, number = 2; number <= page.pages; number++) {
      if (order === 'newestFirst' && isPassed(page.items)) return;
      page = await readNext(number);
      yield page.items;
    }
  }

  return {
    id,

    send(input) {
      const body = {
        to: input.to,
        value: 0,
        data: input.data,
        gas_limit: Number(input.gasLimit),
        speed: 'fast',
        valid_until: input.validUntil.toISOString(),
      };
      return send(
        { request: () => client.post('/transactions', body), parse: parseTransaction },
        () => client.get(''),
      );
    },

    async findSent({ to, data, since }) {
      const from = new Date(since.getTime() - CLOCK_SKEW_MS);
      let ended: ProviderTransaction | undefined;
      let isHidden = false;
      for await (const items of listSince(from)) {
        for (const item of items.filter(({ created_at: at }) => !(at < from))) {
          const carries = carriesCall(item, { to, data });
          isHidden ||= carries === undefined;
          if (carries !== true) continue;
          const transaction = toTransaction(item);
          // An earlier try with the same call may have ended; the one that still lives is the one
          // that matters.
          if (transaction.state !== 'ended') return transaction;
          ended ??= transaction;
        }
      }
      // Passing over what cannot be told could pass over what is looked for, and have it sent
      // twice.
      if (isHidden)
        throw unavailable(
          'a listed transaction does not tell what it carries: it is being replaced, or the provider is too old',
        );
      return ended;
    },

    findTransaction: (providerTransactionId) =>
      find(
        {
          request: () => client.get(`/transactions/${encodeURIComponent(providerTransactionId)}`),
          parse: parseTransaction,
        },
        // It also answers 404 when it has no such relayer, as a wrong URL does: that is no word on
        // the transaction.
        ({ failure, message }) =>
          failure.kind === 'answered' && failure.status === 404 && /transaction/i.test(message),
      ),

    async getStatus() {
      const [relayer, pendingTransactions] = await Promise.all([
        ask({ request: () => client.get(''), parse: parseRelayer }),
        ask({
          request: () =>
            client.get('/status?include_balance=false&include_last_confirmed_tx=false'),
          parse: parsePendingCount,
        }),
      ]);
      return { ...relayer, pendingTransactions };
    },
  };
}

/** By what one page shows; undefined when it does not show any. */
function orderOf(items: readonly ListedTransaction[]): 'newestFirst' | 'oldestFirst' | undefined {
  const times = items.map(({ created_at: at }) => at.getTime());
  const isSorted = (compare: (a: number, b: number) => boolean): boolean =>
    times.slice(1).every((time, index) => compare(times[index] ?? Number.NaN, time));
  const [first = Number.NaN, last = Number.NaN] = [times[0], times.at(-1)];
  if (first > last && isSorted((a, b) => a >= b)) return 'newestFirst';
  return first < last && isSorted((a, b) => a <= b) ? 'oldestFirst' : undefined;
}
