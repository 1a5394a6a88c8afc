import { BaseError, concat, RpcRequestError, type PublicClient } from 'viem';

import type { Address, Hex } from '../../shared/hex.ts';

/**
 * Geth ("sender not an eoa"), Nethermind ("sender has deployed code"), Besu ("not authorized to
 * send transactions"), Reth ("reject transactions from senders with deployed code"), Frontier
 * ("TransactionMustComeFromEOA"): the rule for transactions (EIP-3607), which some nodes keep for
 * calls too.
 */
const NO_SENDER_WITH_CODE =
  /sender (is )?not an? eoa|senders? (has|have|with) (deployed )?code|not authorized to send transactions|must ?come ?from ?eoa|eip-?3607|from (address|account) (has|is a|with) (code|contract)/i;

interface Call {
  /** What the payer calls. */
  readonly data: Hex;
  readonly payer: Address;
  readonly forwarder: Address;
  readonly gateway: Address;
  readonly gas: bigint;
}

/**
 * Calls the gateway as the forwarder would for this payer: the payer's address stands behind the
 * calldata (ERC-2771). A node that takes no call from an account with code is asked as the payer,
 * for whom the gateway does the same; and where the payer's account has code too, as the forwarder
 * without its code, which nothing in the call asks for.
 */
export async function callAsForwarder(
  node: PublicClient,
  { data, payer, forwarder, gateway, gas }: Call,
): Promise<void> {
  const relayed = { account: forwarder, to: gateway, data: concat([data, payer]), gas } as const;
  try {
    await node.call(relayed);
  } catch (error) {
    if (!isSenderRefused(error)) throw error;
    try {
      await node.call({ account: payer, to: gateway, data, gas });
    } catch (second) {
      if (!isSenderRefused(second)) throw second;
      await node.call({ ...relayed, stateOverride: [{ address: forwarder, code: '0x' }] });
    }
  }
}

function isSenderRefused(error: unknown): boolean {
  const answer =
    error instanceof BaseError ? error.walk((cause) => cause instanceof RpcRequestError) : null;
  if (!(answer instanceof RpcRequestError)) return false;
  // Nethermind has the words in `data`.
  return (
    NO_SENDER_WITH_CODE.test(answer.details) ||
    (typeof answer.data === 'string' && NO_SENDER_WITH_CODE.test(answer.data))
  );
}
