import type { ChainPort, PaymentRefusal } from '../chain/ports.ts';
import { signerOf, type RelayItem } from './model.ts';

/** Why the gateway or the token would refuse this now, whatever call it comes in; undefined when they would not. */
export function findRefusalOf(chain: ChainPort, item: RelayItem): Promise<PaymentRefusal | undefined> {
  const { signed, terms, permit } = item;
  return signed.rail === 'refund' ? chain.findRefundRefusal(item) : chain.findRefusal({ terms, payer: signerOf(signed), permit });
}
