import { expect } from 'chai';

import { dayOf, listBusyHolders, type Holder } from '../../domain/relay/attempts/usageStore.ts';
import { inTransaction } from '../../platform/db.ts';
import { insertRows } from '../../platform/insertRows.ts';
import { addMs } from '../../shared/clock.ts';
import { countReads } from '../support/countReads.ts';
import { createHarness, type Harness } from '../support/harness.ts';

const HOLDERS = 5_000;
const PAGE = 200;
const DAY_MS = 86_400_000;

describe(`the ${HOLDERS} payers that relaying has cost something for today`, () => {
  let harness: Harness;
  let chainId: number;
  const now = new Date();
  const holderOf = (index: number) => `0x${index.toString(16).padStart(40, '0')}`;

  before(async function () {
    this.timeout(120_000);
    harness = await createHarness();
    chainId = harness.config.chains[0]?.chainId ?? 0;
    const days = [dayOf(now), dayOf(addMs(now, -DAY_MS))];
    const rows = Array.from({ length: HOLDERS }, (_, index) =>
      days.map((day) => [chainId, holderOf(index), day, 1, 1]),
    ).flat();
    const into = 'INSERT INTO relay_costs (chain_id, holder, day, gas_used, gas_cost)';
    await inTransaction(harness.ctx.db, (trx) =>
      insertRows(trx, { into, values: '(?, ?, ?, ?, ?)' }, rows),
    );
    await harness.ctx.db.raw('ANALYZE TABLE relay_costs');
  });
  after(() => harness.close());

  it('are compared page by page, none of which reads the whole day', async () => {
    let after: Holder = { chainId: 0, holder: '' };
    const found: string[] = [];
    for (;;) {
      const { result, reads } = await inTransaction(harness.ctx.db, (trx) =>
        countReads(trx, () => listBusyHolders(trx, { after, since: dayOf(now), limit: PAGE })),
      );
      found.push(...result.map(({ holder }) => holder));
      expect(reads).to.be.below(6 * PAGE);
      const last = result.at(-1);
      if (last === undefined || result.length < PAGE) break;
      after = last;
    }
    expect(found).to.deep.equal(Array.from({ length: HOLDERS }, (_, index) => holderOf(index)));
  });
});
