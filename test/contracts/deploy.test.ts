import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { testTokenAbi } from '../../contracts/generated/TestToken.ts';
import { paymentGatewayAbi } from '../../contracts/generated/PaymentGateway.ts';
import { deployContracts, isDeployed } from '../../contracts/deploy.ts';
import { stranger, useContracts } from './support.ts';
import { createPublicClient, http, toHex, type Hex } from 'viem';
import { startChain } from '../../dev/chain.ts';
import { programArguments } from '../support/programArguments.ts';

describe('deployContracts', () => {
  const world = useContracts();

  it('deploys a gateway that trusts its forwarder, and the tokens as described', async () => {
    const key = stranger.getHdKey().privateKey;
    const tokens = [
      { name: 'Six', symbol: 'SIX', decimals: 6 },
      { name: 'Eighteen', symbol: 'EIGHT', decimals: 18 },
    ];
    const deployed = await deployContracts({
      rpcUrl: world.chain.rpcUrl,
      deployerPrivateKey: toHex(key ?? new Uint8Array()),
      tokens,
    });
    expect(
      await world.client.readContract({
        address: deployed.gateway,
        abi: paymentGatewayAbi,
        functionName: 'trustedForwarder',
      }),
    ).to.equal(deployed.forwarder);
    expect(
      deployed.tokens.map(({ name, symbol, decimals }) => ({ name, symbol, decimals })),
    ).to.deep.equal(tokens);
    for (const { address, name, symbol, decimals } of deployed.tokens) {
      const read = (functionName: 'name' | 'symbol' | 'decimals') =>
        world.client.readContract({ address, abi: testTokenAbi, functionName });
      expect([await read('name'), await read('symbol'), await read('decimals')]).to.deep.equal([
        name,
        symbol,
        decimals,
      ]);
    }
    expect(
      await world.client.getCode({
        address: deployed.gateway,
        blockNumber: deployed.blockNumber - 1n,
      }),
    ).to.equal(undefined);
    expect(
      await world.client.getCode({ address: deployed.gateway, blockNumber: deployed.blockNumber }),
    ).to.not.equal(undefined);
  });

  it('is a command, which prints what the chains file needs', async () => {
    const DEPLOYER_PRIVATE_KEY = toHex(stranger.getHdKey().privateKey ?? new Uint8Array());
    const args = [...programArguments('contracts/deployMain.ts'), '--rpc', world.chain.rpcUrl];
    const { stdout } = await promisify(execFile)(process.execPath, args, {
      env: { ...process.env, DEPLOYER_PRIVATE_KEY },
    });
    const printed = JSON.parse(stdout) as { gateway: Hex; forwarder: Hex; startBlock: number };
    const { gateway, forwarder, startBlock } = printed;
    expect(
      await world.client.readContract({
        address: gateway,
        abi: paymentGatewayAbi,
        functionName: 'trustedForwarder',
      }),
    ).to.equal(forwarder);
    expect(
      await world.client.getCode({ address: gateway, blockNumber: BigInt(startBlock) }),
    ).to.not.equal(undefined);
  });

  it('spends nothing on a chain without the rules of Cancun, and says so', async () => {
    const old = await startChain({ hardfork: 'shanghai' });
    try {
      const DEPLOYER_PRIVATE_KEY = toHex(stranger.getHdKey().privateKey ?? new Uint8Array());
      const args = [...programArguments('contracts/deployMain.ts'), '--rpc', old.rpcUrl];
      const env = { ...process.env, DEPLOYER_PRIVATE_KEY };
      const refusal = await promisify(execFile)(process.execPath, args, { env }).catch(
        (error: unknown) => error,
      );
      expect(refusal).to.have.property('code', 1);
      expect(refusal)
        .to.have.property('stderr')
        .that.matches(/rules of Cancun .*Nothing was sent/);
      const client = createPublicClient({ transport: http(old.rpcUrl) });
      expect(await client.getTransactionCount({ address: stranger.address })).to.equal(0);
      expect(await client.getBlockNumber()).to.equal(0n);
    } finally {
      await old.close();
    }
    const cancun = await startChain({ hardfork: 'cancun' });
    try {
      const key = toHex(stranger.getHdKey().privateKey ?? new Uint8Array());
      const { gateway } = await deployContracts({
        rpcUrl: cancun.rpcUrl,
        deployerPrivateKey: key,
        tokens: [],
      });
      expect(await isDeployed(cancun.rpcUrl, gateway)).to.equal(true);
    } finally {
      await cancun.close();
    }
  });

  it('can be asked whether a contract is there', async () => {
    expect(await isDeployed(world.chain.rpcUrl, world.gateway)).to.equal(true);
    expect(await isDeployed(world.chain.rpcUrl, stranger.address)).to.equal(false);
  });
});
