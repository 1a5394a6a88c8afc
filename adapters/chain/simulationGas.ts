import { size } from 'viem';

import type { RelayItem } from '../../domain/chain/contractModel.ts';
import type { ChainConfig } from '../../platform/config.ts';
import type { Hex } from '../../shared/hex.ts';

/**
 * How much gas a simulation is given. It may run somebody else's code: a payer's wallet, a token.
 * Without a limit such code keeps the node busy until our patience ends, and its silence looks like
 * a chain that is away.
 */

/**
 * What the contracts let an item of a batch use altogether: a contract that takes more is not worth
 * taking its request on.
 */
export const ITEM_GAS = 400_000n;

/**
 * What a transaction takes around an item that goes by itself. In a batch the contracts limit what
 * an item may use; here nothing but this keeps a payer's own contract from having the relayer pay
 * for whatever it likes to compute.
 */
const AROUND_ITEM_GAS = 60_000n;
/** From 128 KiB on a transaction is refused by most nodes; no request of ours comes near. */
const GAS_PER_CALLDATA_BYTE = 16n;
/**
 * The contracts keep a 64th back at each call, and ask for some to be left before they begin an
 * item.
 */
const BATCH_PERCENT = 10n;

type Gas = Pick<ChainConfig, 'dataGasPerRequest'>;

/** The most that a transaction with these items may take. */
export function gasForItems(
  items: readonly Pick<RelayItem, 'signed'>[],
  data: Hex,
  { dataGasPerRequest }: Gas,
): bigint {
  const forItems = items.reduce((sum, { signed }) => {
    const asked = signed.rail === 'forwarder' ? signed.request.gas : 0n;
    return (
      sum + (asked > ITEM_GAS ? asked : ITEM_GAS) + AROUND_ITEM_GAS + BigInt(dataGasPerRequest)
    );
  }, 0n);
  const forBatch = items.length > 1 ? (forItems * BATCH_PERCENT) / 100n : 0n;
  return forItems + forBatch + GAS_PER_CALLDATA_BYTE * BigInt(size(data));
}

/** For one call to the gateway or a token that is simulated by itself. */
export function gasForCall(data: Hex, { dataGasPerRequest }: Gas): bigint {
  return (
    ITEM_GAS +
    AROUND_ITEM_GAS +
    BigInt(dataGasPerRequest) +
    GAS_PER_CALLDATA_BYTE * BigInt(size(data))
  );
}
