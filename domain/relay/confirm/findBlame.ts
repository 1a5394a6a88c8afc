import type { Block, ChainPort, PaymentRefusal, Receipt, RelayRefusal } from '../../chain/ports.ts';
import { decideLateness } from '../attempts/decideTime.ts';
import { decideBlame, decideBlameOfSkipped, type Blame } from '../waste/decideWaste.ts';
import type { RelayAttempt } from '../model.ts';
import type { RelayItem } from '../../chain/contractModel.ts';

/**
 * Whose doing it was that an attempt was mined in vain.
 * @param input.block the header of the receipt's block, as the chain shows it
 * @param input.item the attempt's, as the chain is asked about it; undefined: its payment is gone
 * @param input.refused what the batch's event says of it
 * @param input.refusal why the chain would refuse it now
 * @param input.leastMs see leastMsOf
 * @param input.gasLimit what its transaction was handed over with
 * @throws AppError `CHAIN_ERRORS.unavailable`
 */
export async function findBlame(
  chain: ChainPort,
  attempt: RelayAttempt,
  input: {
    readonly item: RelayItem | undefined;
    readonly receipt: Receipt;
    readonly block: Block;
    readonly refused: RelayRefusal | undefined;
    readonly refusal: PaymentRefusal | undefined;
    readonly leastMs: number;
    readonly gasLimit: bigint;
  },
): Promise<Blame> {
  const { item, receipt, block, refused, refusal, leastMs, gasLimit } = input;
  const [call, hasCode] = await Promise.all([
    chain.findCall(receipt.hash),
    // The account may have got its code between the sending and the block.
    attempt.runsForeignCode || (item !== undefined && chain.runsForeignCode(item)),
  ]);
  return decideBlame({
    runsForeignCode: hasCode,
    refusedFor: refused?.reason,
    refusal,
    lateness: decideLateness(attempt, block.timestamp, leastMs),
    mayHaveBurned: attempt.permit !== null && call !== undefined && call.gasLimit >= gasLimit,
    isOutOfGas: call !== undefined && isUsedUp(receipt.gasUsed, call.gasLimit),
  });
}

/**
 * Whose doing it was that an attempt left no trace in a batch. Where all of the batch was undone,
 * that was its size, or another item. Else the forwarder passed it over, once its permit was
 * applied.
 * @throws AppError `CHAIN_ERRORS.unavailable`
 */
export async function findBlameOfSkipped(
  chain: ChainPort,
  attempt: RelayAttempt,
  input: { readonly receipt: Receipt; readonly block: Block; readonly leastMs: number },
): Promise<Blame> {
  const { receipt, block, leastMs } = input;
  const { signed } = attempt;
  if (!receipt.succeeded || signed.rail !== 'forwarder') return 'nobody';
  return decideBlameOfSkipped({
    lateness: decideLateness(attempt, block.timestamp, leastMs),
    isNonceUsed: (await chain.getForwarderNonce(signed.request.from)) > signed.request.nonce,
  });
}

/**
 * Each call keeps 1/64 of the gas back from the one that runs out of it, and the token is three
 * calls deep: at least 95 of 100 are gone then.
 */
function isUsedUp(used: bigint, limit: bigint): boolean {
  return used * 100n >= limit * 95n;
}
