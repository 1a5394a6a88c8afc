import { expect } from 'chai';
import type { PrivateKeyAccount } from 'viem/accounts';

import { DONE } from '../../domain/outbox/model.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import type { Context } from '../../platform/context.ts';
import { selectRows } from '../../platform/db.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain, type OwnRelayer } from '../support/ownChain.ts';
import {
  acceptRelay,
  endWaitingAttempts,
  readAttempt,
  type ListedAttempt,
} from '../support/relayFlow.ts';
import { withChain, withRelayers } from '../support/varyContext.ts';

const GRACE_MS = 15_000;

describe('requests that the chain refuses, beside others that it would take', function () {
  this.timeout(60_000);

  let chain: OwnChain;
  let harness: Harness;
  let chainId: number;
  let store: TestStore;
  let relayer: OwnRelayer;
  let ctx: Context;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    harness = await createHarness({ config: chain.configure({ confirmations: 1 }) });
    chainId = harness.config.chains[0]?.chainId ?? 0;
    store = await harness.createTestStore();
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });
  beforeEach(async () => {
    relayer = await chain.createRelayer();
    ctx = withGrace(withRelayers(harness.ctx, chainId, [relayer]), 0);
  });
  afterEach(() => endWaitingAttempts(harness.ctx));

  const withGrace = (base: Context, refusalGraceMs: number): Context => ({
    ...base,
    config: { ...base.config, relay: { ...base.config.relay, refusalGraceMs } },
  });

  async function accept(
    customer: PrivateKeyAccount,
  ): Promise<{ payment: Payment; attempt: ListedAttempt }> {
    const payment = await harness.createTestPayment(store, { token: chain.token });
    return { payment, attempt: await acceptRelay(ctx, customer, payment) };
  }

  async function acceptAll(counts: { readonly good: number; readonly bad: number }) {
    const payers = await Promise.all(
      Array.from({ length: counts.good + counts.bad }, () => chain.createCustomer()),
    );
    const requests = [];
    for (const payer of payers) requests.push(await accept(payer));
    for (const payer of payers.slice(counts.good)) await chain.moveTokensAway(payer);
    await chain.mine();
    return { good: requests.slice(0, counts.good), bad: requests.slice(counts.good) };
  }

  const statusesOf = (requests: readonly { readonly payment: Payment }[]) =>
    Promise.all(requests.map(async ({ payment }) => (await readAttempt(ctx, payment)).status));

  it('are ended when the others are on their way, which do not wait for that', async () => {
    const { good, bad } = await acceptAll({ good: 2, bad: 3 });
    /** What had become of the others whenever the chain was asked about one that is to be ended. */
    const others: string[] = [];
    const watched = withChain(ctx, chainId, (port) => ({
      async findPayer(...question) {
        others.push(...(await statusesOf(good)));
        return port.findPayer(...question);
      },
    }));
    expect(await sendAttempt(watched, good[0]?.attempt.id ?? '')).to.deep.equal(DONE);
    expect(others).to.have.length.greaterThan(0);
    expect(new Set(others)).to.deep.equal(new Set(['submitted']));
    expect(relayer.sent).to.have.length(1);
    expect(await statusesOf(bad)).to.deep.equal(['failed', 'failed', 'failed']);
  });

  it('are ended though nothing can be sent, whoever’s job it is', async () => {
    const { bad } = await acceptAll({ good: 0, bad: 3 });
    expect(await sendAttempt(ctx, bad[1]?.attempt.id ?? '')).to.deep.equal(DONE);
    expect(await statusesOf(bad)).to.deep.equal(['failed', 'failed', 'failed']);
    expect(relayer.sent).to.have.length(0);
  });

  it('wait for their next look while their refusal does not count yet', async () => {
    const { good, bad } = await acceptAll({ good: 1, bad: 1 });
    const patient = withGrace(ctx, GRACE_MS);
    const refused = bad[0]?.attempt.id ?? '';
    const result = await sendAttempt(patient, refused);
    expect(await statusesOf(good)).to.deep.equal(['submitted']);
    expect(await statusesOf(bad)).to.deep.equal(['queued']);
    if (result.kind !== 'later') throw new Error('the work of an attempt that waits is done');
    const [row] = await selectRows<{ choose_after: Date | null; claim_id: string | null }>(
      ctx.db,
      'SELECT choose_after, claim_id FROM relay_attempts WHERE id = ?',
      [refused],
    );
    expect(row).to.deep.equal({ choose_after: result.at, claim_id: null });
  });
});
