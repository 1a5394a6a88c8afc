import { expect } from 'chai';

import type { EventPoll, SeenEvent } from '../../domain/chain/ports.ts';
import { getChain } from '../../domain/chain/service.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { execute, selectRows } from '../../platform/db.ts';
import { fakeHash } from '../support/fakeChain.ts';
import { createHarness, type Harness } from '../support/harness.ts';
import { insertManyPayments } from '../support/manyPayments.ts';
import { startOwnChain, type OwnChain } from '../support/ownChain.ts';
import { withChain } from '../support/varyContext.ts';
import { waitUntil } from '../support/waitUntil.ts';

const FINAL: EventPoll = { final: 2, early: 0, absent: 0, unheard: 0 };
/** In one question to each RPC URL. */
const IN_ONE_PART = 100;

describe('payments that are judged in several parts', function () {
  this.timeout(30_000);

  let chain: OwnChain;
  let harness: Harness;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    harness = await createHarness({ config: chain.configure({ confirmations: 2 }) });
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });

  it('are completed as each part is heard, though the last one takes long', async () => {
    const { ctx } = harness;
    const { chainId } = chain;
    const like = await harness.createTestPayment(await harness.createTestStore(), {
      token: chain.token,
    });
    await insertManyPayments(ctx, like, IN_ONE_PART + 1, () => null);
    const block = await getChain(ctx, chainId).findBlock(await chain.getHeadNumber());
    if (block === undefined) throw new Error('there is no block');
    await execute(
      ctx.db,
      "UPDATE payments SET status = 'processing', block_number = ?, block_hash = ?, log_index = seq, tx_hash = ? WHERE id <> ?",
      [Number(block.number), block.hash, fakeHash(1, 1n), like.id],
    );
    await chain.mine(5);

    let answerLast = (_polls: EventPoll[]): void => undefined;
    const last = new Promise<EventPoll[]>((resolve) => (answerLast = resolve));
    const pollEvents = (events: readonly SeenEvent[]) =>
      events.length === 1 ? last : Promise.resolve(events.map(() => FINAL));
    const scan = scanChain(
      withChain(ctx, chainId, () => ({ pollEvents })),
      chainId,
    );
    const countCompleted = async () =>
      (await selectRows(ctx.db, "SELECT id FROM payments WHERE status = 'completed'")).length;
    await waitUntil(async () => (await countCompleted()) > 0, { what: 'a completion' });
    await waitUntil(async () => (await countCompleted()) === IN_ONE_PART, {
      what: 'the first part',
    });
    answerLast([FINAL]);
    await scan;
    expect(await countCompleted()).to.equal(IN_ONE_PART + 1);
  });
});
