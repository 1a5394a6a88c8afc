import { expect } from 'chai';

import * as defender from '../../adapters/relayers/defender/defenderAnswers.ts';
import * as oz from '../../adapters/relayers/ozRelayer/ozRelayerAnswers.ts';
import type { Address, Hex } from '../../shared/hex.ts';

const HASH: Hex = `0x${'ab'.repeat(32)}`;
const TO: Address = `0x${'11'.repeat(20)}`;
const FROM: Address = `0x${'22'.repeat(20)}`;
const DATA: Hex = '0x1234';

/** What stands where a field belongs. `undefined`: nothing does. */
const DAMAGES: readonly unknown[] = [
  null,
  undefined,
  '',
  '0x',
  '0xzz',
  'x'.repeat(1_000),
  12,
  -1,
  1.5,
  1e300,
  true,
  {},
  [],
  ['x'],
];

type Fields = Readonly<Record<string, unknown>>;

function withField(answer: Fields, name: string, value: unknown): Fields {
  const changed: Record<string, unknown> = { ...answer, [name]: value };
  if (value === undefined) delete changed[name];
  return changed;
}

/** Runs `check` for every kind of damage to every field, the original left out. */
function damageAll(
  answer: Fields,
  check: (damaged: Fields, name: string, value: unknown) => void,
): void {
  for (const name of Object.keys(answer)) {
    for (const value of DAMAGES) {
      try {
        check(withField(answer, name, value), name, value);
      } catch (error) {
        throw new Error(`${name}: ${JSON.stringify(value)?.slice(0, 20) ?? 'absent'}`, {
          cause: error,
        });
      }
    }
  }
}

describe('a provider’s answer with a damaged field', () => {
  const PROVIDERS = [
    {
      name: 'Defender',
      transaction: {
        transactionId: 'tx-1',
        hash: HASH,
        status: 'mined',
        to: TO,
        data: DATA,
        createdAt: '2026-01-01T00:00:00Z',
      },
      parse: defender.parseTransaction,
    },
    {
      name: 'OpenZeppelin Relayer',
      transaction: {
        id: 'tx-1',
        hash: HASH,
        status: 'mined',
        created_at: '2026-01-01T00:00:00Z',
        from: FROM,
        to: TO,
        data: DATA,
      },
      parse: (answer: unknown) => oz.parseTransaction({ success: true, data: answer }),
    },
  ] as const;

  for (const { name, transaction, parse } of PROVIDERS) {
    it(`is none, or says nothing that is not so: a transaction of ${name}`, () => {
      expect(parse(transaction)).to.deep.equal({
        providerTransactionId: 'tx-1',
        hash: HASH,
        state: 'mined',
      });
      damageAll(transaction, (damaged, field, value) => {
        const read = parse(damaged);
        if (read === undefined) return;
        // Another id, as long as it is one, is what the provider calls it.
        const isId = field === 'transactionId' || field === 'id';
        if (!isId) expect(read.providerTransactionId).to.equal('tx-1');
        else
          expect(read.providerTransactionId)
            .to.equal(value)
            .and.to.satisfy((id: string) => id.length >= 1 && id.length <= 128);
        expect(read.hash).to.equal(field === 'hash' ? null : HASH);
        // What nobody knows is not over: the chain is asked on.
        expect(read.state).to.equal(field === 'status' ? 'pending' : 'mined');
      });
      for (const answer of [null, undefined, '', 'text', 12, true, [], [transaction], {}])
        expect(parse(answer)).to.equal(undefined);
    });
  }

  it('is none: the state of a relayer', () => {
    const own = { address: TO, paused: false, numberOfPendingTransactions: 3 };
    damageAll(own, (damaged, field, value) => {
      const read = defender.parseRelayerStatus(damaged);
      const isStillOne =
        (field === 'paused' && value === true) ||
        (field === 'numberOfPendingTransactions' && value === 12);
      expect(read === undefined).to.equal(!isStillOne);
    });
    const ofOz = { address: TO, paused: false };
    damageAll(ofOz, (damaged, field, value) => {
      const isStillOne = field === 'paused' && value === true;
      expect(oz.parseRelayer({ success: true, data: damaged }) === undefined).to.equal(!isStillOne);
    });
    for (const count of DAMAGES) {
      const read = oz.parsePendingCount({
        success: true,
        data: withField({}, 'pending_transactions_count', count),
      });
      expect(read).to.equal(count === 12 ? 12 : undefined);
    }
  });

  it('is never taken for another call, nor passed over when it may be the one that is looked for', () => {
    const call = { to: TO, data: DATA };
    const listed = PROVIDERS[0].transaction;
    expect(defender.carriesCall(listed, call)).to.equal(true);
    damageAll(listed, (damaged, field) => {
      const carries = defender.carriesCall(damaged, call);
      if (field === 'to' || field === 'data') expect(carries).to.not.equal(true);
    });
    const page = (items: unknown) =>
      oz.parsePage({ success: true, data: items, pagination: { per_page: 50, total_items: 1 } });
    damageAll(PROVIDERS[1].transaction, (damaged, field) => {
      // One that cannot be read makes the page none: it could be the one.
      const [item] = page([damaged])?.items ?? [];
      if (item === undefined) return;
      const carries = oz.carriesCall(item, call);
      if (field === 'to' || field === 'data') expect(carries).to.not.equal(true);
      else expect(carries).to.equal(true);
    });
    for (const items of [null, undefined, {}, 'x', [null], [12]])
      expect(page(items)).to.equal(undefined);
  });
});
