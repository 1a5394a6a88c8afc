import type { Block, ChainPort, PaymentRefusal, Receipt, RelayRefusal } from '../chain/ports.ts';
import { decideLateness } from './decideTime.ts';
import { decideBlame, type Blame } from './decideWaste.ts';
import type { RelayAttempt, RelayItem } from './model.ts';

/**
 * Whose doing it was that an attempt was mined in vain.
 * @param input.block the header of the receipt's block, as the chain shows it
 * @param input.item the attempt's, as the chain is asked about it; undefined: its payment is gone
 * @param input.refused what the batch's event says of it
 * @param input.refusal why the chain would refuse it now
 * @param input.leastMs see leastMsOf
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
  },
): Promise<Blame> {
  const { item, receipt, block, refused, refusal, leastMs } = input;
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
    isOutOfGas: call !== undefined && isUsedUp(receipt.gasUsed, call.gasLimit),
  });
}

/** Each call keeps 1/64 of the gas back from the one that runs out of it, and the token is three calls deep: at least 95 of 100 are gone then. */
function isUsedUp(used: bigint, limit: bigint): boolean {
  return used * 100n >= limit * 95n;
}
