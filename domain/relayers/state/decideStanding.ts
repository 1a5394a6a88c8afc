import { decideRequestGas } from '../../chain/decideRequestGas.ts';
import type { RelayerStanding } from '../model.ts';

/**
 * Where the operator set nothing: a relayer's account is low when it cannot pay for this many
 * requests at the present price, poor when for none.
 */
const LOW_REQUESTS = 100n;

/**
 * @param chain see decideRequestGas; `gasPrice` is undefined when the chain did not say
 * @returns wei; `low` is null when it is not configured and the chain did not say what gas costs
 */
export function decideBalances(
  config: {
    readonly minBalanceWei?: bigint | undefined;
    readonly alertBelowWei?: bigint | undefined;
  },
  chain: { readonly gasPrice: bigint | undefined; readonly dataGas: bigint },
): { readonly least: bigint; readonly low: bigint | null } {
  const { gasPrice, dataGas } = chain;
  const request =
    gasPrice === undefined ? undefined : gasPrice * decideRequestGas('forwarder', false, dataGas);
  return {
    least: config.minBalanceWei ?? request ?? 0n,
    low: config.alertBelowWei ?? (request === undefined ? null : request * LOW_REQUESTS),
  };
}

/** @param input.balance undefined when the chain did not say */
export function decideStanding(input: {
  readonly paused: boolean;
  readonly balance: bigint | undefined;
  readonly minBalance: bigint;
}): RelayerStanding {
  if (input.paused) return 'paused';
  // Without anything no gas can be paid, whatever the configuration says.
  return input.balance !== undefined && (input.balance === 0n || input.balance < input.minBalance)
    ? 'poor'
    : 'ready';
}
