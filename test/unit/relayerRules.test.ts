import { expect } from 'chai';

import { decideNextNonce } from '../../domain/relay/attempts/decideNextNonce.ts';
import { untilNextUtcDayMs } from '../../domain/relay/attempts/decideQuota.ts';
import { decideBatchSize } from '../../domain/relay/attempts/decideBatchSize.ts';
import { decideAlerts } from '../../domain/relayers/state/decideAlerts.ts';
import { decideCircuit } from '../../domain/relayers/state/decideCircuit.ts';
import { decideRelayer, type RelayerCandidate } from '../../domain/relayers/state/decideRelayer.ts';
import { decideBalances, decideStanding } from '../../domain/relayers/state/decideStanding.ts';
import { addMs } from '../../shared/clock.ts';

const NOW = new Date('2030-01-01T12:00:00.000Z');
const STUCK_AFTER_MS = 300_000;

function candidate(
  id: string,
  changes: {
    readonly limits?: Partial<RelayerCandidate['limits']>;
    readonly record?: Partial<NonNullable<RelayerCandidate['record']>>;
    readonly load?: Partial<RelayerCandidate['load']>;
  } = {},
): RelayerCandidate {
  return {
    limits: { id, transactionsPerMinute: 50, maxInFlight: 10, draining: false, ...changes.limits },
    record: { standing: 'ready', restingUntil: null, ...changes.record },
    load: {
      sent: 0,
      oldestSentAt: null,
      latestSentAt: null,
      inFlight: 0,
      abandoned: 0,
      oldestInFlightAt: null,
      ...changes.load,
    },
  };
}
const choose = (...candidates: RelayerCandidate[]) =>
  decideRelayer(candidates, NOW, STUCK_AFTER_MS);
const sent = (count: number, oldestMsAgo: number, latestMsAgo: number) => ({
  sent: count,
  oldestSentAt: addMs(NOW, -oldestMsAgo),
  latestSentAt: addMs(NOW, -latestMsAgo),
});

describe('a relayer is chosen', () => {
  it('by how full it is, then by how much it has sent, then by name', () => {
    expect(
      choose(candidate('a', { load: { inFlight: 3 } }), candidate('b', { load: { inFlight: 2 } })),
    ).to.deep.equal({ relayerId: 'b' });
    const small = candidate('b', { load: { inFlight: 2 }, limits: { maxInFlight: 4 } });
    expect(choose(candidate('a', { load: { inFlight: 3 } }), small)).to.deep.equal({
      relayerId: 'a',
    });
    expect(choose(candidate('a', { load: sent(5, 9_000, 5_000) }), candidate('b'))).to.deep.equal({
      relayerId: 'b',
    });
    expect(choose(candidate('b'), candidate('a'))).to.deep.equal({ relayerId: 'a' });
  });

  for (const standing of ['paused', 'poor'] as const) {
    it(`never while it is ${standing}`, () => {
      expect(
        choose(candidate('a', { record: { standing } }), candidate('b', { load: { inFlight: 9 } })),
      ).to.deep.equal({ relayerId: 'b' });
      expect(choose(candidate('a', { record: { standing } }))).to.deep.equal({ waitMs: 3_000 });
    });
  }

  it('never while it is being drained', () => {
    expect(choose(candidate('a', { limits: { draining: true } }))).to.deep.equal({ waitMs: 3_000 });
  });

  it('not before its rest is over', () => {
    expect(choose(candidate('a', { record: { restingUntil: addMs(NOW, 700) } }))).to.deep.equal({
      waitMs: 700,
    });
    expect(choose(candidate('a', { record: { restingUntil: addMs(NOW, -1) } }))).to.deep.equal({
      relayerId: 'a',
    });
  });

  it('last when something of it is stuck', () => {
    const stuck = candidate('a', {
      load: { inFlight: 1, oldestInFlightAt: addMs(NOW, -STUCK_AFTER_MS - 1) },
    });
    expect(choose(stuck, candidate('b', { load: { inFlight: 9 } }))).to.deep.equal({
      relayerId: 'b',
    });
    expect(choose(stuck)).to.deep.equal({ relayerId: 'a' });
  });

  it('not while it has as many in flight as it may', () => {
    expect(choose(candidate('a', { load: { inFlight: 10 } }))).to.deep.equal({ waitMs: 500 });
    // What was given up makes it the second choice, and no more than that: there may be no other.
    expect(
      choose(
        candidate('a', { load: { abandoned: 10 } }),
        candidate('b', { load: { inFlight: 9 } }),
      ),
    ).to.deep.equal({
      relayerId: 'b',
    });
    expect(choose(candidate('a', { load: { abandoned: 10 } }))).to.deep.equal({ relayerId: 'a' });
  });

  it('at once for the first half of a minute’s transactions, then spread over what is left of the minute', () => {
    expect(choose(candidate('a', { load: sent(24, 1_000, 0) }))).to.deep.equal({ relayerId: 'a' });
    // 25 left in 50 seconds: one every two.
    expect(choose(candidate('a', { load: sent(25, 10_000, 500) }))).to.deep.equal({
      waitMs: 1_500,
    });
    expect(choose(candidate('a', { load: sent(25, 10_000, 2_000) }))).to.deep.equal({
      relayerId: 'a',
    });
  });

  it('not beyond its limit a minute', () => {
    expect(choose(candidate('a', { load: sent(50, 58_000, 30_000) }))).to.deep.equal({
      waitMs: 2_000,
    });
  });
});

describe('the circuit breaker of a relayer', () => {
  const outcomes = {
    accepted: {
      kind: 'accepted',
      transaction: { providerTransactionId: 'x', hash: null, state: 'pending' },
    },
    refused: { kind: 'refused', reason: 'too many', retryAfterMs: 7_000 },
    rejected: { kind: 'rejected', reason: 'malformed' },
    ambiguous: { kind: 'ambiguous', reason: 'no answer' },
  } as const;

  it('opens for as long as the relayer asks when it refuses', () => {
    expect(decideCircuit({ failures: 0 }, outcomes.refused, NOW)).to.deep.equal({
      failures: 1,
      restingUntil: addMs(NOW, 7_000),
      restingReason: 'too many',
    });
  });

  it('opens at the third send in a row that is left in doubt, longer each time, up to a minute', () => {
    const rests = [0, 1, 2, 3, 4, 5, 6, 7, 30].map((failures) => {
      const { restingUntil } = decideCircuit({ failures }, outcomes.ambiguous, NOW);
      return restingUntil === null ? 0 : restingUntil.getTime() - NOW.getTime();
    });
    expect(rests).to.deep.equal([0, 0, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
  });

  for (const kind of ['accepted', 'rejected'] as const) {
    it(`closes with a send that is ${kind}: the relayer works`, () => {
      expect(decideCircuit({ failures: 9 }, outcomes[kind], NOW)).to.deep.equal({
        failures: 0,
        restingUntil: null,
        restingReason: null,
      });
    });
  }
});

describe('the rules of batches', () => {
  it('what came back goes on in batches of half the size, down to one', () => {
    expect(
      [0, 1, 2, 3, 4, 5, 8].map((batchFailures) => decideBatchSize(20, batchFailures)),
    ).to.deep.equal([20, 10, 5, 2, 1, 1, 1]);
  });

  it('the next nonce comes after the chain’s and after all that are held without a gap', () => {
    expect(decideNextNonce(5n, [])).to.equal(5n);
    expect(decideNextNonce(5n, [3n, 4n])).to.equal(5n);
    expect(decideNextNonce(5n, [4n, 5n, 6n])).to.equal(7n);
    expect(decideNextNonce(5n, [5n, 7n])).to.equal(6n);
  });
});

describe('the look after relayers', () => {
  it('finds one poor below its least balance, and with nothing in any case', () => {
    const standing = (balance: bigint | undefined, paused = false) =>
      decideStanding({ paused, balance, minBalance: 10n });
    expect([standing(10n), standing(9n), standing(undefined), standing(100n, true)]).to.deep.equal([
      'ready',
      'poor',
      'ready',
      'paused',
    ]);
    expect(decideStanding({ paused: false, balance: 0n, minBalance: 0n })).to.equal('poor');
  });

  it('raises an alert for whatever an operator has to do', () => {
    const calm = {
      standing: 'ready' as const,
      balance: 100n,
      lowBelow: 50n,
      hasStuckNonce: false,
      oldestInFlightMs: null,
      stuckAfterMs: 1_000,
    };
    expect(decideAlerts(calm)).to.deep.equal([]);
    expect(decideAlerts({ ...calm, balance: 49n })).to.deep.equal(['relayer_balance_low']);
    expect(decideAlerts({ ...calm, standing: 'poor' })).to.deep.equal(['relayer_balance_low']);
    expect(decideAlerts({ ...calm, standing: 'paused' })).to.deep.equal(['relayer_paused']);
    expect(decideAlerts({ ...calm, standing: 'silent', balance: null })).to.deep.equal([
      'relayer_silent',
    ]);
    expect(decideAlerts({ ...calm, oldestInFlightMs: 1_000 })).to.deep.equal([]);
    expect(decideAlerts({ ...calm, oldestInFlightMs: 1_001 })).to.deep.equal(['relayer_stuck']);
    expect(decideAlerts({ ...calm, hasStuckNonce: true })).to.deep.equal(['relayer_stuck_nonce']);
    expect(
      decideAlerts({ ...calm, balance: 1n, lowBelow: null }),
      'not known what is low',
    ).to.deep.equal([]);
  });

  it('knows without configuration what little money is: not enough for a request, or for a hundred', () => {
    const request = 150_000n * 7n;
    expect(decideBalances({}, { gasPrice: 7n, dataGas: 0n })).to.deep.equal({
      least: request,
      low: 100n * request,
    });
    expect(
      decideBalances({ minBalanceWei: 1n, alertBelowWei: 2n }, { gasPrice: 7n, dataGas: 0n }),
    ).to.deep.equal({ least: 1n, low: 2n });
    expect(decideBalances({}, { gasPrice: undefined, dataGas: 0n })).to.deep.equal({
      least: 0n,
      low: null,
    });
    expect(decideBalances({}, { gasPrice: 7n, dataGas: 1_000n }).least).to.equal(request + 7_000n);
  });

  it('counts budgets by days of UTC', () => {
    expect(untilNextUtcDayMs(NOW)).to.equal(12 * 3_600_000);
    expect(untilNextUtcDayMs(new Date('2030-01-01T00:00:00.000Z'))).to.equal(24 * 3_600_000);
  });
});
