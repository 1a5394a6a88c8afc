import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';

import {
  addProcess,
  giveBackPlaceInRedis,
  noteNoneWaiting,
  readPlaces,
  takePlacesInRedis,
  type EndpointOfStore,
  type PlaceRules,
  type PostResult,
  type WokenEndpoint,
} from '../../domain/webhooks/placeStore.ts';
import type { Context } from '../../platform/context.ts';
import { createRandom } from '../support/createRandom.ts';
import { createHarness, type Harness } from '../support/harness.ts';

const RULES: PlaceRules = {
  placesOfProcess: 0,
  placesOfEndpoint: 5,
  placesOfSlowEndpoint: 3,
  slowMs: 600_000,
  keptMs: 600_000,
  shortestDelayMs: 1,
  shortestShareDelayMs: 1,
  longestDelayMs: 1_000,
  longestFailingDelayMs: 1_000,
  // Nobody is left alone: that is tested elsewhere, and takes time.
  silences: 1e9,
  shortestPauseMs: 0,
  longestPauseMs: 0,
  longestClosedMs: 0,
};
const SLOW_LATENCY_MS = RULES.slowMs + 1;
const STEPS = 400;

type Kind = 'new' | 'slow' | 'quick';

interface Endpoint extends EndpointOfStore {
  kind: Kind;
  width: number;
  /** Its deliveries that are posted, each with what the endpoint was when it took its place. */
  readonly having: Map<string, Kind>;
  readonly waiting: string[];
  /** It kept silent: one of those that wait comes by itself later. */
  isResting: boolean;
  /** A place is kept for it. */
  kept: Kind | undefined;
}

/**
 * What the scripts promise, in few lines: bounds, who is let in, and that nobody waits beside a
 * place that it could have.
 */
class Model {
  readonly total: number;
  readonly endpoints: readonly Endpoint[];
  constructor(total: number, stores: number, endpointsOfStore: number) {
    this.total = total;
    this.endpoints = Array.from({ length: stores * endpointsOfStore }, (_, index) => ({
      storeId: `st${index % stores}`,
      endpointId: `we${index}`,
      kind: 'new',
      width: 1,
      having: new Map<string, Kind>(),
      waiting: [],
      isResting: false,
      kept: undefined,
    }));
  }

  count(kind?: Kind, storeId?: string): number {
    const kinds = this.endpoints
      .filter((endpoint) => storeId === undefined || endpoint.storeId === storeId)
      .flatMap(({ having, kept }) => [...having.values(), ...(kept === undefined ? [] : [kept])]);
    return kind === undefined ? kinds.length : kinds.filter((each) => each === kind).length;
  }

  hasRoom({ width, having, kept }: Endpoint): boolean {
    return having.size + (kept === undefined ? 0 : 1) < Math.min(width, RULES.placesOfEndpoint);
  }

  mayTake({ kind, storeId }: Endpoint): boolean {
    const { total } = this;
    const free = total - this.count();
    const ofStore = this.count(kind, storeId);
    const [newOnes, slow] = [this.count('new'), this.count('slow')];
    switch (kind) {
      case 'quick':
        return ofStore < total / 4 && ofStore < free / 2;
      case 'slow': {
        const room = Math.min(
          free,
          Math.max(Math.floor(total / 2) - slow, free - Math.floor((total * 3) / 8)),
        );
        return ofStore < Math.max(2, total / 16) && ofStore < room / 4;
      }
      case 'new': {
        const room = Math.min(
          free,
          Math.floor(total / 4) - newOnes,
          Math.floor((total * 3) / 4) - newOnes - slow,
        );
        const isWithin =
          ofStore < Math.max(2, total / 16) &&
          ofStore + this.count('slow', storeId) < Math.max(4, total / 8);
        return isWithin && ofStore < room / 2;
      }
    }
  }

  note(endpoint: Endpoint, result: PostResult, isSlow: boolean): void {
    if (result === 'success')
      endpoint.width = Math.min(
        endpoint.width + 1,
        isSlow ? RULES.placesOfSlowEndpoint : RULES.placesOfEndpoint,
      );
    else if (result === 'failure') endpoint.width = Math.max(1, Math.floor(endpoint.width / 2));
    else endpoint.width = 1;
    endpoint.kind = isSlow ? 'slow' : 'quick';
  }
}

describe('webhooks: places against a model of them', function () {
  this.timeout(120_000);

  let harness: Harness;
  before(async () => {
    harness = await createHarness();
  });
  after(() => harness.close());

  for (let seed = 1; seed <= 8; seed++) {
    it(`keep their bounds, and nobody waits beside a free one (seed ${seed})`, async () => {
      const { next: random, between, pick } = createRandom(seed);
      const ctx: Context = {
        ...harness.ctx,
        config: { ...harness.config, queuePrefix: `{model-${seed}}` },
      };
      const model = new Model(between(16, 120), between(2, 9), between(1, 8));
      const rules = { ...RULES, placesOfProcess: model.total };
      let deliveries = 0;
      let isLosing = false;

      async function take(endpoint: Endpoint, deliveryId: string): Promise<void> {
        const { endpointId, storeId, kept } = endpoint;
        endpoint.kept = undefined;
        const isExpected =
          model.hasRoom(endpoint) && (kept === endpoint.kind || model.mayTake(endpoint));
        const input = {
          deliveries: [{ deliveryId, endpointId, storeId }],
          isStarting: false,
          heldMs: 600_000,
          random: () => 0,
        };
        const [answer] = await takePlacesInRedis(ctx, rules, input);
        expect(answer?.delayMs === 0, `a place for ${deliveryId}`).to.equal(isExpected);
        if (isExpected) endpoint.having.set(deliveryId, endpoint.kind);
        else endpoint.waiting.push(deliveryId);
      }
      async function takeNext(endpoint: Endpoint): Promise<void> {
        const deliveryId = endpoint.waiting.shift();
        if (deliveryId !== undefined) await take(endpoint, deliveryId);
      }
      async function wake(woken: readonly WokenEndpoint[]): Promise<void> {
        const found = woken.map((one) => ({
          one,
          endpoint: model.endpoints.find(({ endpointId }) => endpointId === one.endpointId)!,
        }));
        for (const { one, endpoint } of found) {
          expect([...one.having].sort()).to.deep.equal([...endpoint.having.keys()].sort());
          endpoint.kept = endpoint.kind;
        }
        for (const { one, endpoint } of found) {
          // The process dies before it has told: what is kept lapses.
          if (isLosing) endpoint.kept = undefined;
          else if (endpoint.waiting.length > 0) await takeNext(endpoint);
          else {
            endpoint.kept = undefined;
            await wake(await noteNoneWaiting(ctx, rules, one));
          }
        }
        if (isLosing && woken.length > 0) await sleep(3);
      }
      async function giveBack(endpoint: Endpoint, deliveryId: string): Promise<void> {
        const result = pick(['success', 'success', 'failure', 'silence'] as const);
        const isSlow = result === 'silence' || random() < 0.5;
        endpoint.having.delete(deliveryId);
        model.note(endpoint, result, isSlow);
        isLosing = random() < 0.2;
        const { endpointId, storeId } = endpoint;
        const given = {
          deliveryId,
          endpointId,
          storeId,
          result,
          latencyMs: isSlow ? SLOW_LATENCY_MS : 1,
          askedMs: 0,
        };
        const left = await giveBackPlaceInRedis(
          ctx,
          { ...rules, keptMs: isLosing ? 1 : rules.keptMs },
          given,
        );
        await wake(left.woken);
        isLosing = false;
        if (left.delayMs > 0) endpoint.isResting = endpoint.waiting.length > 0;
        else {
          for (let brought = 0; brought < left.free; brought++) await takeNext(endpoint);
          if (left.free > 0 && endpoint.waiting.length === 0 && endpoint.having.size === 0)
            await wake(await noteNoneWaiting(ctx, rules, left));
        }
      }
      async function step(): Promise<void> {
        const held = model.endpoints.flatMap((endpoint) =>
          [...endpoint.having.keys()].map((deliveryId) => ({ endpoint, deliveryId })),
        );
        const resting = model.endpoints.filter(({ isResting }) => isResting);
        if (resting.length > 0 && random() < 0.1) {
          const endpoint = pick(resting);
          endpoint.isResting = false;
          await takeNext(endpoint);
        } else if (held.length > 0 && random() < 0.45) {
          const { endpoint, deliveryId } = pick(held);
          await giveBack(endpoint, deliveryId);
        } else await take(pick(model.endpoints), `wd${++deliveries}`);
      }

      for (let number = 0; number < STEPS; number++) {
        await step();
        // As each process does once a second.
        for (
          let woken: WokenEndpoint[];
          (woken = await addProcess(ctx, rules, 'a process', 600_000)).length > 0;
        )
          await wake(woken);
        const { stores, newEndpoints, slowEndpoints } = await readPlaces(ctx, rules);
        expect([stores.length, newEndpoints, slowEndpoints]).to.deep.equal([
          model.count(),
          model.count('new'),
          model.count('slow'),
        ]);
        expect(stores.length).to.be.at.most(model.total);
        expect(newEndpoints + slowEndpoints).to.be.at.most((model.total * 3) / 4);
        const forgotten = model.endpoints.filter(
          (endpoint) =>
            endpoint.waiting.length > 0 &&
            !endpoint.isResting &&
            model.hasRoom(endpoint) &&
            model.mayTake(endpoint),
        );
        expect(forgotten, `step ${number}`).to.deep.equal([]);
      }
    });
  }
});
