import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';

import { announceProcess } from '../../domain/webhooks/announceProcess.ts';
import {
  giveBackPlace,
  noteNoneLeft,
  reportPlaces,
  takePlaces,
} from '../../domain/webhooks/places.ts';
import type { Context } from '../../platform/context.ts';
import { createHarness, type Harness } from '../support/harness.ts';
import { waitUntil } from '../support/waitUntil.ts';
import { answerWith } from './support.ts';

const PLACES = 32;
const PLACES_PER_ENDPOINT = 6;
const TIMEOUT_MS = 15_000;
const SILENT = answerWith(null, { error: 'timeout', latencyMs: TIMEOUT_MS });

describe('webhooks: places', () => {
  let harness: Harness;
  let ctx: Context;
  let number = 0;

  before(async function () {
    this.timeout(120_000);
    harness = await createHarness({
      env: {
        MSQPAY_WEBHOOK_PLACES: String(PLACES),
        MSQPAY_WEBHOOK_PLACES_PER_ENDPOINT: String(PLACES_PER_ENDPOINT),
        MSQPAY_WEBHOOK_TIMEOUT_MS: String(TIMEOUT_MS),
      },
    });
  });
  beforeEach(() => {
    // Nobody has a place yet; no jitter.
    ctx = {
      ...harness.ctx,
      config: { ...harness.config, queuePrefix: `{places-${++number}}` },
      random: () => 0,
    };
  });
  after(() => harness.close());

  const delivery = (deliveryId: string, endpointId = 'we_1', storeId = 'st_1') => ({
    deliveryId,
    endpointId,
    storeId,
  });

  /** @returns undefined: it has a place; else after how many ms to ask again */
  async function take(
    deliveryId: string,
    endpointId?: string,
    storeId?: string,
    isStarting = false,
  ): Promise<number | undefined> {
    return (await takePlaces(ctx, [delivery(deliveryId, endpointId, storeId)], { isStarting })).get(
      deliveryId,
    )?.delayMs;
  }
  async function giveBack(
    deliveryId: string,
    outcome = answerWith(204),
    endpointId?: string,
    storeId?: string,
  ) {
    return giveBackPlace(ctx, delivery(deliveryId, endpointId, storeId), outcome);
  }
  /** So that its own width allows it the most places that an endpoint may have. */
  async function makeQuick(endpointId: string, storeId?: string): Promise<void> {
    for (let times = 0; times < PLACES_PER_ENDPOINT; times++) {
      expect(await take(`warm ${endpointId}`, endpointId, storeId)).to.equal(undefined);
      await giveBack(`warm ${endpointId}`, answerWith(204), endpointId, storeId);
    }
  }
  async function makeSilent(endpointId: string, storeId?: string): Promise<void> {
    expect(await take(`probe ${endpointId}`, endpointId, storeId)).to.equal(undefined);
    await giveBack(`probe ${endpointId}`, SILENT, endpointId, storeId);
  }
  /**
   * All at once: before any of them counts as slow. @returns which endpoints find a place, one each
   */
  async function takeOneEach(
    endpoints: readonly { endpointId: string; storeId: string }[],
  ): Promise<string[]> {
    const asking = endpoints.map(({ endpointId, storeId }) =>
      delivery(`d ${endpointId}`, endpointId, storeId),
    );
    const answers = await takePlaces(ctx, asking, { isStarting: false });
    return asking
      .filter(({ deliveryId }) => answers.get(deliveryId) === undefined)
      .map(({ endpointId }) => endpointId);
  }
  const endpointsOf = (storeId: string, count = 20) =>
    Array.from({ length: count }, (_, index) => ({
      endpointId: `${storeId}-we-${index}`,
      storeId,
    }));
  const storesOf = (kind: string) => Array.from({ length: 40 }, (_, index) => `${kind} ${index}`);

  it('of an endpoint grow by one with each success, up to as many as it may have', async () => {
    expect(await take('wd_0')).to.equal(undefined);
    expect(await take('wd_1')).to.be.a('number');
    for (let width = 2; width <= PLACES_PER_ENDPOINT + 2; width++) {
      await giveBack('wd_0');
      const taken = [];
      for (let index = 0; index < PLACES_PER_ENDPOINT + 1; index++)
        if ((await take(`wd_${index}`)) === undefined) taken.push(`wd_${index}`);
      expect(taken).to.have.length(Math.min(width, PLACES_PER_ENDPOINT));
      for (const id of taken.slice(1)) await giveBackPlace(ctx, delivery(id), undefined);
    }
  });

  it('of an endpoint are halved by a failure, and one when it is overloaded or keeps silent', async () => {
    for (const [outcome, left] of [
      [answerWith(500), PLACES_PER_ENDPOINT / 2],
      [answerWith(null), PLACES_PER_ENDPOINT / 2],
      [answerWith(429), 1],
      [answerWith(502), 1],
      [SILENT, 1],
    ] as const) {
      const endpointId = `we ${outcome.statusCode} ${outcome.latencyMs}`;
      await makeQuick(endpointId);
      await take('wd_0', endpointId);
      await giveBack('wd_0', outcome, endpointId);
      const taken = [];
      for (let index = 0; index < PLACES_PER_ENDPOINT; index++)
        taken.push(await take(`wd_${index}`, endpointId));
      expect(
        taken.filter((delay) => delay === undefined),
        endpointId,
      ).to.have.length(left);
      for (let index = 0; index < PLACES_PER_ENDPOINT; index++)
        await giveBackPlace(ctx, delivery(`wd_${index}`, endpointId), undefined);
    }
  });

  it('are never taken twice by one delivery; a job that starts keeps the one that it has', async () => {
    expect(await take('wd_0')).to.equal(undefined);
    expect(await take('wd_0')).to.be.within(TIMEOUT_MS, TIMEOUT_MS + 5_000);
    expect(await take('wd_0', 'we_1', 'st_1', true)).to.equal(undefined);
    expect((await reportPlaces(ctx)).byStore).to.deep.equal(new Map([['st_1', 1]]));
    await giveBack('wd_0');
    expect((await reportPlaces(ctx)).byStore.size).to.equal(0);
    expect(await take('wd_0', 'we_1', 'st_1', true), 'lost, and free').to.equal(undefined);
  });

  it('are kept for the job that asks again, and for no other', async () => {
    const ask = async (jobId: string) =>
      (await takePlaces(ctx, [{ ...delivery('wd_0'), jobId }], { isStarting: false })).get('wd_0')
        ?.delayMs;
    expect(await ask('ob_0-1')).to.equal(undefined);
    expect(await ask('ob_0-1'), 'its publisher does not know whether the job is there').to.equal(
      undefined,
    );
    expect(await ask('ob_0-2')).to.be.a('number');
    expect((await reportPlaces(ctx)).byStore).to.deep.equal(new Map([['st_1', 1]]));
    expect(await take('wd_0', 'we_1', 'st_1', true), 'it starts').to.equal(undefined);
    expect(await ask('ob_0-1'), 'before its publisher knows').to.equal(undefined);
    expect(await ask('ob_0-2')).to.be.a('number');
    await giveBack('wd_0');
    expect(await ask('ob_0-2')).to.equal(undefined);
  });

  it('come back by themselves when a process dies', async () => {
    // A place is held for five seconds more than a POST may take: for one here.
    const mortal = {
      ...ctx,
      config: {
        ...ctx.config,
        outboxRedriveMs: 100,
        webhooks: { ...ctx.config.webhooks, timeoutMs: -4_000 },
      },
    };
    // In one go, so that nothing comes between.
    const [, refused] = await Promise.all([
      takePlaces(mortal, [delivery('wd_0')], { isStarting: true }),
      take('wd_1'),
    ]);
    expect(refused).to.be.a('number');
    expect(
      await waitUntil(async () => (await take('wd_1')) === undefined, {
        what: 'the place',
        timeoutMs: 5_000,
      }),
    ).to.equal(true);
  });

  it('of new endpoints are a quarter, whoever has them: quick ones find room', async () => {
    await makeQuick('quick', 'a store');
    // In one go: in a second they count as slow.
    const [, { byKind, byStore }] = await Promise.all([
      takeOneEach(storesOf('new').flatMap((storeId) => endpointsOf(storeId))),
      reportPlaces(ctx),
    ]);
    expect(byKind).to.deep.equal({ new: PLACES / 4, slow: 0, quick: 0 });
    expect(Math.max(...byStore.values())).to.equal(2);
    const taken = [];
    for (let index = 0; index < 3; index++) taken.push(await take(`q${index}`, 'quick', 'a store'));
    expect(taken).to.deep.equal([undefined, undefined, undefined]);
  });

  it('of new endpoints are of slow ones when they do not answer at once: others that are new find room', async () => {
    const endpoints = endpointsOf('a');
    expect(await takeOneEach(endpoints)).to.have.length(2);
    await sleep(1_050);
    expect((await reportPlaces(ctx)).byKind).to.deep.equal({ new: 0, slow: 2, quick: 0 });
    expect(await takeOneEach(endpoints.slice(2)), 'of the same store').to.have.length(2);
    await sleep(1_050);
    expect(await takeOneEach(endpoints.slice(4)), 'which has an eighth by now').to.have.length(0);
    expect(await takeOneEach(endpointsOf('b'))).to.have.length(2);
  });

  it('of a store’s new endpoints are two at least, and of its slow ones, however few there are', async () => {
    ctx = { ...ctx, config: { ...ctx.config, webhooks: { ...ctx.config.webhooks, places: 16 } } };
    const slow = endpointsOf('a', 5);
    for (const { endpointId } of slow) await makeSilent(endpointId, 'a');
    expect(await takeOneEach(slow)).to.have.length(2);
    expect(await takeOneEach(endpointsOf('a').slice(5))).to.have.length(2);
  });

  for (const { what, quick, slow } of [
    { what: 'five eighths (20 of 32) while nobody else needs one', quick: 0, slow: 20 },
    { what: 'half (16 of 32) while others need theirs', quick: 8, slow: 16 },
  ]) {
    it(`of slow endpoints are ${what}: new ones find room`, async () => {
      const stores = storesOf('silent').map((storeId) => ({
        endpointId: `of ${storeId}`,
        storeId,
      }));
      for (const { endpointId, storeId } of stores) await makeSilent(endpointId, storeId);
      for (let index = 0; index < quick; index += 4) {
        await makeQuick(`quick ${index}`, 'a store');
        for (let one = 0; one < 4; one++)
          await take(`q ${index} ${one}`, `quick ${index}`, 'a store');
      }
      await takeOneEach(stores);
      expect((await reportPlaces(ctx)).byKind).to.deep.equal({ new: 0, slow, quick });
      expect(await take('n', 'new one', 'new store')).to.equal(undefined);
    });
  }

  it('are left to others by a store that has many', async () => {
    for (const storeId of ['a', 'b', 'c'])
      for (const { endpointId } of endpointsOf(storeId, 5)) await makeQuick(endpointId, storeId);
    const taken = new Map<string, number>();
    for (const storeId of ['a', 'b', 'c']) {
      for (const { endpointId } of endpointsOf(storeId, 5)) {
        for (let index = 0; index < PLACES_PER_ENDPOINT; index++) {
          if ((await take(`${endpointId} ${index}`, endpointId, storeId)) === undefined)
            taken.set(storeId, (taken.get(storeId) ?? 0) + 1);
        }
      }
    }
    // A quarter of all, and half of what is free.
    expect([...taken.values()]).to.deep.equal([8, 8, 6]);
    await makeQuick('last', 'd');
  });

  it('are as many as all processes have together', async () => {
    const processes = [announceProcess(ctx), announceProcess(ctx), announceProcess(ctx)];
    await waitUntil(async () => (await reportPlaces(ctx)).limit === 3 * PLACES, {
      what: 'the processes',
    });
    const [first, ...others] = processes;
    await first?.stop();
    expect((await reportPlaces(ctx)).limit).to.equal(2 * PLACES);
    for (const process of others) await process.stop();
  });

  it('that a hanging endpoint does not give back put its deliveries off at the pace at which it does', async () => {
    await makeSilent('we_1');
    expect(await take('probe')).to.equal(undefined);
    const delays = [];
    for (let index = 0; index < 10; index++) delays.push(await take(`wd_${index}`));
    for (const [index, delay] of delays.entries())
      expect(delay).to.be.within((index + 1) * TIMEOUT_MS - 1_000, (index + 1) * TIMEOUT_MS);
    expect((await reportPlaces(ctx)).putOff).to.deep.equal({ endpoint: 10, share: 0 });
    expect(
      await giveBack('probe', SILENT),
      'one is to ask when the endpoint may be asked again',
    ).to.deep.include({
      free: 1,
      delayMs: TIMEOUT_MS,
      refused: 10,
      having: [],
    });
  });

  it('of an endpoint that keeps silent are asked for as seldom, however many of its deliveries wait', async () => {
    const asked = [];
    for (const waiting of [200, 2_000]) {
      const endpointId = `we_${waiting}`;
      await makeSilent(endpointId);
      await take('probe', endpointId);
      const answers = await takePlaces(
        ctx,
        Array.from({ length: waiting }, (_, index) => delivery(`wd_${index}`, endpointId)),
        { isStarting: false },
      );
      asked.push(
        [...answers.values()].filter((answer) => (answer?.delayMs ?? 0) <= 30 * 60_000).length,
      );
      await giveBackPlace(ctx, delivery('probe', endpointId), undefined);
    }
    expect(asked, 'in half an hour').to.deep.equal([120, 120]);
  });

  it('of an endpoint that answers are asked for within five minutes, however many of its deliveries wait', async () => {
    await makeQuick('we_1');
    await giveBack('wd_0', answerWith(204, { latencyMs: TIMEOUT_MS }));
    const ids = Array.from({ length: 500 }, (_, index) => `wd_${index}`);
    const answers = await takePlaces(
      ctx,
      ids.map((id) => delivery(id)),
      { isStarting: false },
    );
    expect(Math.max(...[...answers.values()].map((answer) => answer?.delayMs ?? 0))).to.be.within(
      150_000,
      300_000,
    );
  });

  it('of an endpoint that keeps silent again and again are not taken for a while', async () => {
    // Quickly: it would be slow otherwise, and its turns say as much.
    const keepSilent = () => giveBack('wd_0', answerWith(null, { latencyMs: 0 }));
    for (let times = 0; times < 2; times++) {
      expect(await take('wd_0')).to.equal(undefined);
      await keepSilent();
      await sleep(2);
    }
    expect(await take('wd_0')).to.equal(undefined);
    // In one go: it is left alone for a second.
    const [, delayMs] = await Promise.all([keepSilent(), take('wd_0')]);
    expect(delayMs).to.be.within(1, 1_000);
    await sleep(1_050);
    expect(await take('wd_0'), 'a probe').to.equal(undefined);
    await giveBack('wd_0');
    expect(await take('wd_0'), 'it has answered').to.equal(undefined);
  });

  it('of an endpoint that asked to be left alone are not taken, for five minutes at most', async () => {
    await take('wd_0');
    await giveBack('wd_0', answerWith(503, { retryAfterSeconds: 30 }));
    expect(await take('wd_1')).to.be.within(20_000, 30_000);
    await take('wd_0', 'we_2');
    await giveBack('wd_0', answerWith(429, { retryAfterSeconds: 86_400 }), 'we_2');
    expect(await take('wd_1', 'we_2')).to.be.within(150_000, 300_000);
  });

  it('that are given back bring forward as many as there is room for, when the endpoint answered', async () => {
    await take('wd_0');
    expect((await giveBack('wd_0')).free, 'what may have been forgotten').to.equal(2);
    await take('wd_0');
    await noteNoneLeft(ctx, { endpointId: 'we_1', storeId: 'st_1', refused: 0 });
    expect((await giveBack('wd_0')).free, 'nothing waits').to.equal(0);
    for (let index = 0; index < 4; index++) await take(`wd_${index}`);
    expect(await giveBack('wd_0')).to.deep.include({
      free: 2,
      delayMs: 0,
      refused: 1,
      having: ['wd_1', 'wd_2'],
    });
    expect((await giveBack('wd_0')).free, 'its answer may have been lost').to.equal(3);
    await take('wd_5', 'we_3');
    await take('wd_6', 'we_3');
    await noteNoneLeft(ctx, { endpointId: 'we_3', storeId: 'st_1', refused: 0 });
    expect(
      (await giveBack('wd_5', answerWith(204), 'we_3')).free,
      'one was put off since the database was asked',
    ).to.equal(2);
    await noteNoneLeft(ctx, { endpointId: 'we_3', storeId: 'st_1', refused: 1 });
    expect(
      (await giveBack('wd_5', answerWith(204), 'we_3')).free,
      'those that wait were told',
    ).to.equal(0);
    await take('wd_0', 'we_2');
    await take('wd_1', 'we_2');
    const left = await giveBack('wd_0', answerWith(null, { retryAfterSeconds: 20 }), 'we_2');
    expect(left, 'one, when the endpoint may be asked again').to.deep.include({
      free: 1,
      having: [],
    });
    expect(left.delayMs).to.be.within(10_000, 20_000);
  });
});
