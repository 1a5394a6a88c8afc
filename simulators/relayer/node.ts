import { BaseError, RpcRequestError, toHex } from 'viem';
import type { Address, Hex, PublicClient } from 'viem';

/** What the simulated relayer asks of its node besides the usual. */

export async function readGenesis(client: PublicClient, chainId: number): Promise<Hex> {
  const actual = await client.getChainId();
  if (actual !== chainId)
    throw new Error(
      `The relayer is to work on chain ${chainId}, but the node serves chain ${actual}`,
    );
  return (await client.getBlock({ blockNumber: 0n })).hash;
}

export async function fundOnAnvil(
  client: PublicClient,
  address: Address,
  log: (line: string) => void,
): Promise<void> {
  if ((await client.getBalance({ address })) > 0n) return;
  const version = await client.request({ method: 'web3_clientVersion' });
  if (!version.toLowerCase().startsWith('anvil'))
    return log(`${address} has no ether: it cannot send anything before it gets some`);
  await requestAnvil(client, 'anvil_setBalance', [address, toHex(10_000n * 10n ** 18n)]);
  log(`${address} was given 10000 ether`);
}

/** Methods that only anvil has, and viem's types therefore do not. Undefined on another node. */
export async function requestAnvil<Result>(
  client: PublicClient,
  method: string,
  params: unknown[],
): Promise<Result | undefined> {
  const request = client.request as unknown as (call: {
    method: string;
    params: unknown[];
  }) => Promise<Result>;
  try {
    return await request({ method, params });
  } catch (error) {
    if (
      error instanceof BaseError &&
      error.walk((cause) => cause instanceof RpcRequestError) !== null
    )
      return undefined;
    throw error;
  }
}
