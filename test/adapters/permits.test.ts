import { expect } from 'chai';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getAddress, type Abi, type Hex } from 'viem';

import { createJudgePermit } from '../../adapters/chain/createJudgePermit.ts';
import { createRpcClients } from '../../adapters/chain/createRpcClients.ts';
import { daiTokenAbi, daiTokenBytecode } from '../../contracts/generated/test/DaiToken.ts';
import {
  hostileTokenAbi,
  hostileTokenBytecode,
} from '../../contracts/generated/test/HostileToken.ts';
import {
  regulatedTokenAbi,
  regulatedTokenBytecode,
} from '../../contracts/generated/test/RegulatedToken.ts';
import { testWalletAbi, testWalletBytecode } from '../../contracts/generated/test/TestWallet.ts';
import { usdtTokenAbi, usdtTokenBytecode } from '../../contracts/generated/test/UsdtToken.ts';
import {
  walletPermitTokenAbi,
  walletPermitTokenBytecode,
} from '../../contracts/generated/test/WalletPermitToken.ts';
import type { PermitVerdict } from '../../domain/chain/model.ts';
import type { Address } from '../../shared/hex.ts';
import { createLogger } from '../../platform/logger.ts';
import { startChainFixture, type ChainFixture } from './chainFixture.ts';

const DEAD = 'http://127.0.0.1:1';

describe('judgePermit', function () {
  this.timeout(60_000);

  let on: ChainFixture;
  before(async () => {
    on = await startChainFixture();
  });
  after(() => on.close());

  async function deploy(abi: Abi, bytecode: Hex, args: readonly unknown[] = []): Promise<Address> {
    const hash = await on.wallet.deployContract({ abi, bytecode, args, account: on.deployer });
    return getAddress((await on.wallet.waitForTransactionReceipt({ hash })).contractAddress ?? '');
  }

  const listed = (address: Address, permit: { name: string; version: string }) => ({
    address,
    symbol: 'TEST',
    decimals: 6,
    permit,
  });
  function judge(
    address: Address,
    permit: { name: string; version: string },
  ): Promise<PermitVerdict> {
    return on.createPort([on.rpcUrl], { tokens: [listed(address, permit)] }).judgePermit(address);
  }

  it('says that a permit works which the token takes, and whether the token asks contract accounts', async () => {
    expect(await judge(on.token, { name: 'Test Dollar', version: '1' })).to.deep.equal({
      kind: 'works',
      asContract: false,
    });
    const asking = await deploy(walletPermitTokenAbi, walletPermitTokenBytecode);
    expect(await judge(asking, { name: 'Wallet Dollar', version: '1' })).to.deep.equal({
      kind: 'works',
      asContract: true,
    });
  });

  it('leaves nothing behind: no allowance, no nonce, no block', async () => {
    const before = await on.port.getHead();
    await judge(on.token, { name: 'Test Dollar', version: '1' });
    expect(await on.port.getHead()).to.deep.equal(before);
  });

  it('names a domain that is not the token’s, and the one that would be right', async () => {
    for (const wrong of [
      { name: 'Test dollar', version: '1' },
      { name: 'Test Dollar', version: '2' },
    ]) {
      const verdict = await judge(on.token, wrong);
      expect(verdict).to.include({ kind: 'unusable', flaw: 'otherDomain' });
      expect(verdict)
        .to.have.property('detail')
        .that.matches(/DOMAIN_SEPARATOR .* its name is "Test Dollar" and its version "1"\.$/);
    }
  });

  it('names a permit of another kind', async () => {
    const verdict = await judge(await deploy(daiTokenAbi, daiTokenBytecode), {
      name: 'Dai-like',
      version: '1',
    });
    expect(verdict).to.include({ kind: 'unusable', flaw: 'otherKind' });
  });

  it('says that there is none where a token has no such call, does nothing, or is not there', async () => {
    const usdt = await deploy(usdtTokenAbi, usdtTokenBytecode, [6]);
    const hostile = await deploy(hostileTokenAbi, hostileTokenBytecode);
    // Takes any call, and does nothing: as the fallback of WETH.
    const wallet = await deploy(testWalletAbi, testWalletBytecode, [on.deployer.address]);
    for (const token of [usdt, hostile, wallet, getAddress(`0x${'12'.repeat(20)}`)]) {
      expect(await judge(token, { name: 'Any', version: '1' })).to.include({
        kind: 'unusable',
        flaw: 'noPermit',
      });
    }
  });

  it('says in the token’s words why it takes none, and finds out when it does again', async () => {
    const token = await deploy(regulatedTokenAbi, regulatedTokenBytecode, ['Regulated', 'REG', 6]);
    const config = { ...on.config, tokens: [listed(token, { name: 'Regulated', version: '1' })] };
    const log = createLogger({ log: { level: 'silent', pretty: false } }, 'test');
    let now = 0;
    const rpc = createRpcClients({ ...config, log });
    const { judgePermit, listPermitVerdicts } = createJudgePermit(config, rpc, {
      log,
      now: () => now,
    });
    const pause = (paused: boolean) =>
      on.mine(
        on.wallet.writeContract({
          address: token,
          abi: regulatedTokenAbi,
          functionName: 'setPaused',
          args: [paused],
          account: on.deployer,
        }),
      );
    expect(listPermitVerdicts()).to.deep.equal([{ token, verdict: { kind: 'unknown' } }]);
    await pause(true);
    const refused: PermitVerdict = {
      kind: 'unusable',
      flaw: 'refused',
      detail: 'The token refuses a permit that is signed for its own domain: Pausable: paused.',
    };
    expect(await judgePermit(token)).to.deep.equal(refused);
    await pause(false);
    // Not asked again within a minute.
    expect(await judgePermit(token)).to.deep.equal(refused);
    now += 60_000;
    expect(await judgePermit(token)).to.deep.equal({ kind: 'works', asContract: false });
    await pause(true);
    now += 599_999;
    expect(await judgePermit(token)).to.include({ kind: 'works' });
    now += 1;
    expect(await judgePermit(token)).to.deep.equal(refused);
    expect(listPermitVerdicts()).to.deep.equal([{ token, verdict: refused }]);
  });

  it('is no verdict while no node answers: what was known stands', async () => {
    const config = {
      ...on.config,
      tokens: [listed(on.token, { name: 'Test Dollar', version: '1' })],
    };
    const log = createLogger({ log: { level: 'silent', pretty: false } }, 'test');
    let now = 0;
    let isAway = false;
    const rpc = createRpcClients({ ...config, log });
    const dead = createRpcClients({ ...config, rpcUrls: [DEAD], log });
    const failing = {
      ...rpc,
      attemptOneNode: ((work) =>
        isAway
          ? dead.askOneNode((client) => client.getChainId())
          : rpc.attemptOneNode(work)) as typeof rpc.attemptOneNode,
    };
    const { judgePermit } = createJudgePermit(config, failing, { log, now: () => now });
    isAway = true;
    expect(await judgePermit(on.token)).to.deep.equal({ kind: 'unknown' });
    isAway = false;
    now += 5_000;
    expect(await judgePermit(on.token)).to.include({ kind: 'works' });
    isAway = true;
    now += 600_000;
    expect(await judgePermit(on.token)).to.include({ kind: 'works' });
  });

  describe('with several URLs', () => {
    interface Question {
      readonly id: number;
      readonly method: string;
      readonly params?: readonly { readonly to?: string }[];
    }
    type Answer = { readonly result: Hex } | { readonly error: object };

    /**
     * A node that gives one answer to every call of the token, and else passes on what a node says.
     */
    async function withOddNode(
      answer: Answer,
      work: (rpcUrl: string) => Promise<void>,
    ): Promise<void> {
      const server = createServer((request, response) => {
        const chunks: Buffer[] = [];
        request.on('data', (chunk: Buffer) => chunks.push(chunk));
        request.on('end', () => {
          const asked = JSON.parse(Buffer.concat(chunks).toString()) as Question | Question[];
          const isOdd = ({ method, params }: Question) =>
            method === 'eth_call' && params?.[0]?.to?.toLowerCase() === on.token.toLowerCase();
          const tell = async (question: Question): Promise<unknown> => {
            if (isOdd(question)) return { jsonrpc: '2.0', id: question.id, ...answer };
            const headers = { 'content-type': 'application/json' };
            return (
              await fetch(on.rpcUrl, { method: 'POST', headers, body: JSON.stringify(question) })
            ).json();
          };
          void Promise.all([asked].flat().map(tell)).then((answers) => {
            response.writeHead(200, { 'content-type': 'application/json' });
            response.end(JSON.stringify(Array.isArray(asked) ? answers : answers[0]));
          });
        });
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      try {
        await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
      } finally {
        server.closeAllConnections();
        server.close();
      }
    }

    const ODD: readonly (readonly [string, Answer])[] = [
      ['a revert', { error: { code: 3, message: 'execution reverted', data: '0x' } }],
      ['nothing', { result: '0x' }],
    ];
    for (const [name, answer] of ODD) {
      it(`does not believe one that says ${name} of the token, against another one on which the permit works`, () =>
        withOddNode(answer, async (odd) => {
          const tokens = [listed(on.token, { name: 'Test Dollar', version: '1' })];
          const port = on.createPort([odd, on.rpcUrl], { tokens });
          expect(await port.judgePermit(on.token)).to.deep.equal({
            kind: 'works',
            asContract: false,
          });
          // Nobody contradicts it.
          expect(await on.createPort([odd, DEAD], { tokens }).judgePermit(on.token)).to.include({
            kind: 'unusable',
            flaw: 'noPermit',
          });
        }));
    }

    it('says that a permit does not work when all of them say so', async () => {
      const tokens = [listed(on.token, { name: 'Other', version: '1' })];
      const verdict = await on
        .createPort([on.rpcUrl, on.rpcUrl, DEAD], { tokens })
        .judgePermit(on.token);
      expect(verdict).to.include({ kind: 'unusable', flaw: 'otherDomain' });
    });
  });

  it('asks once for those that ask at once', async () => {
    const config = {
      ...on.config,
      tokens: [listed(on.token, { name: 'Test Dollar', version: '1' })],
    };
    const log = createLogger({ log: { level: 'silent', pretty: false } }, 'test');
    const rpc = createRpcClients({ ...config, log });
    let probes = 0;
    const counting: typeof rpc = {
      ...rpc,
      askOneNode: (work) => {
        probes += 1;
        return rpc.askOneNode(work);
      },
    };
    const { judgePermit } = createJudgePermit(config, counting, { log, now: () => 0 });
    await Promise.all([1, 2, 3].map(() => judgePermit(on.token)));
    await judgePermit(on.token);
    expect(probes).to.equal(1);
  });

  it('tells a contract from an account of a key', async () => {
    expect(await on.port.isContract(on.token)).to.equal(true);
    expect(await on.port.isContract(on.deployer.address)).to.equal(false);
  });
});
