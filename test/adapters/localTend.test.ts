import { expect } from 'chai';
import { parseEther, parseGwei } from 'viem';

import type { ProviderTransaction, RelayerPort } from '../../domain/relayers/ports.ts';
import { execute, parseJsonColumn } from '../../platform/db.ts';
import { addMs } from '../../shared/clock.ts';
import { BUMP_AFTER_MS, startLocalFixture, TARGET, type LocalFixture } from './localFixture.ts';

/** Longer than an absence has to last before it counts. */
const ABSENCE_MS = 16_000;
/** Longer than what a node may have dropped is left to it. */
const DROPPED_MS = 3_000;

describe('a key of our own as a relayer: tending', function () {
  this.timeout(30_000);
  let on: LocalFixture;
  let relayer: RelayerPort;

  beforeEach(async () => {
    on = await startLocalFixture();
    relayer = on.createRelayer();
  });
  afterEach(async () => {
    const log = on.readLog();
    await on.close();
    expect(log).not.to.contain(on.privateKey.slice(2));
  });

  const stateOf = async ({ providerTransactionId }: ProviderTransaction) =>
    (await relayer.findTransaction(providerTransactionId))?.state;
  const hashOf = async ({ providerTransactionId }: ProviderTransaction) =>
    (await relayer.findTransaction(providerTransactionId))?.hash;
  const landed = async () => (await on.listLanded()).map(({ nonce, hash }) => [nonce, hash]);
  const alerts = () =>
    on
      .readLog()
      .split('\n')
      .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Record<string, unknown>]))
      .filter(({ alert }) => alert !== undefined);
  const toSelf = () => on.address.toLowerCase();

  it('asks no node anything while there is nothing to tend', async () => {
    await on.tend();
    expect(on.rpc.asked).to.deep.equal([]);
    await on.send(relayer);
    await on.mine();
    await on.tend();
    on.advance(3_600_000);
    await on.tend();
    on.rpc.asked.length = 0;
    await on.tend();
    expect(on.rpc.asked).to.deep.equal([]);
  });

  describe('what is not mined', () => {
    it('gets higher fees after a while, the first nonce alone, and whichever form of it is mined counts', async () => {
      const [first, second] = [await on.send(relayer), await on.send(relayer)];
      on.advance(BUMP_AFTER_MS - 1_000);
      await on.tend();
      expect(await hashOf(first)).to.equal(first.hash);
      const before = await on.readRows();
      on.advance(1_000);
      await on.tend();
      const after = await on.readRows();
      for (const fee of ['max_fee_per_gas', 'max_priority_fee_per_gas'])
        expect(
          BigInt(String(after[0]?.[fee])) * 100n >= BigInt(String(before[0]?.[fee])) * 115n,
        ).to.equal(true);
      const raised = await relayer.findTransaction(first.providerTransactionId);
      expect(raised).to.deep.equal({ ...first, hash: raised?.hash });
      expect(raised?.hash).not.to.equal(first.hash);
      expect(await hashOf(second)).to.equal(second.hash);
      expect([...(await on.readPool()).values()].map(({ hash }) => hash)).to.deep.equal([
        raised?.hash,
        second.hash,
      ]);
      await on.mine();
      await on.tend();
      expect(await landed()).to.deep.equal([
        [0, raised?.hash],
        [1, second.hash],
      ]);
      expect([await stateOf(first), await stateOf(second)]).to.deep.equal(['mined', 'mined']);
    });

    it('counts as mined in its old form when that was faster than the raised one', async () => {
      const sent = await on.send(relayer);
      on.advance(BUMP_AFTER_MS);
      on.rpc.answer = (method) => (method === 'eth_sendRawTransaction' ? 'break' : 'passOn');
      await on.tend();
      expect(await hashOf(sent)).not.to.equal(sent.hash);
      await on.mine();
      on.rpc.answer = () => 'passOn';
      await on.tend();
      expect(await relayer.findTransaction(sent.providerTransactionId)).to.deep.equal({
        ...sent,
        state: 'mined',
      });
    });

    it('gets over a base fee that has risen above all of it, with every nonce', async () => {
      const sent = [await on.send(relayer), await on.send(relayer), await on.send(relayer)];
      await on.client.setNextBlockBaseFeePerGas({ baseFeePerGas: parseGwei('50') });
      await on.mine();
      expect(await landed()).to.deep.equal([]);
      on.advance(BUMP_AFTER_MS);
      await on.tend();
      await on.mine();
      await on.tend();
      expect((await landed()).map(([nonce]) => nonce)).to.deep.equal([0, 1, 2]);
      for (const transaction of sent) expect(await stateOf(transaction)).to.equal('mined');
    });

    it('is an alert at the cap, once in a while, and stays in the pool', async () => {
      const capped = on.createRelayer({ maxFeePerGasWei: parseGwei('3.2'), bumpPercent: 10 });
      const sent = await on.send(capped);
      for (let rounds = 0; rounds < 10; rounds++) {
        on.advance(BUMP_AFTER_MS);
        await Promise.all([on.tend(capped), on.tend(capped)]);
        await on.tend(capped);
      }
      const found = alerts();
      expect(found).to.have.length.within(1, 10);
      expect(found[0]).to.include({
        level: 50,
        alert: 'relayer_stuck_nonce',
        relayerId: 'own',
        nonce: 0,
      });
      expect(await capped.getStatus()).to.include({ pendingTransactions: 1, hasStuckNonce: true });
      const [row] = await on.readRows();
      expect(BigInt(String(row?.['max_fee_per_gas'])) <= parseGwei('3.2')).to.equal(true);
      // Alerts come with the bumps, not with the turns.
      const count = found.length;
      await on.tend(capped);
      expect(alerts()).to.have.length(count);
      const hash = await hashOf(sent);
      expect([...(await on.readPool()).values()].map((pooled) => pooled.hash)).to.deep.equal([
        hash,
      ]);
      await on.mine();
      await on.tend(capped);
      expect(await relayer.findTransaction(sent.providerTransactionId)).to.include({
        state: 'mined',
        hash,
      });
    });

    it('ends at what the account can pay, which is an alert too, and is mined at that', async () => {
      const sent = await on.send(relayer);
      const [row] = await on.readRows();
      const offered = BigInt(String(row?.['max_fee_per_gas']));
      const gas = BigInt(String(row?.['gas_limit']));
      await on.client.setBalance({ address: on.address, value: (gas * offered * 15n) / 10n });
      for (let rounds = 0; rounds < 10; rounds++) {
        on.advance(BUMP_AFTER_MS);
        await on.tend();
      }
      const [raised] = await on.readRows();
      const price = BigInt(String(raised?.['max_fee_per_gas']));
      expect(price > offered).to.equal(true);
      expect(price * 10n <= offered * 15n).to.equal(true);
      expect(alerts()[0]).to.include({ alert: 'relayer_stuck_nonce', nonce: 0 });
      await on.mine();
      await on.tend();
      expect(await stateOf(sent)).to.equal('mined');
      await on.client.setBalance({ address: on.address, value: parseEther('100') });
    });

    it('ends at some fee without a cap, too', async () => {
      await on.send(relayer);
      for (let rounds = 0; rounds < 25; rounds++) {
        on.advance(BUMP_AFTER_MS);
        await on.tend();
      }
      expect(alerts().length).to.be.greaterThan(0);
      const [row] = await on.readRows();
      expect(BigInt(String(row?.['max_fee_per_gas'])) < parseGwei('40')).to.equal(true);
    });

    it('is raised once by two processes that tend at the same moment', async () => {
      await on.send(relayer);
      on.advance(BUMP_AFTER_MS);
      await Promise.all([on.tend(), on.tend(on.createRelayer()), on.tend(on.createRelayer())]);
      const [row] = await on.readRows();
      expect(parseJsonColumn(row?.['hashes'])).to.have.length(2);
      expect((await on.readPool()).size).to.equal(1);
    });

    it('is broadcast again when the node has dropped it, with all behind it', async () => {
      const sent = [await on.send(relayer), await on.send(relayer), await on.send(relayer)];
      for (const { hash } of sent.slice(0, 2)) await on.dropFromPool(hash ?? '0x');
      on.advance(DROPPED_MS);
      await on.tend();
      await on.mine();
      await on.tend();
      expect(await landed()).to.deep.equal(sent.map(({ hash }, nonce) => [nonce, hash]));
    });

    it('is left alone while the account holds too little, and goes on when it was topped up', async () => {
      const sent = await on.send(relayer);
      await on.dropFromPool(sent.hash ?? '0x');
      await on.client.setBalance({ address: on.address, value: 1n });
      on.advance(DROPPED_MS);
      await on.tend();
      expect(await stateOf(sent)).to.equal('pending');
      await on.client.setBalance({ address: on.address, value: parseEther('1') });
      await on.tend();
      await on.mine();
      await on.tend();
      expect(await landed()).to.deep.equal([[0, sent.hash]]);
    });

    it('waits for the next turn while no node answers, and nothing changes', async () => {
      const sent = await on.send(relayer);
      on.advance(BUMP_AFTER_MS);
      on.rpc.answer = () => 'break';
      const before = await on.readRows();
      await on.tend().then(
        () => expect.fail('it told nobody'),
        (error: unknown) => expect(error).to.include({ code: 'PAY_020' }),
      );
      expect(await on.readRows()).to.deep.equal(before);
      on.rpc.answer = () => 'passOn';
      await on.tend();
      await on.mine();
      await on.tend();
      expect(await stateOf(sent)).to.equal('mined');
    });
  });

  describe('a nonce that somebody else uses', () => {
    it('ends ours, once its absence has lasted, and those behind it go on', async () => {
      const [lost, next] = [await on.send(relayer), await on.send(relayer)];
      await on.sendForeign(0);
      await on.mine();
      await on.tend();
      expect(await stateOf(next)).to.equal('mined');
      // A node that is behind with receipts would look the same.
      expect(await stateOf(lost)).to.equal('pending');
      on.advance(ABSENCE_MS);
      await on.tend();
      expect(await stateOf(lost)).to.equal('ended');
      const after = await on.send(relayer);
      await on.mine();
      await on.tend();
      expect(await stateOf(after)).to.equal('mined');
      expect((await landed()).map(([nonce]) => nonce)).to.deep.equal([0, 1, 2]);
    });

    it('is not believed to be lost while only the receipt is late', async () => {
      const sent = await on.send(relayer);
      await on.mine();
      on.rpc.answer = (method) =>
        method === 'eth_getTransactionReceipt' ? { result: null } : 'passOn';
      await on.tend();
      on.advance(ABSENCE_MS - 2_000);
      await on.tend();
      expect(await stateOf(sent)).to.equal('pending');
      on.rpc.answer = () => 'passOn';
      await on.tend();
      expect(await stateOf(sent)).to.equal('mined');
    });

    it('has to be absent all the time: what a reorganisation gave back in between counts anew', async () => {
      const takeBack = await on.takeSnapshot();
      const sent = await on.send(relayer);
      const hideReceipts = (method: string) =>
        method === 'eth_getTransactionReceipt' ? { result: null } : ('passOn' as const);
      on.rpc.answer = hideReceipts;
      await on.mine();
      await on.tend();
      await takeBack();
      on.advance(ABSENCE_MS);
      await on.tend();
      await on.mine();
      await on.tend();
      expect(await landed()).to.deep.equal([[0, sent.hash]]);
      expect(await stateOf(sent)).to.equal('pending');
      on.advance(ABSENCE_MS);
      await on.tend();
      expect(await stateOf(sent)).to.equal('ended');
      // Late, but found: what was believed lost was mined.
      on.rpc.answer = () => 'passOn';
      on.advance(ABSENCE_MS);
      await on.tend();
      expect(await stateOf(sent)).to.equal('mined');
    });

    it('leaves a gap when theirs is never mined: a no-op fills it, and ours behind it go on', async () => {
      const foreign = await on.sendForeign(0);
      const sent = await on.send(relayer);
      await on.dropFromPool(foreign);
      await on.mine();
      expect(await landed()).to.deep.equal([]);
      await on.tend();
      await on.mine();
      expect(await landed()).to.deep.equal([]);
      on.advance(ABSENCE_MS);
      await Promise.all([on.tend(), on.tend(on.createRelayer())]);
      await on.mine();
      await on.tend();
      const found = await on.listLanded();
      expect(found.map(({ nonce, to, value }) => [nonce, to?.toLowerCase(), value])).to.deep.equal([
        [0, toSelf(), 0n],
        [1, TARGET.toLowerCase(), 0n],
      ]);
      expect(await stateOf(sent)).to.equal('mined');
    });

    it('is not outbid while theirs waits in the pool', async () => {
      const foreign = await on.sendForeign(0);
      await on.send(relayer);
      await on.tend();
      on.advance(ABSENCE_MS);
      await on.tend();
      expect((await on.readPool()).get(0)).to.include({ hash: foreign });
      expect(await on.readRows()).to.have.length(1);
    });
  });

  describe('what is no longer valid', () => {
    it('is replaced by a no-op that is given more gas when what it was given is not enough any more', async () => {
      await on.send(relayer, on.makeCall({ validUntil: addMs(on.now(), 60_000) }));
      on.advance(60_000);
      on.rpc.answer = (method) => (method === 'eth_sendRawTransaction' ? 'break' : 'passOn');
      await on.tend();
      on.rpc.answer = () => 'passOn';
      // As after a rise of what the layer below costs, where the gas of a transaction pays for that
      // too.
      await execute(
        on.db,
        'UPDATE local_relayer_transactions SET gas_limit = 20500, broadcast_at = NULL',
      );
      for (const { hash } of (await on.readPool()).values()) await on.dropFromPool(hash);
      await on.tend();
      const [row] = await on.readRows();
      expect(Number(row?.['gas_limit'])).to.be.at.least(21_000);
      await on.mine();
      await on.tend();
      expect((await on.readRows())[0]).to.include({ status: 'ended' });
    });

    it('is replaced by a no-op, has ended once that is mined, and its call does not land', async () => {
      const sent = await on.send(relayer, on.makeCall({ validUntil: addMs(on.now(), 60_000) }));
      on.advance(60_000);
      await on.tend();
      expect(await stateOf(sent)).to.equal('pending');
      expect((await on.readPool()).get(0)?.to?.toLowerCase()).to.equal(toSelf());
      await on.mine();
      await on.tend();
      expect(await relayer.findTransaction(sent.providerTransactionId)).to.deep.equal({
        ...sent,
        state: 'ended',
      });
      const found = await on.listLanded();
      expect(found.map(({ to, input }) => [to?.toLowerCase(), input])).to.deep.equal([
        [toSelf(), '0x'],
      ]);
    });

    it('is mined when the call was faster than the no-op', async () => {
      const sent = await on.send(relayer, on.makeCall({ validUntil: addMs(on.now(), 5_000) }));
      on.advance(5_000);
      on.rpc.answer = (method) => (method === 'eth_sendRawTransaction' ? 'break' : 'passOn');
      await on.tend();
      on.rpc.answer = () => 'passOn';
      await on.mine();
      await on.tend();
      expect(await landed()).to.deep.equal([[0, sent.hash]]);
      expect(await relayer.findTransaction(sent.providerTransactionId)).to.deep.equal({
        ...sent,
        state: 'mined',
      });
    });

    it('does not stand in the way of others, though nobody broadcast it in time', async () => {
      on.rpc.answer = (method) => (method === 'eth_sendRawTransaction' ? 'break' : 'passOn');
      const late = await on.send(relayer, on.makeCall({ validUntil: addMs(on.now(), 5_000) }));
      const next = await on.send(relayer);
      on.rpc.answer = () => 'passOn';
      on.advance(5_000);
      await on.tend();
      await on.mine();
      await on.tend();
      expect([await stateOf(late), await stateOf(next)]).to.deep.equal(['ended', 'mined']);
    });

    it('stays in the pool at the cap, where nothing can outbid it, and is an alert', async () => {
      const capped = on.createRelayer({ maxFeePerGasWei: parseGwei('2') });
      const sent = await on.send(capped, on.makeCall({ validUntil: addMs(on.now(), 5_000) }));
      on.advance(5_000);
      await on.tend(capped);
      on.advance(BUMP_AFTER_MS);
      await on.tend(capped);
      expect(alerts()[0]).to.include({ alert: 'relayer_stuck_nonce', nonce: 0 });
      expect((await on.readPool()).get(0)?.hash).to.equal(sent.hash);
      await on.mine();
      await on.tend(capped);
      expect(await stateOf(sent)).to.equal('mined');
    });
  });

  describe('a reorganisation', () => {
    it('that takes ours back has them land again, in the same form', async () => {
      const takeBack = await on.takeSnapshot();
      const sent = [await on.send(relayer), await on.send(relayer)];
      await on.mine();
      await on.tend();
      for (const transaction of sent) expect(await stateOf(transaction)).to.equal('mined');
      on.advance(1_000);
      await takeBack();
      await on.mine();
      expect(await landed()).to.deep.equal([]);
      await on.tend();
      for (const transaction of sent) expect(await stateOf(transaction)).to.equal('pending');
      await on.mine();
      await on.tend();
      expect(await landed()).to.deep.equal(sent.map(({ hash }, nonce) => [nonce, hash]));
      for (const transaction of sent) expect(await stateOf(transaction)).to.equal('mined');
      const next = await on.send(relayer);
      await on.mine();
      await on.tend();
      expect(await stateOf(next)).to.equal('mined');
    });

    it('that takes a no-op back does not bring the call back', async () => {
      const takeBack = await on.takeSnapshot();
      const sent = await on.send(relayer, on.makeCall({ validUntil: addMs(on.now(), 5_000) }));
      on.advance(5_000);
      await on.tend();
      await on.mine();
      await on.tend();
      expect(await stateOf(sent)).to.equal('ended');
      on.advance(1_000);
      await takeBack();
      await on.tend();
      await on.mine();
      await on.tend();
      expect(await stateOf(sent)).to.equal('ended');
      expect(
        (await on.listLanded()).map(({ nonce, to }) => [nonce, to?.toLowerCase()]),
      ).to.deep.equal([[0, toSelf()]]);
    });

    it('that takes somebody else’s back has a no-op use the nonce', async () => {
      const takeBack = await on.takeSnapshot();
      const sent = await on.send(relayer);
      await on.sendForeign(0);
      await on.mine();
      await on.tend();
      on.advance(ABSENCE_MS);
      await on.tend();
      expect(await stateOf(sent)).to.equal('ended');
      const next = await on.send(relayer);
      on.advance(1_000);
      await takeBack();
      await on.tend();
      await on.mine();
      await on.tend();
      expect(await stateOf(sent)).to.equal('ended');
      expect(
        (await on.listLanded()).map(({ nonce, to }) => [nonce, to?.toLowerCase()]),
      ).to.deep.equal([[0, toSelf()]]);
      on.advance(DROPPED_MS);
      await on.tend();
      await on.mine();
      await on.tend();
      expect(await stateOf(next)).to.equal('mined');
    });

    it('that puts somebody else’s in the place of ours is noticed', async () => {
      const takeBack = await on.takeSnapshot();
      const sent = await on.send(relayer);
      await on.mine();
      await on.tend();
      expect(await stateOf(sent)).to.equal('mined');
      await takeBack();
      await on.sendForeign(0);
      await on.mine();
      on.advance(ABSENCE_MS);
      await on.tend();
      expect(await stateOf(sent)).to.equal('pending');
      on.advance(ABSENCE_MS);
      await on.tend();
      expect(await stateOf(sent)).to.equal('ended');
    });
  });
});
