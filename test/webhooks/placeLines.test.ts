import { expect } from 'chai';

import {
  giveBackPlace,
  giveBackPlaceOfJob,
  noteNoneLeft,
  notePresence,
  reportPlaces,
  takePlaces,
} from '../../domain/webhooks/places.ts';
import type { WokenEndpoint } from '../../domain/webhooks/placeStore.ts';
import type { Context } from '../../platform/context.ts';
import { createHarness, type Harness } from '../support/harness.ts';
import { answerWith } from './support.ts';

/** Slow endpoints have 20 of these, and a store two of them. */
const PLACES = 32;
const TIMEOUT_MS = 15_000;
const SILENT = answerWith(null, { error: 'timeout', latencyMs: TIMEOUT_MS });

describe('webhooks: endpoints that wait for their store’s share of places', () => {
  let harness: Harness;
  let ctx: Context;
  let number = 0;

  before(async function () {
    this.timeout(120_000);
    harness = await createHarness({
      env: { MSQPAY_WEBHOOK_PLACES: String(PLACES), MSQPAY_WEBHOOK_TIMEOUT_MS: String(TIMEOUT_MS) },
    });
  });
  beforeEach(() => {
    ctx = {
      ...harness.ctx,
      config: { ...harness.config, queuePrefix: `{lines-${++number}}` },
      random: () => 0,
    };
  });
  after(() => harness.close());

  /** `a1`: an endpoint of store a; it has deliveries of its own. */
  const delivery = (endpointId: string, deliveryId = `wd ${endpointId}`) => ({
    deliveryId,
    endpointId,
    storeId: endpointId.charAt(0),
  });
  async function take(endpointId: string, deliveryId?: string): Promise<boolean> {
    const one = delivery(endpointId, deliveryId);
    return (await takePlaces(ctx, [one], { isStarting: false })).get(one.deliveryId) === undefined;
  }
  const giveBack = (endpointId: string, outcome = SILENT) =>
    giveBackPlace(ctx, delivery(endpointId), outcome);
  async function makeSlow(...endpoints: string[]): Promise<void> {
    for (const endpointId of endpoints) {
      expect(await take(endpointId)).to.equal(true);
      const left = await giveBack(endpointId);
      await noteNoneLeft(ctx, left);
    }
  }
  const idsOf = (woken: readonly WokenEndpoint[]) => woken.map(({ endpointId }) => endpointId);
  /**
   * As if its time were over: waiting for that would have to be done before something else takes as
   * long. `*`: the place that is kept for a woken endpoint.
   */
  async function end(endpointId: string, deliveryId: string): Promise<void> {
    const name = `${endpointId.charAt(0)}/${endpointId}/${deliveryId}`;
    const changed = await ctx.redis.zadd(`${ctx.config.queuePrefix}:places`, 'XX', 'CH', 1, name);
    expect(changed, 'there was such a place').to.equal(1);
  }
  const sweep = () => notePresence(ctx, 'a process', 60_000);

  it('are woken when their store gives a place back, in turn', async () => {
    await makeSlow('a1', 'a2', 'a3', 'a4');
    expect([await take('a1'), await take('a2'), await take('a3'), await take('a4')]).to.deep.equal([
      true,
      true,
      false,
      false,
    ]);
    expect((await reportPlaces(ctx)).waitingStores).to.deep.equal({ new: 0, slow: 1, quick: 0 });
    expect(idsOf((await giveBack('a1')).woken)).to.deep.equal(['a3']);
    expect(await take('a1'), 'the place is kept').to.equal(false);
    expect(await take('a3')).to.equal(true);
    expect(idsOf((await giveBack('a3')).woken)).to.deep.equal(['a4']);
    expect(idsOf((await giveBack('a2')).woken)).to.deep.equal(['a1']);
    expect((await reportPlaces(ctx)).waitingStores.slow).to.equal(0);
  });

  it('are woken when another store gives a place back: the store that has fewest comes first', async () => {
    const stores = [...'abcdefghijklmnopqrstuvw'];
    for (const store of stores) await makeSlow(`${store}1`, `${store}2`);
    const taking = stores.filter((store) => store < 'u');
    for (const store of taking) expect(await take(`${store}1`), store).to.equal(true);
    expect(await take('a2')).to.equal(false);
    for (const store of ['u', 'v', 'w']) expect(await take(`${store}1`)).to.equal(false);
    for (const [free, next] of [
      ['b1', 'u1'],
      ['c1', 'v1'],
      ['d1', 'w1'],
    ] as const) {
      const { woken } = await giveBack(free);
      expect(idsOf(woken)).to.deep.equal([next]);
      expect(await take(next)).to.equal(true);
    }
    for (const store of ['e', 'f', 'g'])
      expect(
        idsOf((await giveBack(`${store}1`)).woken),
        'a store takes a quarter of what is free',
      ).to.deep.equal([]);
    await giveBack('h1');
    expect(idsOf((await giveBack('i1')).woken)).to.deep.equal(['a2']);
  });

  it('that are new are not kept waiting by slow ones of their store', async () => {
    await makeSlow('a1', 'a2', 'a3');
    for (const endpointId of ['a1', 'a2', 'a3']) await take(endpointId);
    expect(await take('a4')).to.equal(true);
    expect(await take('a5')).to.equal(true);
    expect(await take('a6'), 'two at once').to.equal(false);
    expect(idsOf((await giveBack('a4', answerWith(204))).woken)).to.deep.equal(['a6']);
  });

  it('are woken when a place has ended by itself, as one of a process that died', async () => {
    await makeSlow('a1', 'a2', 'a3');
    await takePlaces(ctx, [delivery('a1'), delivery('a2')], { isStarting: true });
    expect(await take('a3')).to.equal(false);
    expect(idsOf(await sweep())).to.deep.equal([]);
    await end('a1', 'wd a1');
    await end('a2', 'wd a2');
    expect(idsOf(await sweep())).to.deep.equal(['a3']);
  });

  it('are woken again when whoever woke them died', async () => {
    await makeSlow('a1', 'a2', 'a3');
    for (const endpointId of ['a1', 'a2', 'a3']) await take(endpointId);
    expect(idsOf((await giveBack('a1')).woken)).to.deep.equal(['a3']);
    expect(idsOf(await sweep())).to.deep.equal([]);
    await end('a3', '*');
    expect(idsOf(await sweep())).to.deep.equal(['a3']);
  });

  it('leave the place that is kept to the next when nothing waits for them any more', async () => {
    await makeSlow('a1', 'a2', 'a3', 'a4');
    for (const endpointId of ['a1', 'a2', 'a3', 'a4']) await take(endpointId);
    const [woken] = (await giveBack('a1')).woken;
    expect(woken).to.deep.include({ endpointId: 'a3', storeId: 'a' });
    expect(idsOf(await noteNoneLeft(ctx, woken!))).to.deep.equal(['a4']);
    await giveBack('a2');
    expect(idsOf(await sweep()), 'a3 waits no more').to.deep.equal([]);
  });

  it('go on waiting when one was put off since the database was asked', async () => {
    await makeSlow('a1', 'a2', 'a3');
    for (const endpointId of ['a1', 'a2', 'a3']) await take(endpointId);
    const [woken] = (await giveBack('a1')).woken;
    expect(await take('a3', 'a second')).to.equal(true);
    expect(await take('a3', 'a third'), 'it has one place').to.equal(false);
    await noteNoneLeft(ctx, woken!);
    expect((await giveBackPlace(ctx, delivery('a3', 'a second'), SILENT)).free).to.equal(1);
  });

  it('are woken by more places', async () => {
    const places = {
      ...ctx,
      config: { ...ctx.config, webhooks: { ...ctx.config.webhooks, places: 64 } },
    };
    await makeSlow('a1', 'a2', 'a3');
    for (const endpointId of ['a1', 'a2', 'a3']) await take(endpointId);
    expect(idsOf(await sweep())).to.deep.equal([]);
    expect(idsOf(await notePresence(places, 'a process', 60_000))).to.deep.equal(['a3']);
  });

  describe('when a job ends that has not begun', () => {
    const takeFor = async (jobId: string) =>
      (await takePlaces(ctx, [{ ...delivery('a1'), jobId }], { isStarting: false })).get(
        'wd a1',
      ) === undefined;

    it('its place is free at once, and for whom waits', async () => {
      expect(await takeFor('ob_1-1')).to.equal(true);
      expect(await take('a1', 'a second')).to.equal(false);
      expect(
        await giveBackPlaceOfJob(ctx, { deliveryId: 'wd a1', jobId: 'ob_1-1' }),
      ).to.deep.include({
        ...{ endpointId: 'a1', storeId: 'a', free: 1, having: [] },
      });
      expect(await takeFor('ob_1-2')).to.equal(true);
    });

    it('another job’s place stays, and one that is being posted', async () => {
      expect(await takeFor('ob_1-2')).to.equal(true);
      expect(
        (await giveBackPlaceOfJob(ctx, { deliveryId: 'wd a1', jobId: 'ob_1-1' })).free,
      ).to.equal(0);
      await takePlaces(ctx, [delivery('a1')], { isStarting: true });
      expect(
        (await giveBackPlaceOfJob(ctx, { deliveryId: 'wd a1', jobId: 'ob_1-2' })).free,
      ).to.equal(0);
      expect((await reportPlaces(ctx)).byKind.new).to.equal(1);
    });
  });
});
