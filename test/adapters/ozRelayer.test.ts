import { expect } from 'chai';

import {
  DATA,
  FROM,
  HASH,
  noop,
  rejection,
  success,
  TO,
  transaction,
  useOzServer,
} from './ozFixture.ts';

const since = new Date('2026-01-01T12:00:00Z');
const FOUND = { providerTransactionId: 'tx-1', hash: HASH.toLowerCase(), state: 'pending' };
/** Seconds after `since`. */
const at = (seconds: number): string =>
  new Date(since.getTime() + seconds * 1000).toISOString().replace('Z', '999+00:00');

describe('the OpenZeppelin Relayer', () => {
  const oz = useOzServer();
  const findSent = (): Promise<unknown> =>
    oz.createRelayer().findSent({ to: TO, data: DATA, since });

  /** Serves these, cut into pages, in this order. */
  function serveList(items: object[]): void {
    oz.onRequest(({ url }) => {
      const { searchParams, pathname } = new URL(url, oz.url);
      expect(pathname).to.equal('/api/v1/relayers/anvil-main/transactions/');
      const [page, perPage] = [
        Number(searchParams.get('page')),
        Number(searchParams.get('per_page')),
      ];
      const pagination = { current_page: page, per_page: perPage, total_items: items.length };
      return {
        status: 200,
        body: success(items.slice((page - 1) * perPage, page * perPage), { pagination }),
      };
    });
  }
  const pagesRead = (): number[] =>
    oz.received.map(({ url }) => Number(new URL(url, oz.url).searchParams.get('page')));

  describe('findSent', () => {
    /** One a second, up to the given one, oldest first. */
    const others = (count: number, lastAt: number): object[] =>
      Array.from({ length: count }, (_, index) =>
        transaction({
          id: `other-${index}`,
          data: '0x99',
          created_at: at(lastAt - (count - 1 - index)),
        }),
      );

    it('finds it whatever the case of its letters', async () => {
      serveList([
        transaction({ id: 'other', data: '0x99' }),
        transaction({ to: TO.toUpperCase().replace('0X', '0x') }),
      ]);
      expect(await findSent()).to.deep.equal(FOUND);
    });

    it('finds it on a later page of a list with the newest first, and reads no further', async () => {
      serveList(
        [...others(120, 300), transaction({ created_at: at(1) }), ...others(200, -90)].sort(
          newestFirst,
        ),
      );
      expect(await findSent()).to.deep.equal(FOUND);
      expect(pagesRead()).to.deep.equal([1, 2, 3]);
    });

    it('finds it near the end of a list with the oldest first, which it reads from there', async () => {
      serveList([...others(420, -90), transaction({ created_at: at(1) }), ...others(60, 300)]);
      expect(await findSent()).to.deep.equal(FOUND);
      expect(pagesRead()).to.deep.equal([1, 10, 9]);
    });

    it('finds it on the first page of a list with the oldest first, which it reads last', async () => {
      serveList([transaction({ created_at: at(1) }), ...others(60, 300)]);
      expect(await findSent()).to.deep.equal(FOUND);
      expect(pagesRead()).to.deep.equal([1, 2]);
    });

    it('finds it in a list without an order, where old ones do not mean that none follows', async () => {
      const all = [transaction({ created_at: at(1) }), ...others(150, 0)];
      // None of its pages is sorted, and each has some from before that moment.
      const shuffled = all.map((_, index) => all[((index + 1) * 37) % all.length] ?? transaction());
      expect(shuffled.at(-1)).to.include({ id: 'tx-1' });
      serveList(shuffled);
      expect(await findSent()).to.deep.equal(FOUND);
      expect(pagesRead()).to.deep.equal([1, 2, 3, 4]);
    });

    it('says that there is none once all since that moment was read', async () => {
      serveList([...others(70, 300), ...others(430, -90)].sort(newestFirst));
      expect(await findSent()).to.equal(undefined);
      expect(pagesRead()).to.deep.equal([1, 2]);
    });

    it('says the same of an empty list', async () => {
      serveList([]);
      expect(await findSent()).to.equal(undefined);
    });

    it('reads everything when all seems to have come at the same moment', async () => {
      serveList([
        ...Array.from({ length: 130 }, (_, index) =>
          transaction({ id: `other-${index}`, data: '0x99' }),
        ),
        transaction(),
      ]);
      expect(await findSent()).to.deep.equal(FOUND);
      expect(pagesRead()).to.deep.equal([1, 2, 3]);
    });

    it('leaves out the same call from before that moment, but for what clocks may differ by', async () => {
      serveList([transaction({ created_at: at(-62) })]);
      expect(await findSent()).to.equal(undefined);
      serveList([transaction({ created_at: at(-59) })]);
      expect(await findSent()).to.deep.equal(FOUND);
    });

    it('prefers a transaction that lives to one of an earlier try that has ended', async () => {
      serveList([transaction({ id: 'old', status: 'expired' }), transaction()]);
      expect(await findSent()).to.deep.equal(FOUND);
      serveList([transaction({ status: 'canceled' })]);
      expect(await findSent()).to.deep.equal({ ...FOUND, state: 'ended' });
    });

    it('says nothing while one of them is being replaced: it may be the one, and may still be mined', async () => {
      serveList([noop({ id: 'replaced' })]);
      expect((await rejection(findSent())).kind.code).to.equal('PAY_021');
      // Unless that is found beside it.
      serveList([noop({ id: 'replaced' }), transaction()]);
      expect(await findSent()).to.deep.equal(FOUND);
    });

    for (const status of ['mined', 'confirmed', 'failed', 'expired', 'canceled']) {
      it(`passes over a replaced one that is ${status}: its nonce is used, and not by our call`, async () => {
        serveList([noop({ id: 'replaced', status })]);
        expect(await findSent()).to.equal(undefined);
      });
    }

    it('says nothing when the provider does not tell what a transaction to this address carries', async () => {
      serveList([transaction({ data: null })]);
      expect((await rejection(findSent())).internal).to.deep.equal({
        relayerId: 'main',
        reason:
          'a listed transaction does not tell what it carries: it is being replaced, or the provider is too old',
      });
      serveList([transaction({ data: null, to: '0x00000000000000000000000000000000000000aa' })]);
      expect(await findSent()).to.equal(undefined);
    });

    it('does not say that there is none when a page fails or cannot be read', async () => {
      const pagination = { current_page: 1, per_page: 50, total_items: 51 };
      for (const body of [
        success([transaction({ data: '0x99' })]),
        success({ entries: [] }, { pagination }),
        success([{ id: 'tx-2', to: TO, data: DATA }], { pagination }),
        { success: false, data: null, error: 'no' },
      ]) {
        oz.onRequest(() => ({ status: 200, body }));
        expect((await rejection(findSent())).kind.code, JSON.stringify(body)).to.equal('PAY_021');
      }
      const all = others(51, 300).sort(newestFirst);
      oz.onRequest(({ url }) =>
        url.includes('page=1&')
          ? { status: 200, body: success(all.slice(0, 50), { pagination }) }
          : { status: 500 },
      );
      expect((await rejection(findSent())).internal).to.deep.equal({
        relayerId: 'main',
        reason: 'the provider answered 500',
      });
    });

    it('gives up on a list without end', async () => {
      oz.onRequest(() => ({
        status: 200,
        body: success(others(50, 300), {
          pagination: { current_page: 1, per_page: 50, total_items: 1_000_000 },
        }),
      }));
      expect((await rejection(findSent())).internal)
        .to.have.property('reason')
        .that.contains('more than 100 pages');
    });
  });

  describe('findTransaction', () => {
    const find = (id = 'tx-1'): Promise<unknown> => oz.createRelayer().findTransaction(id);

    for (const [status, state] of Object.entries({
      pending: 'pending',
      sent: 'pending',
      submitted: 'pending',
      mined: 'mined',
      confirmed: 'mined',
      failed: 'ended',
      expired: 'ended',
      canceled: 'ended',
      somethingNew: 'pending',
    })) {
      it(`reads the status ${status} as ${state}`, async () => {
        oz.onRequest(() => ({ status: 200, body: success(transaction({ status })) }));
        expect(await find()).to.deep.equal({ ...FOUND, state });
        expect(oz.received[0]).to.include({
          method: 'GET',
          url: '/api/v1/relayers/anvil-main/transactions/tx-1',
        });
      });
    }

    for (const [status, state] of Object.entries({
      submitted: 'pending',
      mined: 'ended',
      confirmed: 'ended',
      failed: 'ended',
    })) {
      it(`reads the status ${status} of what was replaced by a transfer to itself as ${state}, with no hash of ours`, async () => {
        for (const data of ['0x', null]) {
          oz.onRequest(() => ({ status: 200, body: success(noop({ status, data })) }));
          expect(await find()).to.deep.equal({ providerTransactionId: 'tx-1', hash: null, state });
        }
      });
    }

    it('takes a call with data to the relayer’s account for no replacement', async () => {
      oz.onRequest(() => ({
        status: 200,
        body: success(transaction({ to: FROM, status: 'mined' })),
      }));
      expect(await find()).to.deep.equal({ ...FOUND, state: 'mined' });
    });

    it('is undefined for an id that the provider does not know', async () => {
      oz.onRequest(() => ({
        status: 404,
        body: { success: false, data: null, error: 'Transaction with ID a/b not found' },
      }));
      expect(await find('a/b')).to.equal(undefined);
      expect(oz.received[0]?.url).to.equal('/api/v1/relayers/anvil-main/transactions/a%2Fb');
    });

    for (const body of [
      { success: false, data: null, error: 'Relayer with ID anvil-main not found' },
      '<html>Not Found</html>',
      { success: false },
    ]) {
      it(`does not take the absence of something else for that: ${JSON.stringify(body)}`, async () => {
        oz.onRequest(() => ({ status: 404, body }));
        expect((await rejection(find())).kind.code).to.equal('PAY_021');
      });
    }

    it('is an error when the provider cannot say', async () => {
      for (const status of [401, 429, 500]) {
        oz.onRequest(() => ({ status, body: { success: false, error: 'no' } }));
        const error = await rejection(find());
        expect(error.kind.code).to.equal('PAY_021');
        expect(error.internal).to.deep.equal({
          relayerId: 'main',
          reason: `the provider answered ${status}: no`,
        });
      }
    });
  });

  describe('getStatus', () => {
    function serveStatus(
      relayer: object,
      status: object = { pending_transactions_count: 3 },
    ): void {
      oz.onRequest(({ url }) => ({
        status: 200,
        body: success(
          url.includes('/status')
            ? status
            : { id: 'anvil-main', address: TO.toLowerCase(), ...relayer },
        ),
      }));
    }
    const getStatus = (): Promise<unknown> => oz.createRelayer().getStatus();

    it('tells the account, and how many wait, without having its balance and history looked up', async () => {
      serveStatus({ paused: false, system_disabled: false });
      expect(await getStatus()).to.deep.equal({
        address: TO,
        paused: false,
        pendingTransactions: 3,
      });
      expect(
        oz.received.map(({ url }) => url.replace('/api/v1/relayers/anvil-main', '')).sort(),
      ).to.deep.equal(['', '/status?include_balance=false&include_last_confirmed_tx=false']);
    });

    it('is paused when an operator or the provider itself has switched it off', async () => {
      serveStatus({ paused: true });
      expect(await getStatus()).to.include({ paused: true });
      serveStatus({ paused: false, system_disabled: true });
      expect(await getStatus()).to.include({ paused: true });
    });

    it('is an error when it cannot be read', async () => {
      serveStatus({ paused: false, address: 'G-something-of-another-chain' });
      expect((await rejection(getStatus())).kind.code).to.equal('PAY_021');
      serveStatus({ paused: false }, { pending_transactions_count: -1 });
      expect((await rejection(getStatus())).kind.code).to.equal('PAY_021');
    });
  });
});

function newestFirst(a: object, b: object): number {
  const timeOf = (item: object): number => Date.parse((item as { created_at: string }).created_at);
  return timeOf(b) - timeOf(a);
}
