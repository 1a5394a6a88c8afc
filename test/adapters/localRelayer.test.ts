import { expect } from 'chai';
import { parseEther, parseGwei } from 'viem';

import type { RelayerPort, SendOutcome } from '../../domain/relayers/ports.ts';
import { parseJsonColumn } from '../../platform/db.ts';
import {
  BUMP_AFTER_MS,
  startLocalFixture,
  TARGET,
  type LocalFixture,
  type Reply,
} from './localFixture.ts';

describe('a key of our own as a relayer: sending', function () {
  this.timeout(30_000);
  let on: LocalFixture;
  let relayer: RelayerPort;

  beforeEach(async () => {
    on = await startLocalFixture();
    relayer = on.createRelayer();
  });
  afterEach(async () => {
    const rows = JSON.stringify(await on.readRows());
    const log = on.readLog();
    await on.close();
    expect(`${rows} ${log}`).not.to.contain(on.privateKey.slice(2));
  });

  const noncesLanded = async (): Promise<number[]> =>
    (await on.listLanded()).map(({ nonce }) => nonce);
  const upTo = (count: number): number[] => Array.from({ length: count }, (_, nonce) => nonce);

  it('gives out each nonce once and without a gap, to two processes that send at the same moment', async () => {
    // Twenty that wait for each other: on a busy machine the last of them waits for long.
    const others = [
      on.createRelayer({ timeoutMs: 20_000 }),
      on.createRelayer({ timeoutMs: 20_000 }),
    ];
    const calls = Array.from({ length: 20 }, () => on.makeCall());
    const sent = await Promise.all(
      calls.map((call, index) => on.send(others[index % 2] ?? relayer, call)),
    );
    expect((await on.readRows()).map(({ nonce }) => Number(nonce))).to.deep.equal(upTo(20));
    await on.mine();
    await Promise.all(others.map((other) => on.tend(other)));
    expect(await noncesLanded()).to.deep.equal(upTo(20));
    const landed = await on.listLanded();
    expect(landed.map(({ input }) => input).sort()).to.deep.equal(
      calls.map(({ data }) => data).sort(),
    );
    for (const { providerTransactionId, hash } of sent)
      expect(await relayer.findTransaction(providerTransactionId)).to.deep.equal({
        providerTransactionId,
        hash,
        state: 'mined',
      });
  });

  it('saves a transaction before any node sees it', async () => {
    let savedWhenSent = -1;
    on.rpc.answer = async (method): Promise<Reply> => {
      if (method === 'eth_sendRawTransaction') savedWhenSent = (await on.readRows()).length;
      return 'passOn';
    };
    await on.send(relayer);
    expect(savedWhenSent).to.equal(1);
  });

  for (const [name, reply] of [
    ['the node never got it', 'break'],
    ['the node’s answer got lost', 'lose'],
    ['the node had an error', { error: { code: -32603, message: 'internal error' } }],
  ] as const) {
    it(`is accepted once it is saved, and lands once, when its broadcast fails: ${name}`, async () => {
      on.rpc.answer = (method) => (method === 'eth_sendRawTransaction' ? reply : 'passOn');
      const call = on.makeCall();
      const sent = await on.send(relayer, call);
      expect(sent).to.include({ state: 'pending' });
      expect(await on.createRelayer().findSent({ ...call, since: on.now() })).to.deep.equal(sent);
      on.rpc.answer = () => 'passOn';
      // The process that sent it is gone: another one carries on from the row.
      const other = on.createRelayer();
      await on.tend(other);
      await on.mine();
      await on.tend(other);
      expect((await on.listLanded()).map(({ input, hash }) => [input, hash])).to.deep.equal([
        [call.data, sent.hash],
      ]);
      expect(await other.findTransaction(sent.providerTransactionId)).to.deep.equal({
        ...sent,
        state: 'mined',
      });
    });
  }

  it('keeps counting where it left off after a restart, whatever the chain has seen by then', async () => {
    on.rpc.answer = (method) => (method === 'eth_sendRawTransaction' ? 'break' : 'passOn');
    await on.send(relayer);
    await on.send(relayer);
    on.rpc.answer = () => 'passOn';
    const restarted = on.createRelayer();
    await on.send(restarted);
    await on.tend(restarted);
    await on.mine();
    expect(await noncesLanded()).to.deep.equal([0, 1, 2]);
  });

  it('goes on behind what somebody else has sent with the key, mined or not', async () => {
    await on.sendForeign(0);
    await on.mine();
    await on.sendForeign(1);
    await on.send(relayer);
    await on.mine();
    expect(await noncesLanded()).to.deep.equal([0, 1, 2]);
    expect((await on.readRows()).map(({ nonce }) => Number(nonce))).to.deep.equal([2]);
  });

  it('finds among transactions with one call the one that lives', async () => {
    const call = on.makeCall({ validUntil: new Date(on.now().getTime() + 1_000) });
    const first = await on.send(relayer, call);
    on.advance(2_000);
    await on.tend();
    await on.mine();
    await on.tend();
    const since = new Date(on.now().getTime() - 30_000);
    expect(await relayer.findSent({ ...call, since })).to.deep.equal({ ...first, state: 'ended' });
    const again = await on.send(relayer, {
      ...call,
      validUntil: new Date(on.now().getTime() + 60_000),
    });
    expect(again.providerTransactionId).not.to.equal(first.providerTransactionId);
    expect(await relayer.findSent({ ...call, since })).to.deep.equal(again);
  });

  describe('is refused, with nothing saved and nothing sent,', () => {
    async function expectRefused(outcome: SendOutcome, reason: RegExp): Promise<void> {
      expect(outcome.kind).to.equal('refused');
      expect(outcome).to.have.property('reason').that.matches(reason);
      expect(outcome).to.have.property('retryAfterMs').that.is.greaterThan(0);
      expect(await on.readRows()).to.have.length(0);
      expect(on.rpc.asked).not.to.include('eth_sendRawTransaction');
    }

    it('while no node answers', async () => {
      on.rpc.answer = () => 'break';
      await expectRefused(await relayer.send(on.makeCall()), /does not answer/);
    });

    it('while a node answers too late', async () => {
      on.rpc.answer = async (): Promise<Reply> => {
        await new Promise((resolve) => setTimeout(resolve, 2_500));
        return 'passOn';
      };
      await expectRefused(await relayer.send(on.makeCall()), /does not answer/);
    });

    it('by a node of another chain', async () => {
      on.rpc.answer = (method) => (method === 'eth_chainId' ? { result: '0x1' } : 'passOn');
      await expectRefused(await relayer.send(on.makeCall()), /does not answer/);
    });

    it('with too little for its gas', async () => {
      await on.client.setBalance({ address: on.address, value: 1_000n });
      await expectRefused(await relayer.send(on.makeCall()), /insufficient funds/);
    });

    it('while the chain’s base fee is above the cap', async () => {
      await on.client.setNextBlockBaseFeePerGas({ baseFeePerGas: parseGwei('50') });
      await on.mine();
      const capped = on.createRelayer({ maxFeePerGasWei: parseGwei('20') });
      await expectRefused(await capped.send(on.makeCall()), /above the relayer’s cap/);
    });
  });

  it('counts what is on its way as spent', async () => {
    await on.send(relayer);
    const [row] = await on.readRows();
    const costOfOne = 60_000n * BigInt(String(row?.['max_fee_per_gas']));
    await on.client.setBalance({ address: on.address, value: 2n * costOfOne - 1n });
    expect((await relayer.send(on.makeCall())).kind).to.equal('refused');
    await on.client.setBalance({ address: on.address, value: 2n * costOfOne });
    expect((await relayer.send(on.makeCall())).kind).to.equal('accepted');
    await on.client.setBalance({ address: on.address, value: parseEther('1') });
    await on.mine();
    expect(await noncesLanded()).to.deep.equal([0, 1]);
  });

  it('is never above the cap', async () => {
    const capped = on.createRelayer({ maxFeePerGasWei: parseGwei('1.2') });
    await on.send(capped);
    await on.mine();
    const [landed] = await on.listLanded();
    expect(landed).to.include({ maxFeePerGas: parseGwei('1.2') });
  });

  it('is rejected when no node would ever take it, and a no-op uses the nonce', async () => {
    const outcome = await relayer.send(on.makeCall({ gasLimit: 40_000_000n }));
    expect(outcome).to.include({ kind: 'rejected' });
    await on.send(relayer);
    await on.mine();
    await on.tend();
    const landed = await on.listLanded();
    expect(landed.map(({ nonce, to }) => [nonce, to?.toLowerCase()])).to.deep.equal([
      [0, on.address.toLowerCase()],
      [1, TARGET.toLowerCase()],
    ]);
    expect((await on.readRows()).map(({ status }) => status)).to.deep.equal(['ended', 'mined']);
  });

  it('understands what nodes say to a broadcast, each in its own words', async () => {
    const table: readonly (readonly [
      words: string,
      meaning: 'has it' | 'too cheap' | 'never' | 'try again',
    ])[] = [
      ['already known', 'has it'],
      ['AlreadyKnown', 'has it'],
      ['Known transaction', 'has it'],
      ['transaction already imported', 'has it'],
      ['transaction underpriced: gas tip cap 0, minimum needed 1', 'too cheap'],
      ['max fee per gas less than block base fee', 'too cheap'],
      ['FeeTooLow, MaxFeePerGas too low', 'too cheap'],
      ['Gas price below configured minimum gas price', 'too cheap'],
      ['intrinsic gas too low', 'never'],
      ['Intrinsic gas exceeds gas limit', 'never'],
      ['exceeds block gas limit', 'never'],
      ['GasLimitExceeded', 'never'],
      ['oversized data', 'never'],
      ['replacement transaction underpriced', 'try again'],
      ['nonce too low: next nonce 3, tx nonce 1', 'try again'],
      ['insufficient funds for gas * price + value', 'try again'],
      ['Upfront cost exceeds account balance', 'try again'],
      ['unknown transaction', 'try again'],
      ['the tide is low', 'try again'],
    ];
    for (const [index, [message, meaning]] of table.entries()) {
      let isFirst = true;
      on.rpc.answer = (method) => {
        if (method !== 'eth_sendRawTransaction') return 'passOn';
        const reply =
          isFirst || meaning === 'try again' ? { error: { code: -32000, message } } : 'passOn';
        isFirst = false;
        return reply;
      };
      const outcome = await relayer.send(on.makeCall());
      const row = (await on.readRows())[index];
      expect([outcome.kind, row?.['status']], message).to.deep.equal(
        meaning === 'never' ? ['rejected', 'cancelling'] : ['accepted', 'pending'],
      );
      expect(parseJsonColumn(row?.['hashes']), message).to.have.length(
        meaning === 'too cheap' ? 2 : 1,
      );
      expect(row?.['broadcast_at'] !== null, message).to.equal(meaning !== 'try again');
    }
  });

  it('is not called impossible when one node may have taken what another one would never', async () => {
    const clueless = await startLocalFixture();
    try {
      on.rpc.answer = (method) => (method === 'eth_sendRawTransaction' ? 'lose' : 'passOn');
      clueless.rpc.answer = (method) =>
        method === 'eth_sendRawTransaction'
          ? { error: { code: -32000, message: 'oversized data' } }
          : 'passOn';
      const sent = await on.send(on.createRelayer({ rpcUrls: [on.rpc.url, clueless.rpc.url] }));
      await on.mine();
      on.rpc.answer = () => 'passOn';
      await on.tend();
      expect(await relayer.findTransaction(sent.providerTransactionId)).to.deep.equal({
        ...sent,
        state: 'mined',
      });
    } finally {
      await clueless.close();
    }
  });

  it('is in doubt, and not accepted, when the database does not confirm', async () => {
    await on.db.raw('RENAME TABLE local_relayer_transactions TO elsewhere');
    const outcome = await relayer.send(on.makeCall());
    await on.db.raw('RENAME TABLE elsewhere TO local_relayer_transactions');
    expect(outcome.kind).to.equal('ambiguous');
    expect(on.rpc.asked).not.to.include('eth_sendRawTransaction');
    // Neither was the nonce given out.
    await on.send(relayer);
    await on.mine();
    expect(await noncesLanded()).to.deep.equal([0]);
  });

  it('is paid with a gas price on a chain without EIP-1559', async () => {
    on.rpc.answer = (method) => (method === 'eth_getBlockByNumber' ? 'withoutBaseFee' : 'passOn');
    const sent = await on.send(relayer);
    const [pooled] = [...(await on.readPool()).values()];
    expect(pooled?.hash).to.equal(sent.hash);
    on.advance(BUMP_AFTER_MS);
    await on.tend();
    await on.mine();
    const [landed] = await on.listLanded();
    expect(landed).to.include({ type: 'legacy' });
    expect(landed?.hash).not.to.equal(sent.hash);
    await on.tend();
    expect(await relayer.findTransaction(sent.providerTransactionId)).to.include({
      state: 'mined',
      hash: landed?.hash,
    });
  });

  it('leaves the key out of the error for one that is none', () => {
    const bad = `0x${'ff'.repeat(32)}` as const;
    expect(() => on.createRelayer({ privateKey: bad }))
      .to.throw(/relayer own: its private key/)
      .with.property('message')
      .that.does.not.contain('ffff');
  });
});
