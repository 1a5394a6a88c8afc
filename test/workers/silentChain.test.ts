import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';

import type { RelayerPort } from '../../domain/relayers/ports.ts';
import type { ChainConfig } from '../../platform/config.ts';
import type { Context } from '../../platform/context.ts';
import { createHarness, type Harness } from '../support/harness.ts';
import { runWorkers, type RunningWorkers } from '../support/runWorkers.ts';
import { withChain } from '../support/varyContext.ts';
import { waitUntil } from '../support/waitUntil.ts';

const SILENT = 4_242;

describe('a chain that does not answer', function () {
  this.timeout(60_000);

  let harness: Harness;
  let well: number;
  let running: RunningWorkers[] = [];
  /** Lets go whatever waits for the chain. */
  let release = (): void => undefined;

  before(async function () {
    this.timeout(120_000);
    harness = await createHarness({
      config: (config) => {
        const [first] = config.chains;
        if (first === undefined) throw new Error('the configuration has no chain');
        well = first.chainId;
        // Both are looked at several times a second.
        const silent: ChainConfig = {
          ...first,
          chainId: SILENT,
          rpcUrls: ['http://127.0.0.1:9'],
          blockTimeMs: 400,
          relayers: [],
        };
        return { ...config, chains: [silent, { ...first, blockTimeMs: 400 }] };
      },
    });
  });
  afterEach(async () => {
    release();
    await Promise.all(running.map((workers) => workers.stop()));
    running = [];
    for (const queue of ['chain-scan', 'maintenance'] as const)
      await harness.queues.get(queue).obliterate({ force: true });
  });
  after(() => harness.close());

  function untilReleased(): Promise<never> {
    return new Promise((_resolve, reject) => {
      const before = release;
      release = () => {
        before();
        reject(new Error('it never answered'));
      };
    });
  }

  it('takes one place of the scanners in each process, and the other chain is scanned as ever', async () => {
    const heads = { silent: 0, well: 0 };
    const change = (ctx: Context) =>
      withChain(
        withChain(ctx, SILENT, () => ({
          getHead() {
            heads.silent++;
            return untilReleased();
          },
        })),
        well,
        (chain) => ({
          getHead() {
            heads.well++;
            return chain.getHead();
          },
        }),
      );
    for (let processes = 1; processes <= 2; processes++) {
      running.push(await runWorkers(harness, ['chain-scan'], { change }));
      await waitUntil(() => heads.silent >= processes, { what: 'a scan that hangs' });
      const before = heads.well;
      await waitUntil(() => heads.well >= before + 10, { what: 'ten scans of the other chain' });
      expect(heads.silent).to.equal(processes);
    }
  });

  it('keeps no relayer of another chain from being tended, nor any other task from its turn', async () => {
    const tended = { silent: 0, well: 0 };
    const change = (ctx: Context) => {
      const [silent, other] = ctx.config.chains;
      const [first] = other?.relayers ?? [];
      const [port] = ctx.relayers.values();
      if (silent === undefined || other === undefined || first === undefined || port === undefined)
        throw new Error('there is no relayer');
      const ports: RelayerPort[] = [
        {
          ...port,
          id: 'silent',
          tend() {
            tended.silent++;
            return untilReleased();
          },
        },
        { ...port, id: 'well', tend: () => Promise.resolve(void tended.well++) },
      ];
      const chains = [
        { ...silent, relayers: [{ ...first, id: 'silent' }] },
        { ...other, relayers: [{ ...first, id: 'well' }] },
      ];
      return {
        ...ctx,
        config: { ...ctx.config, chains },
        relayers: new Map(ports.map((one) => [one.id, one])),
      };
    };
    running.push(await runWorkers(harness, ['maintenance'], { change }));
    await waitUntil(() => tended.silent > 0, { what: 'a turn that hangs' });
    const maintenance = harness.queues.get('maintenance');
    for (let runs = 0; runs < 5; runs++) {
      const before = tended.well;
      await maintenance.add('tend-relayers', {});
      await waitUntil(() => tended.well > before, { what: 'the other relayer’s turn' });
    }
    await sleep(100);
    expect(tended.silent).to.equal(1);
    const other = await maintenance.add('delete-old-waste', {});
    await waitUntil(() => other.isCompleted(), { what: 'another task' });
  });
});
