import type { ProviderTransaction, RelayerPort } from '../../../domain/relayers/ports.ts';
import type { Logger } from '../../../platform/logger.ts';
import type { RelayerWithKeys } from '../../../platform/relayerKeys.ts';
import type { Clock } from '../../../shared/clock.ts';
import { createDefenderClient, type DefenderSigner } from './createDefenderClient.ts';
import {
  createProviderCalls,
  type BreakerOptions,
  type ProviderCall,
} from '../createProviderCalls.ts';
import { carriesCall, parsePage, parseRelayerStatus, parseTransaction } from './defenderAnswers.ts';
import { CLOCK_SKEW_MS } from '../providerTransaction.ts';

export interface DefenderRelayerOptions {
  readonly relayer: Pick<
    Extract<RelayerWithKeys, { provider: 'defender' }>,
    'id' | 'apiKey' | 'apiSecret'
  >;
  /** For one call, login included. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly breaker?: BreakerOptions;
}

const PAGE_SIZE = 50;
/** Some 5,000 transactions: at the advised 50 a minute, more than an hour. */
const MAX_PAGES = 100;

/**
 * A relayer at a Defender-compatible server. The server's address is the environment variable
 * DEFENDER_API_URL, which the SDK reads itself.
 */
export function createDefenderRelayer(options: DefenderRelayerOptions): RelayerPort {
  const { id, apiKey, apiSecret } = options.relayer;
  const client = createDefenderClient({
    apiKey,
    apiSecret,
    timeoutMs: options.timeoutMs,
    clock: options.clock,
  });
  const { ask, find, send, unavailable } = createProviderCalls({
    relayerId: id,
    log: options.log,
    breaker: options.breaker,
  });
  const to = <T>(
    operation: (signer: DefenderSigner) => Promise<unknown>,
    parse: ProviderCall<T>['parse'],
  ): ProviderCall<T> => ({
    request: () => client.call(operation),
    parse,
  });

  return {
    id,

    send(input) {
      const request = {
        to: input.to,
        data: input.data,
        gasLimit: Number(input.gasLimit),
        speed: 'fast' as const,
        validUntil: input.validUntil.toISOString(),
      };
      return send(
        to((signer) => signer.sendTransaction(request), parseTransaction),
        () => client.call((signer) => signer.getRelayerStatus()),
      );
    },

    async findSent({ to: target, data, since }) {
      const from = new Date(since.getTime() - CLOCK_SKEW_MS);
      let ended: ProviderTransaction | undefined;
      let next: string | undefined;
      for (let pages = 0; pages < MAX_PAGES; pages++) {
        const criteria = {
          since: from,
          limit: PAGE_SIZE,
          sort: 'desc' as const,
          ...(next === undefined ? {} : { next }),
        };
        const page = await ask(to((signer) => signer.listTransactions(criteria), parsePage));
        for (const item of page.items) {
          const carries = carriesCall(item, { to: target, data });
          const transaction = carries === false ? undefined : parseTransaction(item);
          // Passing over what cannot be read could pass over what is looked for, and have it sent
          // twice.
          if (carries === undefined || (carries && transaction === undefined))
            throw unavailable('a listed transaction cannot be read');
          if (transaction === undefined) continue;
          // An earlier try with the same call may have ended; the one that still lives is the one
          // that matters.
          if (transaction.state !== 'ended') return transaction;
          ended ??= transaction;
        }
        if (page.next === undefined) return ended;
        next = page.next;
      }
      throw unavailable(`the list of transactions has more than ${MAX_PAGES} pages`);
    },

    findTransaction: (providerTransactionId) =>
      find(
        to(
          (signer) => signer.getTransaction(encodeURIComponent(providerTransactionId)),
          parseTransaction,
        ),
        ({ failure }) => failure.kind === 'answered' && failure.status === 404,
      ),

    getStatus: () => ask(to((signer) => signer.getRelayerStatus(), parseRelayerStatus)),
  };
}
