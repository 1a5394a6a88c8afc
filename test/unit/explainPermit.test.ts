import { expect } from 'chai';
import { maxUint256, recoverAddress, type TypedDataDefinition } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';

import { createExplainPermit } from '../../adapters/chain/createExplainPermit.ts';
import type { RpcClients } from '../../adapters/chain/createRpcClients.ts';
import { permitTypedData } from '../../adapters/chain/typedData.ts';
import type { Address, Hex } from '../../shared/hex.ts';

const TOKEN: Address = `0x${'11'.repeat(20)}`;
const GATEWAY: Address = `0x${'22'.repeat(20)}`;
const NAMES = { name: 'Test Dollar', version: '1' };
const CHAIN = {
  chainId: 31337,
  gateway: GATEWAY,
  tokens: [{ address: TOKEN, symbol: 'TUSD', decimals: 6, permit: NAMES }],
};
const PERMIT = { value: 5n, deadline: 2_000_000_000 };

describe('why a permit is refused', () => {
  const owner = privateKeyToAccount(generatePrivateKey());

  function sign(nonce: bigint): Promise<Hex> {
    const domain = { ...NAMES, chainId: CHAIN.chainId, verifyingContract: TOKEN };
    const typedData = permitTypedData(domain, {
      owner: owner.address,
      spender: GATEWAY,
      nonce,
      ...PERMIT,
    });
    return owner.signTypedData(typedData as unknown as TypedDataDefinition);
  }

  /** @param next the nonce that the token would take now */
  async function explain(next: bigint, signature: Hex) {
    let recoveries = 0;
    let turnsOfOthers = 0;
    let isOver = false;
    const countTurns = (): void => {
      if (isOver) return;
      turnsOfOthers += 1;
      setImmediate(countTurns);
    };
    const rpc = { attemptOneNode: () => Promise.resolve({ value: next }) } as unknown as Pick<
      RpcClients,
      'attemptOneNode'
    >;
    const explainPermit = createExplainPermit(CHAIN, rpc, (input) => {
      recoveries += 1;
      return recoverAddress(input);
    });
    setImmediate(countTurns);
    const told = await explainPermit(TOKEN, owner.address, {
      ...PERMIT,
      deadline: BigInt(PERMIT.deadline),
      signature,
    });
    isOver = true;
    return { told, recoveries, turnsOfOthers };
  }

  it('finds the nonce that it was signed with, the likeliest first', async () => {
    const signature = await sign(5n);
    const used = (next: bigint) =>
      explain(next, signature).then(({ told, recoveries }) => [told?.isEarly, recoveries]);
    expect(await used(5n)).to.deep.equal([undefined, 1]);
    expect(await used(6n)).to.deep.equal([false, 2]);
    expect(await used(4n)).to.deep.equal([true, 3]);
    expect(await used(8n)).to.deep.equal([false, 6]);
    expect(await used(2n)).to.deep.equal([true, 6]);
    expect((await explain(6n, signature)).told?.reason).to.match(/^its nonce 5 is used/);
    expect((await explain(4n, signature)).told?.reason).to.equal(
      'its nonce is 5, and the next one of the account is 4',
    );
  });

  it('tries few, and lets others have their turn before each, when another key signed it', async () => {
    const signature = await privateKeyToAccount(generatePrivateKey()).signMessage({
      message: 'hello',
    });
    const { told, recoveries, turnsOfOthers } = await explain(maxUint256 / 2n, signature);
    expect(told).to.equal(undefined);
    expect(recoveries).to.equal(7);
    expect(turnsOfOthers).to.be.at.least(7);
    expect((await explain(0n, signature)).recoveries).to.equal(4);
    expect((await explain(maxUint256, signature)).recoveries).to.equal(4);
  });
});
