import {
  encodeFunctionData,
  erc20Abi,
  type Account,
  type Address,
  type Hash,
  type PublicClient,
  type WalletClient,
  type Chain,
  type Transport,
} from 'viem';

export interface Approval {
  readonly owner: Account;
  readonly token: Address;
  readonly gateway: Address;
  readonly amount: bigint;
}

/**
 * Lets the gateway take the amount, as far as it may not yet. Some tokens (USDT) refuse to change
 * an allowance that is left over, of a payment that was given up for instance: there it is set to 0
 * first.
 * @returns the hashes of what was sent, each in a block
 */
export async function approveGateway(
  publicClient: PublicClient,
  wallet: WalletClient<Transport, Chain, Account>,
  { owner, token, gateway, amount }: Approval,
): Promise<Hash[]> {
  const allowance = await publicClient.readContract({
    address: token,
    abi: erc20Abi,
    functionName: 'allowance',
    args: [owner.address, gateway],
  });
  if (allowance >= amount) return [];
  // Encoded and sent as it is: such tokens return nothing, where the standard has a bool.
  const encode = (units: bigint) =>
    encodeFunctionData({ abi: erc20Abi, functionName: 'approve', args: [gateway, units] });
  const wouldBeRefused = (units: bigint) =>
    publicClient.call({ account: owner, to: token, data: encode(units) }).then(
      () => false,
      () => true,
    );
  const amounts = allowance > 0n && (await wouldBeRefused(amount)) ? [0n, amount] : [amount];
  const hashes: Hash[] = [];
  for (const units of amounts) {
    const hash = await wallet.sendTransaction({ to: token, data: encode(units) });
    const receipt = await publicClient.waitForTransactionReceipt({ hash });
    if (receipt.status !== 'success') throw new Error(`the approval ${hash} was reverted`);
    hashes.push(hash);
  }
  return hashes;
}
