import type { RelayerTransaction, StoredTransaction } from './transactionStore.ts';

/** Wei a gas unit: one gas price, or EIP-1559's two. */
export type Prices = Pick<RelayerTransaction, 'gasPrice' | 'maxFeePerGas' | 'maxPriorityFeePerGas'>;
const priceNames = ['gasPrice', 'maxFeePerGas', 'maxPriorityFeePerGas'] as const;

export function pricesIn(shown: RelayerTransaction): Prices {
  const prices: Prices = {};
  for (const name of priceNames) if (shown[name] !== undefined) prices[name] = shown[name];
  return prices;
}

/**
 * 10 % up, which is what providers add and the least that nodes accept for a replacement; more
 * where `asked` is more.
 */
export function raisePrices(prices: Prices, asked: Prices): Prices {
  const raised: Prices = {};
  for (const name of priceNames) {
    const price = prices[name];
    if (price !== undefined)
      raised[name] = Math.max(Math.ceil((price * 11) / 10) + 1, asked[name] ?? 0);
  }
  return raised;
}

/**
 * With the nonce shared, the same request sent again would be the very same transaction, and its
 * receipt would count for both.
 */
export function makeUnique({ shown, sequence }: StoredTransaction): void {
  if (shown.gasPrice !== undefined) shown.gasPrice += sequence;
  else if (shown.maxFeePerGas !== undefined) shown.maxFeePerGas += sequence;
}

export function costOf(shown: RelayerTransaction): bigint {
  return (
    BigInt(shown.gasLimit) * BigInt(shown.gasPrice ?? shown.maxFeePerGas ?? 0) +
    BigInt(shown.value ?? 0)
  );
}
