import type { RelayItem } from '../../domain/chain/contractModel.ts';
import { ITEM_GAS } from './simulationGas.ts';

/**
 * What the code of a signer's account may cost a batch.
 *
 * The contracts never call an account whose key made the signature and that brings no permit. A
 * permit is judged by its token, and some tokens (USDC) ask an account that has code; a signature
 * that no key made is judged by the account's code. Such code may be cheap when it is simulated and
 * use up all it gets in the block, and any account may get code between the two (EIP-7702).
 *
 * The contracts begin no item without all the gas that they promise it; they undo the whole batch
 * instead. So a batch carries, for each item whose account may be asked, the most that such an item
 * may use. It does so whether the account has code now or not: then no account can take gas from
 * the other items. The chain charges only for gas that was used.
 */

/**
 * MSQPayForwarder.BATCH_PERMIT_GAS. On that rail only the permit can ask an account: the forwarder
 * itself knows no contract accounts.
 */
const BATCH_PERMIT_GAS = 150_000n;

export type IsSignedByKey = (item: RelayItem) => Promise<boolean>;

/** Whether the item may have its signer's code asked, should the account have any. */
export async function mayAskAccount(
  item: RelayItem,
  isSignedByKey: IsSignedByKey,
): Promise<boolean> {
  return item.permit !== null || !(await isSignedByKey(item));
}

/**
 * Gas on top of the estimate of a batch. One item by itself has nobody beside it: its limit is its
 * own estimate.
 */
export async function foreignCodeGas(
  items: readonly RelayItem[],
  isSignedByKey: IsSignedByKey,
): Promise<bigint> {
  if (items.length === 1) return 0n;
  const gas = await Promise.all(
    items.map(async (item): Promise<bigint> => {
      if (!(await mayAskAccount(item, isSignedByKey))) return 0n;
      return item.signed.rail === 'forwarder' ? BATCH_PERMIT_GAS : ITEM_GAS;
    }),
  );
  return gas.reduce((sum, most) => sum + most, 0n);
}
