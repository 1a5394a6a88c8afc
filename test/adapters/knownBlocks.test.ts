import { expect } from 'chai';
import { generatePrivateKey, privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts';

import { RPC_TIMEOUT_MS } from '../../adapters/chain/createRpcClients.ts';
import { testWalletAbi, testWalletBytecode } from '../../contracts/generated/test/TestWallet.ts';
import type { ChainPort, KnownBlock } from '../../domain/chain/ports.ts';
import type { PaymentTerms } from '../../domain/chain/contractModel.ts';
import type { Bytes32 } from '../../shared/hex.ts';
import { startOddNode, type OddNode } from '../support/startOddNode.ts';
import { rejection, sign, startChainFixture, type ChainFixture } from './chainFixture.ts';

describe('the chain adapter, asked as of blocks that are known', () => {
  let on: ChainFixture;
  let node: OddNode;
  /** The URL that lags comes first. */
  let both: ChainPort;
  let old: ChainPort;
  let payer: PrivateKeyAccount;
  let terms: PaymentTerms;
  let paymentId: Bytes32;

  before(async () => {
    on = await startChainFixture();
    node = await startOddNode(on.rpcUrl);
  });
  after(async () => {
    await node.close();
    await on.close();
  });

  beforeEach(async () => {
    node.catchUp();
    node.forkAt(undefined);
    node.runAhead(0);
    node.ageBy(0);
    node.answerCallsUpTo(undefined);
    node.changeResults(undefined);
    payer = privateKeyToAccount(generatePrivateKey());
    terms = on.makeTerms();
    paymentId = on.port.paymentIdOf(terms);
    // New ones each time: they remember who lags.
    old = on.createPort([node.url]);
    both = on.createPort([node.url, on.rpcUrl]);
  });

  const head = async (): Promise<KnownBlock[]> => [await on.port.getHead()];

  /** The node does not see it. */
  async function payUnseen(): Promise<void> {
    await on.mint(payer.address, terms.amount);
    await on.approve(payer, terms.amount);
    await node.standStill();
    await on.pay(payer, terms);
  }

  it('is not told that nobody has paid by a URL that lacks one of them: another is asked', async () => {
    await payUnseen();
    const since = await head();
    expect(await old.findPayer(paymentId)).to.equal(undefined);
    expect(await old.findPayer(paymentId, since)).to.equal('unknown');
    expect(await both.findPayer(paymentId, since)).to.equal(payer.address);
    node.catchUp();
    expect(await old.findPayer(paymentId, since)).to.equal(payer.address);
    expect(await both.findPayer(on.port.paymentIdOf(on.makeTerms()), await head())).to.equal(
      undefined,
    );
  });

  it('is not told so by a URL on a fork either, however high its head is', async () => {
    const [block] = await head();
    node.forkAt(block!.number);
    expect(await old.findPayer(paymentId, [block!])).to.equal('unknown');
    expect(
      await old.findPayer(paymentId, [{ number: block!.number }]),
      'any block of that height',
    ).to.equal(undefined);
    expect(await both.findPayer(paymentId, [block!])).to.equal(undefined);
  });

  it('takes the word of one that lacks them for what was done: it has happened', async () => {
    await on.mint(payer.address, terms.amount);
    await on.approve(payer, terms.amount);
    await on.pay(payer, terms);
    await node.standStill();
    await on.mint(payer.address, 1n);
    expect(await old.findPayer(paymentId, await head())).to.equal(payer.address);
  });

  it('is told by another node behind the same URL, which lacks its head and has those blocks', async () => {
    await on.mint(payer.address, terms.amount);
    await on.approve(payer, terms.amount);
    await on.pay(payer, terms);
    const since = await head();
    await on.mint(payer.address, 1n);
    node.answerCallsUpTo(since[0]!.number);
    expect(await old.findPayer(paymentId, since)).to.equal(payer.address);
    expect(await old.findPayer(on.port.paymentIdOf(on.makeTerms()), since)).to.equal(undefined);
    expect(await old.isRefunded(paymentId, 1n, since)).to.equal(false);
    node.answerCallsUpTo(since[0]!.number - 1n);
    expect(
      (await rejection(old.findPayer(paymentId, since))).code,
      'which lacks those too',
    ).to.equal('PAY_020');
  });

  it('is not told that something was not done by one URL that lies, whichever is asked first', async () => {
    await on.mint(payer.address, terms.amount);
    await on.approve(payer, terms.amount);
    await on.pay(payer, terms);
    const since = await head();
    const nothing = `0x${'00'.repeat(32)}`;
    node.changeResults((method, result) => (method === 'eth_call' ? nothing : result));
    expect(await old.findPayer(paymentId, since), 'all there is').to.equal(undefined);
    expect(await both.findPayer(paymentId, since)).to.equal(payer.address);
    node.changeResults((method, result) =>
      method === 'eth_call' ? nothing.replace(/0$/, '1') : result,
    );
    const otherFirst = on.createPort([on.rpcUrl, node.url]);
    expect(
      await otherFirst.isRefunded(paymentId, 1n, since),
      'where a second refund might be made',
    ).to.equal(true);
  });

  it('takes many for unpaid only when every URL says so: who shows one as paid may be behind', async () => {
    const unpaid = on.port.paymentIdOf(on.makeTerms());
    await payUnseen();
    const [block] = await head();
    expect([...(await both.findPayers([unpaid, paymentId])).payers]).to.deep.equal([
      [paymentId, payer.address],
    ]);
    const otherFirst = on.createPort([on.rpcUrl, node.url]);
    const { block: asOf, payers } = await otherFirst.findPayers([unpaid, paymentId]);
    // The other one does not say so as of its own block.
    expect([asOf?.number, [...payers]]).to.deep.equal([
      block!.number - 1n,
      [[paymentId, payer.address]],
    ]);
    node.catchUp();
    await node.standStill();
    for (let blocks = 0; blocks < 20; blocks++) await on.mint(payer.address, 1n);
    // The one that is ahead is on another branch: what it does not show, the one behind does.
    const ahead = await startOddNode(on.rpcUrl);
    ahead.changeResults((method, result) =>
      method === 'eth_call' ? `0x${'00'.repeat(32)}` : result,
    );
    const { payers: shownBehind } = await on
      .createPort([ahead.url, node.url])
      .findPayers([paymentId]);
    await ahead.close();
    expect([...shownBehind]).to.deep.equal([[paymentId, payer.address]]);
  });

  it('knows a permit as the next one only from a URL that has those blocks', async () => {
    const permit = await on.signPermit(payer, terms.amount);
    const asked = { token: on.token, owner: payer.address, permit };
    expect(await both.isPermitNext(asked, await head())).to.equal(true);
    expect(
      await both.isPermitNext({ ...asked, owner: on.merchant }, await head()),
      'of another key',
    ).to.equal(false);
    expect(
      await both.isPermitNext({ ...asked, token: on.hostileToken }, await head()),
      'a token without one',
    ).to.equal(false);
    await node.standStill();
    await on.mint(payer.address, 1n);
    const since = await head();
    expect(await old.isPermitNext(asked, since)).to.equal(false);
    expect(await both.isPermitNext(asked, since)).to.equal(true);
  });

  it('does not call a refund unmade, nor give a nonce, on the word of such a one', async () => {
    await node.standStill();
    await on.mint(payer.address, 1n);
    const since = await head();
    expect(await old.isRefunded(paymentId, 1n, since)).to.equal('unknown');
    expect(await both.isRefunded(paymentId, 1n, since)).to.equal(false);
    expect((await rejection(old.getForwarderNonce(payer.address, since))).code).to.equal('PAY_020');
    expect(await both.getForwarderNonce(payer.address, since)).to.equal(0n);
    expect(await old.getForwarderNonce(payer.address)).to.equal(0n);
  });

  it('gives a nonce as soon as one URL that has those blocks does, whoever else is slow or silent', async () => {
    const slow = await startOddNode(on.rpcUrl);
    await node.standStill();
    await on.mint(payer.address, 1n);
    slow.holdBack(true);
    const startedAt = performance.now();
    expect(
      await on
        .createPort([node.url, slow.url, on.rpcUrl])
        .getForwarderNonce(payer.address, await head()),
    ).to.equal(0n);
    expect(performance.now() - startedAt, 'its time limit').to.be.below(RPC_TIMEOUT_MS);
    // Where no other one has them, it is waited for.
    const waiting = on
      .createPort([node.url, slow.url])
      .getForwarderNonce(payer.address, await head());
    slow.holdBack(false);
    expect(await waiting).to.equal(0n);
    await slow.close();
  });

  describe('whether a payment would be refused', () => {
    const find = (port: ChainPort, since?: readonly KnownBlock[]) =>
      port.findRefusal({ terms, payer: payer.address, permit: null, since });

    it('is not told by a URL that lags behind the payer’s tokens', async () => {
      await node.standStill();
      await on.mint(payer.address, terms.amount);
      await on.approve(payer, terms.amount);
      const since = await head();
      expect((await find(old))?.kind).to.equal('insufficientBalance');
      expect((await rejection(find(old, since))).code).to.equal('PAY_020');
      expect(await find(both, since)).to.equal(undefined);
      node.catchUp();
      expect(await find(old, since)).to.equal(undefined);
    });

    it('is told when all say so, and by whoever answers', async () => {
      const dead = on.createPort(['http://127.0.0.1:9', on.rpcUrl]);
      for (const port of [old, both, dead])
        expect((await find(port, await head()))?.kind).to.equal('insufficientBalance');
      expect((await find(both, []))?.kind).to.equal('insufficientBalance');
    });

    it('is told by one when it has been paid', async () => {
      await payUnseen();
      const ahead = on.createPort([on.rpcUrl, node.url]);
      expect((await find(ahead, []))?.kind).to.equal('alreadyProcessed');
    });
  });

  it('takes an account for a contract, and a contract’s signature for a bad one, only when every URL says so', async () => {
    const { authorizationOf, wallet } = await deployWalletUnseen();
    const signed = await authorizationOf(wallet);
    expect(await old.verifySignature(signed)).to.equal(undefined);
    expect(await both.verifySignature(signed)).to.equal(signed.signature);
    expect(await both.isContract(wallet)).to.equal(false);
    expect(await on.createPort([on.rpcUrl, node.url]).isContract(wallet)).to.equal(false);
    node.catchUp();
    expect(await both.isContract(wallet)).to.equal(true);
    expect(await both.verifySignature({ ...signed, signature: `0x${'12'.repeat(65)}` })).to.equal(
      undefined,
    );
  });

  it('is told of a small balance only when every URL says so', async () => {
    await node.standStill();
    await on.approve(payer, 1n);
    const balance = await on.port.getBalance(payer.address);
    expect(await old.getBalance(payer.address, 1n)).to.equal(0n);
    expect(await both.getBalance(payer.address)).to.equal(0n);
    expect(await both.getBalance(payer.address, 1n)).to.equal(balance);
    expect(await both.getBalance(payer.address, balance + 1n)).to.equal(balance);
  });

  /** A contract account that the node does not see, and what its owner signs for it. */
  async function deployWalletUnseen() {
    await node.standStill();
    const hash = await on.wallet.deployContract({
      abi: testWalletAbi,
      bytecode: testWalletBytecode,
      args: [payer.address],
      account: on.deployer,
    });
    const wallet = (await on.wallet.waitForTransactionReceipt({ hash })).contractAddress;
    if (wallet == null) throw new Error('the wallet was not deployed');
    return {
      wallet,
      async authorizationOf(owner: typeof wallet) {
        const authorization = { payer: owner, deadline: Math.floor(Date.now() / 1000) + 600 };
        const signature = await sign(
          payer,
          on.port.buildAuthorizationTypedData({ paymentId, terms, authorization }),
        );
        return {
          signed: { rail: 'authorization', authorization },
          paymentId,
          terms,
          signature,
        } as const;
      },
    };
  }
});
