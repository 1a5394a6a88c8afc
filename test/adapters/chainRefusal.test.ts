import { expect } from 'chai';
import { maxUint256 } from 'viem';
import { generatePrivateKey, privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts';

import { hostileTokenAbi } from '../../contracts/generated/test/HostileToken.ts';
import type { ChainPort } from '../../domain/chain/ports.ts';
import type { Permit } from '../../domain/chain/contractModel.ts';
import { inSeconds, startChainFixture, unixSeconds, type ChainFixture } from './chainFixture.ts';

/** As contracts/src/test/HostileToken.sol numbers them. */
const HOSTILE_MODES = [
  'Honest',
  'RevertWithReason',
  'RevertSilently',
  'ReturnFalse',
  'ReturnFalseAfterMoving',
  'ReturnNothing',
  'ReturnTrueWithoutMoving',
  'TakeFee',
  'BurnGas',
  'RevertBomb',
] as const;

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

  describe('findRefusal', () => {
    it('is undefined when the payer can pay', async () => {
      const terms = on.makeTerms();
      await on.mint(payer.address, terms.amount);
      await on.approve(payer, terms.amount);
      expect(await on.port.findRefusal({ terms, payer: payer.address, permit: null })).to.equal(
        undefined,
      );
    });

    it('names too small a balance, also when the allowance is missing too', async () => {
      await on.mint(payer.address, 10n);
      expect(
        await on.port.findRefusal({ terms: on.makeTerms(), payer: payer.address, permit: null }),
      ).to.deep.equal({
        kind: 'insufficientBalance',
        balance: 10n,
      });
      await on.approve(payer, maxUint256);
      expect(
        await on.port.findRefusal({ terms: on.makeTerms(), payer: payer.address, permit: null }),
      ).to.deep.equal({
        kind: 'insufficientBalance',
        balance: 10n,
      });
    });

    it('names too small an allowance', async () => {
      const terms = on.makeTerms();
      await on.mint(payer.address, terms.amount);
      await on.approve(payer, 5n);
      expect(
        await on.port.findRefusal({ terms, payer: payer.address, permit: null }),
      ).to.deep.equal({
        kind: 'insufficientAllowance',
        allowance: 5n,
      });
    });

    it('names a payment that was made, one that expired, and one to oneself', async () => {
      const terms = on.makeTerms();
      await on.mint(payer.address, terms.amount * 2n);
      await on.approve(payer, maxUint256);
      await on.pay(payer, terms);
      expect(
        await on.port.findRefusal({ terms, payer: payer.address, permit: null }),
      ).to.deep.equal({ kind: 'alreadyProcessed' });
      const expired = on.makeTerms({ expiresAt: inSeconds(-60) });
      expect(
        await on.port.findRefusal({ terms: expired, payer: payer.address, permit: null }),
      ).to.deep.equal({ kind: 'expired' });
      const toSelf = on.makeTerms({ merchant: payer.address });
      expect(
        await on.port.findRefusal({ terms: toSelf, payer: payer.address, permit: null }),
      ).to.deep.equal({
        kind: 'other',
        reason: `PayerIsMerchant(${payer.address})`,
      });
    });

    it('judges with a permit as if it had been applied', async () => {
      const terms = on.makeTerms();
      await on.mint(payer.address, terms.amount);
      expect(
        await on.port.findRefusal({
          terms,
          payer: payer.address,
          permit: await on.signPermit(payer, terms.amount),
        }),
      ).to.equal(undefined);
      expect(await on.port.getAllowance(on.token, payer.address)).to.equal(0n);
      const tooLittle = await on.signPermit(payer, terms.amount - 1n);
      expect(
        await on.port.findRefusal({ terms, payer: payer.address, permit: tooLittle }),
      ).to.deep.equal({
        kind: 'insufficientAllowance',
        allowance: terms.amount - 1n,
      });
    });

    it('refuses a permit that is expired, somebody else’s or garbage, and none of them when the allowance is there anyway', async () => {
      const terms = on.makeTerms();
      await on.mint(payer.address, terms.amount);
      const good = await on.signPermit(payer, terms.amount);
      const stranger = await privateKeyToAccount(generatePrivateKey()).signMessage({
        message: 'hello',
      });
      const bad: [Permit, RegExp][] = [
        [
          await on.signPermit(payer, terms.amount, unixSeconds(-60)),
          /^ERC2612ExpiredSignature\(\d+\)$/,
        ],
        [{ ...good, signature: stranger }, /^ERC2612InvalidSigner\(0x\w{40}, 0x\w{40}\)$/],
        [{ ...good, signature: '0x1234' }, /^its signature is not one of 65 bytes/],
        [{ ...good, value: good.value + 1n }, /^ERC2612InvalidSigner/],
      ];
      for (const [permit, words] of bad) {
        const refusal = await on.port.findRefusal({ terms, payer: payer.address, permit });
        expect(refusal).to.include({ kind: 'insufficientAllowance', allowance: 0n });
        expect(refusal).to.have.property('permitRefusal').that.matches(words);
      }
      await on.approve(payer, terms.amount);
      for (const [permit] of bad)
        expect(await on.port.findRefusal({ terms, payer: payer.address, permit })).to.equal(
          undefined,
        );
    });

    describe('of a token that does not say why', () => {
      for (const mode of [
        'RevertSilently',
        'ReturnFalse',
        'RevertWithReason',
        'BurnGas',
        'RevertBomb',
      ] as const) {
        it(`finds the reason itself (${mode})`, async () => {
          await on.mine(
            on.wallet.writeContract({
              abi: hostileTokenAbi,
              address: on.hostileToken,
              functionName: 'setMode',
              args: [HOSTILE_MODES.indexOf(mode)],
              account: on.deployer,
            }),
          );
          const terms = on.makeTerms({ token: on.hostileToken });
          const judge = (permit: Permit | null = null): ReturnType<ChainPort['findRefusal']> =>
            on.port.findRefusal({ terms, payer: payer.address, permit });
          expect(await judge()).to.deep.equal({ kind: 'insufficientBalance', balance: 0n });
          await on.mint(payer.address, terms.amount, on.hostileToken);
          expect(await judge()).to.deep.equal({ kind: 'insufficientAllowance', allowance: 0n });
          const withPermit = await judge(await on.signPermit(payer, terms.amount));
          expect(withPermit).to.deep.equal({
            kind: 'insufficientAllowance',
            allowance: 0n,
            permitRefusal: 'no permit',
          });
          await on.approve(payer, terms.amount, on.hostileToken);
          const refusal = await judge();
          expect(refusal).to.include({ kind: 'other' });
          expect(refusal)
            .to.have.property('reason')
            .that.matches(
              /^The token refuses the transfer: (no reason given|unknown error 0x\w{8})$/,
            );
        });
      }
    });
  });
});
