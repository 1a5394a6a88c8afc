import { expect } from 'chai';
import { encodeAbiParameters, hashTypedData, keccak256 } from 'viem';
import { generatePrivateKey, privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts';

import { paymentGatewayAbi } from '../../contracts/generated/PaymentGateway.ts';
import type { Hex } from '../../shared/hex.ts';
import type { AmountUnits } from '../../shared/money.ts';
import { startChainFixture, type ChainFixture } from './chainFixture.ts';

const amountOf = (units: bigint): AmountUnits => units as AmountUnits;

describe('the chain adapter', () => {
  let on: ChainFixture;
  let payer: PrivateKeyAccount;

  before(async () => {
    on = await startChainFixture();
  });
  beforeEach(() => {
    payer = privateKeyToAccount(generatePrivateKey());
  });
  after(() => on.close());

  describe('paymentIdOf', () => {
    it('is what the contract computes, and what EIP-712 says', async () => {
      const samples = [
        on.makeTerms(),
        on.makeTerms({
          amount: amountOf(1n),
          salt: `0x${'00'.repeat(32)}`,
          expiresAt: new Date(1_999),
        }),
        on.makeTerms({
          amount: amountOf(10n ** 65n - 1n),
          salt: `0x${'ff'.repeat(32)}`,
          expiresAt: new Date('9999-12-31T23:59:59.999Z'),
        }),
      ];
      for (const terms of samples) {
        const { salt, amount } = terms;
        const message = {
          salt,
          token: on.token,
          amount,
          merchant: on.merchant,
          expiresAt: Math.floor(terms.expiresAt.getTime() / 1000),
        };
        const byEip712 = hashTypedData({
          domain: {
            name: 'MSQPay',
            version: '1',
            chainId: on.config.chainId,
            verifyingContract: on.config.gateway,
          },
          types: {
            PaymentTerms: [
              { name: 'salt', type: 'bytes32' },
              { name: 'token', type: 'address' },
              { name: 'amount', type: 'uint256' },
              { name: 'merchant', type: 'address' },
              { name: 'expiresAt', type: 'uint48' },
            ],
          },
          primaryType: 'PaymentTerms',
          message,
        });
        const byContract = await on.wallet.readContract({
          abi: paymentGatewayAbi,
          address: on.config.gateway,
          functionName: 'paymentIdOf',
          args: [message],
        });
        expect([on.port.paymentIdOf(terms), byContract]).to.deep.equal([byEip712, byEip712]);
      }
    });

    it('takes well below a millisecond', () => {
      const terms = on.makeTerms();
      for (let i = 0; i < 500; i++) on.port.paymentIdOf(terms);
      const startedAt = performance.now();
      for (let i = 0; i < 500; i++) on.port.paymentIdOf(terms);
      expect((performance.now() - startedAt) / 500).to.be.below(0.5);
    });
  });

  describe('reading', () => {
    it('shows a direct payment in its receipt, in the logs and as the payer', async () => {
      const terms = on.makeTerms();
      const id = on.port.paymentIdOf(terms);
      await on.mint(payer.address, terms.amount);
      await on.approve(payer, terms.amount);
      expect(await on.port.findPayer(id)).to.equal(undefined);
      expect(await on.port.getAllowance(on.token, payer.address)).to.equal(terms.amount);
      const hash = await on.pay(payer, terms);

      const head = await on.port.getHead();
      const receipt = await on.port.findReceipt(hash);
      expect(receipt).to.deep.include({
        hash,
        succeeded: true,
        blockNumber: head.number,
        blockHash: head.hash,
      });
      expect(receipt?.payments).to.deep.equal([
        {
          paymentId: id,
          payer: payer.address,
          merchant: on.merchant,
          token: on.token,
          amount: terms.amount,
          txHash: hash,
          blockNumber: head.number,
          blockHash: head.hash,
          logIndex: 0,
        },
      ]);
      expect(receipt?.gasUsed).to.be.a('bigint');
      expect(
        (await on.port.listGatewayLogs({ fromBlock: 0n, toBlock: head.number })).payments,
      ).to.deep.include(receipt?.payments[0]);
      expect(
        (await on.port.listGatewayLogs({ fromBlock: head.number, toBlock: head.number })).payments,
      ).to.have.length(1);
      expect(await on.port.findPayer(id)).to.equal(payer.address);
      expect(await on.port.findBlock(head.number)).to.deep.equal(head);
    });

    it('shows a reverted transaction as one without payments', async () => {
      await on.approve(payer, 1n);
      const receipt = await on.port.findReceipt(await on.pay(payer, on.makeTerms(), 200_000n));
      expect(receipt).to.deep.include({ succeeded: false, payments: [] });
    });

    it('takes no other contract’s event for a payment', async () => {
      const hash = await on.mine(
        on.wallet.deployContract({
          abi: [],
          bytecode: emitterOfForgedPayment(),
          account: on.deployer,
        }),
      );
      const receipt = await on.port.findReceipt(hash);
      expect(receipt).to.deep.include({ succeeded: true, payments: [] });
    });

    it('has no answer for what does not exist', async () => {
      expect(await on.port.findReceipt(`0x${'12'.repeat(32)}`)).to.equal(undefined);
      expect(await on.port.findBlock(10_000_000n)).to.equal(undefined);
    });
  });

  /** Init code whose only act is to log the gateway's event, which every contract may do. */
  function emitterOfForgedPayment(): Hex {
    const topics = [
      keccak256(Buffer.from('PaymentProcessed(bytes32,address,address,address,uint256)')),
      on.port.paymentIdOf(on.makeTerms()),
      encodeAbiParameters([{ type: 'address' }], [payer.address]),
      encodeAbiParameters([{ type: 'address' }], [on.merchant]),
    ];
    const push = topics.toReversed().map((topic) => `7f${topic.slice(2)}`);
    // LOG4 over 64 bytes of empty memory, then an empty contract.
    return `0x${push.join('')}60406000a400`;
  }
});
