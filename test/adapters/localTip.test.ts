import { expect } from 'chai';
import {
  keccak256,
  parseGwei,
  parseTransaction,
  toHex,
  type TransactionSerializedEIP1559,
} from 'viem';

import {
  createLocalMinimum,
  readNamedMinimum,
} from '../../adapters/relayers/local/localMinimum.ts';
import { decideCap, decideRaise } from '../../adapters/relayers/local/localFees.ts';
import type { Hex } from '../../shared/hex.ts';
import {
  BUMP_AFTER_MS,
  startLocalFixture,
  TARGET,
  type LocalFixture,
  type Reply,
} from './localFixture.ts';

const MINIMUM = parseGwei('25');

describe('a minimum above what the node suggests', () => {
  describe('in the words of a refusal', () => {
    const WORDS: readonly (readonly [string, 'tip' | 'price', bigint])[] = [
      [
        'transaction underpriced: gas tip cap 1, minimum needed 25000000000',
        'tip',
        25_000_000_000n,
      ],
      [
        'transaction gas price too low: gas tip cap 100000000, minimum needed 1000000000',
        'tip',
        1_000_000_000n,
      ],
      [
        'transaction underpriced: tip needed 3000000000, tip permitted 1000000000',
        'tip',
        3_000_000_000n,
      ],
      [
        'transaction underpriced: address 0x8db97C7cEcE249c2b98bDC0226Cc4C2A57BF52FC have gas tip cap (225000000000) < pool gas tip cap (470000000000)',
        'tip',
        470_000_000_000n,
      ],
      ['FeeTooLow, EffectivePriorityFeePerGas too low 1 < 2, BaseFee: 0', 'tip', 2n],
      ['max priority fee per gas 1 below minimum 25000000000', 'tip', 25_000_000_000n],
      ['priority fee is below the minimum of 1.5 gwei', 'tip', 1_500_000_000n],
      [
        "Gas price '830000000000' is below configured minimum gas price '950000000000'",
        'price',
        950_000_000_000n,
      ],
      ["It does not satisfy your node's minimal gas price (minimal: 100 got: 50).", 'price', 100n],
    ];
    for (const [words, of, wei] of WORDS) {
      it(`is read: ${words.slice(0, 70)}`, () =>
        void expect(readNamedMinimum(words)).to.deep.equal({ of, wei }));
    }
    for (const words of [
      'transaction underpriced',
      'max fee per gas less than block base fee: address 0x00, maxFeePerGas: 1, baseFee: 100',
      'intrinsic gas too low: gas 0, minimum needed 21000',
      'FeeTooLow, MaxFeePerGas too low. MaxFeePerGas: 50, BaseFee: 100, MaxPriorityFeePerGas:200, Block number: 5',
    ]) {
      it(`is not named: ${words.slice(0, 70)}`, () =>
        void expect(readNamedMinimum(words)).to.equal(undefined));
    }
  });

  describe('as a rule', () => {
    let now = 0;
    const create = (configured?: bigint, most?: bigint) =>
      createLocalMinimum({ configured, most, now: () => now });
    const asked = {
      baseFeePerGas: 10n,
      maxFeePerGas: 21n,
      maxPriorityFeePerGas: 1n,
      suggested: 21n,
    };

    it('lifts the tip, and the maximum by as much', () => {
      const minimum = create(30n);
      expect(minimum.lift(asked)).to.deep.equal({
        ...asked,
        maxFeePerGas: 50n,
        maxPriorityFeePerGas: 30n,
      });
      expect(minimum.lift({ ...asked, maxPriorityFeePerGas: 31n })).to.deep.include({
        maxPriorityFeePerGas: 31n,
      });
      expect(
        minimum.lift({
          baseFeePerGas: 0n,
          maxFeePerGas: 7n,
          maxPriorityFeePerGas: null,
          suggested: 7n,
        }),
      ).to.deep.include({
        maxFeePerGas: 30n,
      });
    });

    it('takes of a minimum of the whole price what the base fee leaves', () => {
      const minimum = create();
      expect(minimum.learn('price', 25n)).to.equal(true);
      expect(minimum.lift(asked)).to.deep.equal({
        ...asked,
        maxFeePerGas: 35n,
        maxPriorityFeePerGas: 15n,
      });
      expect(minimum.lift({ ...asked, baseFeePerGas: 25n })).to.deep.include({
        maxPriorityFeePerGas: 1n,
      });
    });

    it('is forgotten after ten minutes, and believed up to the operator’s cap, or 300 gwei', () => {
      const minimum = create();
      expect(minimum.learn('tip', 40n)).to.equal(true);
      minimum.learn('tip', 20n);
      expect(minimum.lift(asked).maxPriorityFeePerGas).to.equal(40n);
      now += 10 * 60_000;
      expect(minimum.lift(asked)).to.deep.equal(asked);
      expect(minimum.learn('tip', parseGwei('301'))).to.equal(false);
      expect(minimum.learn('tip', parseGwei('300'))).to.equal(true);
      const capped = create(undefined, 1_000n);
      expect(capped.learn('tip', 1_001n)).to.equal(false);
      expect(capped.lift(asked)).to.deep.equal(asked);
    });

    it('keeps the rules of replacement: both fees rise by a tenth at least', () => {
      const minimum = create(30n);
      for (const fees of [
        { maxFeePerGas: 21n, maxPriorityFeePerGas: 1n },
        { maxFeePerGas: 1_000n, maxPriorityFeePerGas: 29n },
        { maxFeePerGas: 48n, maxPriorityFeePerGas: 40n },
      ]) {
        const lifted = minimum.lift(asked);
        const cap = decideCap({ ...lifted, suggested: 1_000n }, undefined);
        const raised = decideRaise({ fees, asked: lifted, bumpPercent: 10, cap });
        expect(raised?.maxPriorityFeePerGas).to.satisfy(
          (tip: bigint) => tip >= 30n && tip * 10n >= fees.maxPriorityFeePerGas * 11n,
        );
        expect(raised?.maxFeePerGas).to.satisfy(
          (most: bigint) => most * 10n >= fees.maxFeePerGas * 11n,
        );
      }
    });
  });

  describe('on a chain', function () {
    this.timeout(60_000);
    let on: LocalFixture;
    /** Tips of what the node was given, in order. */
    let offered: bigint[] = [];

    beforeEach(async function () {
      this.timeout(120_000);
      on = await startLocalFixture();
      offered = [];
    });
    afterEach(() => on.close());

    const tipOf = (raw: unknown): bigint =>
      parseTransaction(raw as TransactionSerializedEIP1559).maxPriorityFeePerGas ?? 0n;

    /**
     * A node that suggests a tip of 1 wei. @param onTooLittle what becomes of a transaction that
     * offers less than the minimum
     */
    function suggestOneWei(onTooLittle: (raw: Hex, tip: bigint) => Reply): void {
      on.rpc.answer = (method, [raw]) => {
        if (method === 'eth_maxPriorityFeePerGas') return { result: '0x1' };
        if (method !== 'eth_sendRawTransaction') return 'passOn';
        const tip = tipOf(raw);
        offered.push(tip);
        return tip < MINIMUM ? onTooLittle(raw as Hex, tip) : 'passOn';
      };
    }

    const refuse = (message: (tip: bigint) => string) => (_raw: Hex, tip: bigint) => ({
      error: { code: -32000, message: message(tip) },
    });
    const landedTips = async () =>
      (await on.listLanded()).map(({ maxPriorityFeePerGas }) => maxPriorityFeePerGas);

    it('is learned from the refusal at once, and kept for what comes after', async () => {
      suggestOneWei(
        refuse((tip) => `transaction underpriced: gas tip cap ${tip}, minimum needed ${MINIMUM}`),
      );
      const relayer = on.createRelayer();
      await on.send(relayer);
      expect(offered).to.deep.equal([1n, MINIMUM]);
      await on.send(relayer);
      expect(offered).to.deep.equal([1n, MINIMUM, MINIMUM]);
      await on.mine();
      expect(await landedTips()).to.deep.equal([MINIMUM, MINIMUM]);
      await on.tend(relayer);
      expect((await on.readRows()).map(({ status }) => status)).to.deep.equal(['mined', 'mined']);
      expect((await relayer.getStatus()).hasStuckNonce).to.not.equal(true);
    });

    it('is configured, and then never refused; as the least gas price where there is no base fee', async () => {
      suggestOneWei(refuse(() => 'transaction underpriced'));
      await on.send(on.createRelayer({ minPriorityFeePerGasWei: parseGwei('30') }));
      expect(offered).to.deep.equal([parseGwei('30')]);
      on.rpc.answer = (method) =>
        method === 'eth_getBlockByNumber'
          ? 'withoutBaseFee'
          : method === 'eth_gasPrice'
            ? { result: '0x1' }
            : 'passOn';
      await on.send(on.createRelayer({ minPriorityFeePerGasWei: parseGwei('31') }));
      const rows = await on.readRows();
      expect([...rows].map(({ max_fee_per_gas: price }) => String(price)).at(-1)).to.equal(
        String(parseGwei('31')),
      );
    });

    it('is seen in what others pay when nothing is mined and nobody says why', async () => {
      suggestOneWei((raw) => ({ result: keccak256(raw) }));
      const [other] = await on.client.request<{
        Method: 'eth_accounts';
        ReturnType: Hex[];
        Parameters?: undefined;
      }>({
        method: 'eth_accounts',
      });
      const payLikeOthers = async () => {
        const transaction = {
          from: other,
          to: TARGET,
          value: '0x1',
          maxFeePerGas: toHex(parseGwei('100')),
          maxPriorityFeePerGas: toHex(MINIMUM),
        };
        await on.client.request<{
          Method: string;
          ReturnType: Hex;
          Parameters: readonly unknown[];
        }>({
          method: 'eth_sendTransaction',
          params: [transaction],
        });
        await on.mine();
      };
      for (let blocks = 0; blocks < 5; blocks++) await payLikeOthers();
      const relayer = on.createRelayer();
      await on.send(relayer);
      await on.send(relayer);
      await on.mine();
      expect(await on.listLanded(), 'the node says that it has them').to.deep.equal([]);
      on.advance(BUMP_AFTER_MS);
      await on.tend(relayer);
      expect(offered.slice(2), 'both at once').to.deep.equal([MINIMUM, MINIMUM]);
      await on.mine();
      expect(await landedTips()).to.deep.equal([MINIMUM, MINIMUM]);
      expect((await relayer.getStatus()).hasStuckNonce).to.not.equal(true);
    });

    it('is not learned from what the account itself offered', async () => {
      suggestOneWei(() => 'passOn');
      const dear = on.createRelayer({ minPriorityFeePerGasWei: MINIMUM });
      for (let blocks = 0; blocks < 5; blocks++) {
        await on.send(dear);
        await on.mine();
      }
      expect(await landedTips()).to.deep.equal(Array.from({ length: 5 }, () => MINIMUM));
      await on.tend(dear);
      offered = [];
      const relayer = on.createRelayer();
      await on.send(relayer);
      on.advance(BUMP_AFTER_MS);
      await on.tend(relayer);
      expect(offered).to.deep.equal([1n, 2n]);
    });

    it('is not followed beyond what may be offered: that is an alert, and the log says what the node wants', async () => {
      suggestOneWei(
        refuse(
          (tip) => `transaction underpriced: gas tip cap ${tip}, minimum needed ${10n ** 15n}`,
        ),
      );
      const relayer = on.createRelayer({ maxFeePerGasWei: parseGwei('20') });
      await on.send(relayer);
      expect(offered.every((tip) => tip < MINIMUM)).to.equal(true);
      expect(on.readLog()).to.match(
        /"wei":"1000000000000000".*a node wants more than may be offered/,
      );
      expect((await on.readRows()).map(({ status }) => status)).to.deep.equal(['pending']);
    });
  });
});
