import type { ChainPort, KnownBlock, PaymentRefusal } from '../../chain/ports.ts';
import { findApproveFirst, type ApproveFirst } from './offerPermit.ts';
import { signerOf } from '../model.ts';
import type { RelayItem } from '../../chain/contractModel.ts';

/**
 * Why the gateway or the token says no; where an allowance is short, whether anything but an
 * approval could help.
 */
export type ExplainedRefusal = PaymentRefusal & { readonly approveFirst?: ApproveFirst };

/**
 * Why the gateway or the token would refuse this now, whatever call it comes in; undefined when
 * they would not.
 * @param since given: it is not one URL's word, see ChainPort.findRefusal
 */
export async function findRefusalOf(
  chain: ChainPort,
  item: RelayItem,
  since?: readonly KnownBlock[],
): Promise<ExplainedRefusal | undefined> {
  const { signed, terms, permit } = item;
  const owner = signerOf(signed);
  const refusal = await (signed.rail === 'refund'
    ? chain.findRefundRefusal(item, since)
    : chain.findRefusal({ terms, payer: owner, permit, since }));
  if (refusal?.kind !== 'insufficientAllowance') return refusal;
  const approveFirst = await findApproveFirst(chain, terms.token, owner);
  if (approveFirst !== null) return { ...refusal, approveFirst };
  // The token would ask a contract, but with nothing that this one takes: its next signature would
  // be no better.
  return refusal.isNoKeySignature && (await chain.isContract(owner))
    ? { ...refusal, approveFirst: 'contractWallet' }
    : refusal;
}
