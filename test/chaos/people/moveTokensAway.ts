import { encodeFunctionData, parseGwei, type Address, type Hex } from 'viem';
import { generatePrivateKey, privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts';

import { testTokenAbi } from '../../../contracts/generated/TestToken.ts';
import type { ChaosChain } from '../chains/startChaosChains.ts';
import { askFor } from '../nodes/rpc.ts';

/** Everything that a wallet would ask the chain for before it signs. */
export const WALLET_FEES = {
  gas: 200_000n,
  maxFeePerGas: parseGwei('100'),
  maxPriorityFeePerGas: parseGwei('1'),
} as const;

/**
 * All that the customer holds goes to somebody else, past the server's nodes. Into the mempool.
 * @param nonce of the customer's next transaction
 */
export async function moveTokensAway(
  chain: ChaosChain,
  customer: PrivateKeyAccount,
  nonce: number,
): Promise<void> {
  const balance = await chain.home.chain.balanceOf(chain.token, customer.address);
  if (balance === 0n) return;
  const call = { to: chain.token, data: encodeAway(balance), nonce, ...WALLET_FEES };
  const raw = await customer.signTransaction({ chainId: chain.chainId, type: 'eip1559', ...call });
  await sendRaw(chain, raw);
}

/** Calldata of a transfer to a new account. */
export function encodeAway(amount: bigint): Hex {
  const args: readonly [Address, bigint] = [
    privateKeyToAccount(generatePrivateKey()).address,
    amount,
  ];
  return encodeFunctionData({ abi: testTokenAbi, functionName: 'transfer', args });
}

export async function sendRaw(chain: ChaosChain, raw: Hex): Promise<void> {
  await askFor(chain.ask, 'eth_sendRawTransaction', [raw]);
}
