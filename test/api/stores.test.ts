import { expect } from 'chai';

import { createExpiringCache } from '../../domain/stores/expiringCache.ts';
import {
  createStore,
  findIdentity,
  getStore,
  isRegisteredMerchant,
  issueApiKey,
  registerMerchant,
  revokeApiKey,
} from '../../domain/stores/service.ts';
import type { Context } from '../../platform/context.ts';
import { selectRows } from '../../platform/db.ts';
import { AppError } from '../../shared/errors.ts';
import { createHarness, type Harness } from '../support/harness.ts';

describe('stores', () => {
  const PAYOUT = '0x00000000000000000000000000000000000000AA';
  const SECOND = '0x00000000000000000000000000000000000000bB';
  const THIRD = '0x00000000000000000000000000000000000000CC';
  let harness: Harness;
  let now: number;
  /** As a second process with a clock that the test turns: its own memory on the same database. */
  let ctx: Context;
  before(async () => {
    harness = await createHarness();
  });
  after(() => harness.close());
  beforeEach(() => {
    now = Date.now();
    ctx = {
      ...harness.ctx,
      db: harness.ctx.db.withUserParams({}),
      clock: { now: () => new Date(now) },
    };
  });
  const rejection = (promise: Promise<unknown>) =>
    promise.then(
      () => undefined,
      (error: unknown) => error,
    );

  it('registers the payout address and the further merchants, each once', async () => {
    const store = await createStore(ctx, {
      name: 'Shop',
      payoutAddress: PAYOUT,
      merchants: [SECOND, PAYOUT],
    });
    expect(await getStore(ctx, store.id)).to.deep.equal({
      id: store.id,
      name: 'Shop',
      payoutAddress: PAYOUT,
    });
    for (const [address, registered] of [
      [PAYOUT, true],
      [SECOND, true],
      [THIRD, false],
    ] as const) {
      expect(await isRegisteredMerchant(ctx, { storeId: store.id, address })).to.equal(registered);
    }
    await registerMerchant(ctx, { storeId: store.id, address: THIRD });
    await registerMerchant(ctx, { storeId: store.id, address: THIRD });
    expect(await isRegisteredMerchant(ctx, { storeId: store.id, address: THIRD })).to.equal(true);
  });

  it('does not know another store’s merchants', async () => {
    const [one, other] = [
      await createStore(ctx, { name: 'A', payoutAddress: PAYOUT }),
      await createStore(ctx, { name: 'B', payoutAddress: SECOND }),
    ];
    expect(
      await isRegisteredMerchant(ctx, { storeId: one.id, address: other.payoutAddress }),
    ).to.equal(false);
  });

  it('throws notFound for an unknown store, also when a key is to be issued', async () => {
    expect(await rejection(getStore(ctx, 'st_none')))
      .to.be.instanceOf(AppError)
      .and.to.include({ code: 'PAY_009' });
    expect(
      await rejection(issueApiKey(ctx, { storeId: 'st_none', role: 'store', environment: 'test' })),
    ).to.include({ code: 'PAY_009' });
  });

  describe('API keys', () => {
    let storeId: string;
    beforeEach(async () => {
      storeId = (await createStore(ctx, { name: 'Shop', payoutAddress: PAYOUT })).id;
    });

    it('are kept as a hash only', async () => {
      const { id, key } = await issueApiKey(ctx, { storeId, role: 'store', environment: 'live' });
      expect(key).to.match(/^sk_live_[0-9A-Za-z]{32}$/);
      const rows = await selectRows<{ key_hint: string }>(
        ctx.db,
        'SELECT * FROM api_keys WHERE id = ?',
        [id],
      );
      expect(JSON.stringify(rows)).not.to.include(key.slice(8, 28));
      expect(rows[0]?.key_hint).to.equal(`sk_live_...${key.slice(-4)}`);
      expect(await findIdentity(ctx, key)).to.deep.equal({ apiKeyId: id, storeId, role: 'store' });
    });

    it('use every character equally often: bytes that would favour some are thrown away', async () => {
      // 250 is beyond the last multiple of 62, 61 and 247 stand for the last character, 0 and 62
      // for the first.
      const bytes = [250, 255, 248, 0, 61, 62, 247];
      let at = 0;
      const scripted = {
        ...ctx,
        randomBytes: (size: number) =>
          Buffer.from(Array.from({ length: size }, () => bytes[at++ % bytes.length] ?? 0)),
      };
      const { key } = await issueApiKey(scripted, { storeId, role: 'store', environment: 'test' });
      expect(key).to.equal(`sk_test_${'0z0z'.repeat(8)}`);
    });

    it('are refused in another process at the latest 5 seconds after they were revoked', async () => {
      const { id, key } = await issueApiKey(ctx, { storeId, role: 'store', environment: 'test' });
      expect(await findIdentity(ctx, key)).not.to.equal(undefined);
      await revokeApiKey(harness.ctx, { apiKeyId: id });
      now += 4_900;
      expect(await findIdentity(ctx, key), 'still remembered').not.to.equal(undefined);
      now += 200;
      expect(await findIdentity(ctx, key)).to.equal(undefined);
    });

    it('revoked twice: the second time there is none in force', async () => {
      const { id } = await issueApiKey(ctx, { storeId, role: 'store', environment: 'test' });
      await revokeApiKey(ctx, { apiKeyId: id });
      expect(await rejection(revokeApiKey(ctx, { apiKeyId: id }))).to.include({ code: 'PAY_009' });
    });
  });
});

describe('createExpiringCache', () => {
  const newCache = (maxEntries = 10) =>
    createExpiringCache<string>({ maxEntries, lifetimeMs: () => 100 });

  it('asks once for requests that come together, and again when the answer is too old', async () => {
    const cache = newCache();
    let asked = 0;
    const load = () => Promise.resolve(`answer ${++asked}`);
    expect(await Promise.all([cache.get('a', 0, load), cache.get('a', 0, load)])).to.deep.equal([
      'answer 1',
      'answer 1',
    ]);
    expect(await cache.get('a', 99, load)).to.equal('answer 1');
    expect(await cache.get('a', 100, load)).to.equal('answer 2');
  });

  it('does not keep a failure', async () => {
    const cache = newCache();
    const failed = await cache
      .get('a', 0, () => Promise.reject(new Error('away')))
      .catch((error: unknown) => error);
    expect(failed).to.be.instanceOf(Error);
    expect(await cache.get('a', 0, () => Promise.resolve('back'))).to.equal('back');
  });

  it('drops the oldest entry when it is full', async () => {
    const cache = newCache(2);
    for (const key of ['a', 'b', 'c']) await cache.get(key, 0, () => Promise.resolve(key));
    expect(['a', 'b', 'c'].map((key) => cache.peek(key, 1))).to.deep.equal([undefined, 'b', 'c']);
  });
});
