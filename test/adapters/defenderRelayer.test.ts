import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import nock from 'nock';

import { BASE, DATA, HASH, rejection, TO, transaction, useDefender } from './defenderFixture.ts';

describe('the Defender relayer', () => {
  const defender = useDefender();

  describe('a provider that does not work', () => {
    it('is left alone: while the circuit is open a send is refused at once and nothing is posted', async () => {
      defender.allowLogin();
      defender.onSend((post) => post.reply(503));
      const relayer = defender.createRelayer({ breaker: { failures: 2, openMs: 5_000 } });
      expect((await defender.send(relayer)).kind).to.equal('ambiguous');
      expect((await defender.send(relayer)).kind).to.equal('ambiguous');
      const outcome = await defender.send(relayer);
      expect(outcome.kind).to.equal('refused');
      expect(outcome).to.have.property('retryAfterMs').that.is.within(4_000, 5_000);
      expect(defender.posts).to.equal(2);
      const error = await rejection(relayer.getStatus());
      expect(error.kind.code).to.equal('PAY_021');
      expect(error.retryAfterSeconds).to.be.within(4, 5);
    });

    it('is asked a harmless question before it gets a transaction again', async () => {
      defender.allowLogin();
      let healthy = false;
      defender.onSend((post) => post.reply(() => (healthy ? [200, transaction()] : [503])));
      let questions = 0;
      nock(BASE)
        .get('/relayers/self/status')
        .reply(() => {
          questions += 1;
          return healthy ? [200, {}] : [503];
        })
        .persist();
      const relayer = defender.createRelayer({ breaker: { failures: 1, openMs: 50 } });
      expect((await defender.send(relayer)).kind).to.equal('ambiguous');
      await sleep(60);
      expect((await defender.send(relayer)).kind).to.equal('refused');
      healthy = true;
      await sleep(60);
      expect((await defender.send(relayer)).kind).to.equal('accepted');
      expect({ posts: defender.posts, questions }).to.deep.equal({ posts: 2, questions: 2 });
    });

    it('is not given up for answers that concern one request or our pace', async () => {
      defender.allowLogin();
      defender.onSend((post) => post.reply(429));
      const relayer = defender.createRelayer({ breaker: { failures: 1, openMs: 5_000 } });
      await defender.send(relayer);
      await defender.send(relayer);
      expect(defender.posts).to.equal(2);
    });
  });

  describe('findSent', () => {
    const since = new Date('2026-01-01T12:00:00Z');

    function onList(pages: object[]): Record<string, string>[] {
      const queries: Record<string, string>[] = [];
      defender.allowLogin();
      nock(BASE)
        .get('/relayers/self/txs')
        .query((query) => {
          queries.push(query as Record<string, string>);
          return true;
        })
        .times(pages.length)
        .reply(() => [200, pages[queries.length - 1]]);
      return queries;
    }

    it('finds a lost send on a later page, whatever the case of its letters', async () => {
      const other = transaction({ transactionId: 'other', data: '0x99' });
      const queries = onList([
        { items: [other], next: 'p2' },
        { items: [other, transaction({ status: 'mined' })] },
      ]);
      expect(await defender.createRelayer().findSent({ to: TO, data: DATA, since })).to.deep.equal({
        providerTransactionId: 'tx-1',
        hash: HASH.toLowerCase(),
        state: 'mined',
      });
      expect(queries).to.deep.equal([
        { since: '2026-01-01T11:59:00.000Z', limit: '50', sort: 'desc', usePagination: 'true' },
        {
          since: '2026-01-01T11:59:00.000Z',
          limit: '50',
          sort: 'desc',
          next: 'p2',
          usePagination: 'true',
        },
      ]);
    });

    it('prefers a transaction that lives to one of an earlier try that has ended', async () => {
      onList([
        { items: [transaction({ transactionId: 'old', status: 'expired' })], next: 'p2' },
        { items: [transaction()] },
      ]);
      expect(await defender.createRelayer().findSent({ to: TO, data: DATA, since })).to.include({
        providerTransactionId: 'tx-1',
      });
    });

    it('says that there is none only after the whole list was read', async () => {
      const queries = onList([
        { items: [], next: 'p2' },
        { items: [transaction({ to: '0x00' })], next: null },
      ]);
      expect(await defender.createRelayer().findSent({ to: TO, data: DATA, since })).to.equal(
        undefined,
      );
      expect(queries).to.have.length(2);
    });

    it('does not say that there is none when a page fails or cannot be read', async () => {
      onList([{ items: [], next: 'p2' }, { entries: [] }]);
      expect(
        (await rejection(defender.createRelayer().findSent({ to: TO, data: DATA, since }))).kind
          .code,
      ).to.equal('PAY_021');
      onList([{ items: [{ to: TO, data: DATA, status: 'sent' }] }]);
      expect(
        (await rejection(defender.createRelayer().findSent({ to: TO, data: DATA, since }))).kind
          .code,
      ).to.equal('PAY_021');
    });
  });

  describe('findTransaction', () => {
    for (const [status, state] of Object.entries({
      pending: 'pending',
      sent: 'pending',
      submitted: 'pending',
      inmempool: 'pending',
      mined: 'mined',
      confirmed: 'mined',
      failed: 'ended',
      expired: 'ended',
      somethingNew: 'pending',
    })) {
      it(`reads the status ${status} as ${state}`, async () => {
        defender.allowLogin();
        nock(BASE).get('/relayers/self/txs/tx-1').reply(200, transaction({ status }));
        expect(await defender.createRelayer().findTransaction('tx-1')).to.include({ state });
      });
    }

    it('is undefined for an id that the provider does not know, and an error when it cannot say', async () => {
      defender.allowLogin();
      nock(BASE).get('/relayers/self/txs/a%2Fb').reply(404, { message: 'not found' });
      nock(BASE).get('/relayers/self/txs/tx-2').reply(500);
      const relayer = defender.createRelayer();
      expect(await relayer.findTransaction('a/b')).to.equal(undefined);
      const error = await rejection(relayer.findTransaction('tx-2'));
      expect(error.kind.code).to.equal('PAY_021');
      expect(error.internal).to.deep.equal({
        relayerId: 'main',
        reason: 'the provider answered 500',
      });
    });

    it('ends a persistent 401 here too', async () => {
      defender.allowLogin();
      let reads = 0;
      nock(BASE)
        .post('/auth/refresh-token')
        .reply(200, { accessToken: 'another', refreshToken: 'refresh' })
        .persist();
      nock(BASE)
        .get('/relayers/self/txs/tx-1')
        .reply(() => {
          reads += 1;
          return [401];
        })
        .persist();
      await rejection(defender.createRelayer().findTransaction('tx-1'));
      await sleep(50);
      expect(reads).to.equal(2);
    });
  });

  it('reads the relayer’s status', async () => {
    defender.allowLogin();
    nock(BASE).get('/relayers/self/status').reply(200, {
      relayerId: 'r',
      name: 'n',
      nonce: 4,
      address: TO.toLowerCase(),
      numberOfPendingTransactions: 3,
      paused: true,
      txsQuotaUsage: 1,
      rpcQuotaUsage: 1,
    });
    expect(await defender.createRelayer().getStatus()).to.deep.equal({
      address: TO,
      paused: true,
      pendingTransactions: 3,
    });
  });
});
