import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { createTestClient, http, parseEther, publicActions, type Transaction } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';

import { startChain, type Chain } from '../../dev/chain.ts';
import type { ProviderTransaction, RelayerPort, SendOutcome } from '../../domain/relayers/ports.ts';
import { addMs } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import type { Address, Hex } from '../../shared/hex.ts';
import { waitUntil } from '../support/waitUntil.ts';

/** What every RelayerPort must do, whoever is behind it, on a real chain. */

export interface RelayerSetup {
  readonly rpcUrl: string;
  readonly chainId: number;
  /** Of a funded account that nobody else uses: the relayer's. */
  readonly privateKey: Hex;
}

/** One provider with nothing sent yet, made anew for each test. */
export interface RelayerFixture {
  readonly relayer: RelayerPort;
  /** The same provider, as another process of ours has it. */
  readonly second: RelayerPort;
  /** None of these may show in an outcome, an error or the log. */
  readonly secrets: readonly string[];
  /** All that both have logged. */
  readLog(): string;
  /**
   * What maintenance does every few seconds; nothing where the provider looks after itself. Called
   * over and over while the suite waits.
   */
  tend(): Promise<void>;
  /** As the provider has noted it. */
  readValidUntil(providerTransactionId: string): Promise<Date>;
  /**
   * Makes the provider raise the fees of the next transaction that it takes, soon, unless that is
   * mined by then.
   */
  raiseFeesOfNext(): Promise<void>;
  /** Every reason for which it refuses for the time being. At least one. */
  readonly refusals: readonly Refusal[];
  /**
   * possible the answer to a send comes over a network: it may get lost, and the provider may be
   * away impossible the intent is kept in our own database: there is no doubt about it, and only
   * the chain's answers may get lost
   */
  readonly lostAnswers:
    | {
        readonly kind: 'possible';
        loseNext(when: When, how: How): void;
        beAway(): Undo;
      }
    | { readonly kind: 'impossible'; cutOffChain(when: When, how: How): Promise<Undo> };
  /** Whether it may take a transaction without having signed it. */
  readonly lateHashes:
    { readonly kind: 'possible'; delayNext(): void } | { readonly kind: 'impossible' };
  /** Whether somebody can stop it from sending. */
  readonly pausing: { readonly kind: 'possible'; pause(): Undo } | { readonly kind: 'impossible' };
  close(): Promise<void>;
}

export interface Refusal {
  readonly name: string;
  /** From now on, until undone. */
  begin(): Promise<Undo> | Undo;
  /** What it says about when to come back, if it says anything. */
  readonly retryAfterMs?: number;
}

type Undo = () => Promise<void> | void;
/** Whether the other side did its work by then. */
type When = 'beforeTaken' | 'afterTaken';
type How = (typeof HOWS)[number];

const TARGET: Address = '0x00000000000000000000000000000000000000AA';
const GAS_LIMIT = 60_000n;
/** For anything that the provider does by itself. */
const PATIENCE_MS = 10_000;
const HOWS = ['timeout', 'reset', 'serverError'] as const;

const createClient = (rpcUrl: string) =>
  createTestClient({ mode: 'anvil', transport: http(rpcUrl), cacheTime: 0 }).extend(publicActions);

/** @param makeFixture leaves nothing running when it rejects */
export function describeRelayerConformance(
  name: string,
  makeFixture: (setup: RelayerSetup) => Promise<RelayerFixture>,
): void {
  describe(`a relayer: ${name}`, function () {
    this.timeout(40_000);
    let chain: Chain;
    let client: ReturnType<typeof createClient>;
    let on: RelayerFixture;
    let account: Address;
    let firstBlock: bigint;
    /** What came back to us, for the look-out for secrets. */
    let told: string;

    before(async () => {
      chain = await startChain();
      client = createClient(chain.rpcUrl);
    });
    after(() => chain.close());
    beforeEach(async () => {
      told = '';
      firstBlock = await client.getBlockNumber();
      const privateKey = generatePrivateKey();
      account = privateKeyToAccount(privateKey).address;
      await client.setBalance({ address: account, value: parseEther('100') });
      on = await makeFixture({ rpcUrl: chain.rpcUrl, chainId: chain.chainId, privateKey });
    });
    afterEach(async () => {
      const log = on.readLog();
      await on.close();
      await client.setAutomine(true);
      // What is left in the pool goes into a block that the next test does not look at.
      await client.mine({ blocks: 1 });
      for (const secret of on.secrets) expect(`${told} ${log}`).not.to.contain(secret);
    });

    interface Call {
      readonly to: Address;
      readonly data: Hex;
      readonly gasLimit: bigint;
      readonly validUntil: Date;
    }
    const makeCall = (validForMs = 600_000): Call => ({
      to: TARGET,
      data: `0xFEED${randomBytes(32).toString('hex')}`,
      gasLimit: GAS_LIMIT,
      // Providers write it with seconds or milliseconds.
      validUntil: new Date(Math.ceil((Date.now() + validForMs) / 1000) * 1000),
    });

    async function send(call: Call, relayer = on.relayer): Promise<SendOutcome> {
      const outcome = await relayer.send(call);
      told += JSON.stringify(outcome);
      return outcome;
    }

    async function sendAccepted(call: Call, relayer = on.relayer): Promise<ProviderTransaction> {
      const outcome = await send(call, relayer);
      if (outcome.kind !== 'accepted') throw new Error(`${outcome.kind}: ${outcome.reason}`);
      return outcome.transaction;
    }

    /** @returns the error's code */
    async function refusalOf(question: Promise<unknown>): Promise<string> {
      const error = await question.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (!(error instanceof AppError)) throw new Error('expected an AppError', { cause: error });
      told += `${error.stack ?? ''} ${JSON.stringify(error)}`;
      return error.code;
    }

    function until<T>(what: string, ask: () => Promise<T | undefined | false>): Promise<T> {
      const tendAndAsk = async (): Promise<T | undefined | false> => {
        await on.tend();
        return ask();
      };
      return waitUntil(tendAndAsk, { timeoutMs: PATIENCE_MS, everyMs: 20, what });
    }

    async function waitForState(
      id: string,
      state: ProviderTransaction['state'],
    ): Promise<ProviderTransaction> {
      return until(`${id} to be ${state}`, async () => {
        const found = await on.relayer.findTransaction(id);
        return found?.state === state && found;
      });
    }

    /** Each transaction in a block that carries this call. */
    async function landings(call: Call): Promise<Transaction[]> {
      const found: Transaction[] = [];
      const head = await client.getBlockNumber();
      for (let number = firstBlock + 1n; number <= head; number++) {
        const { transactions } = await client.getBlock({
          blockNumber: number,
          includeTransactions: true,
        });
        found.push(...transactions.filter(({ input }) => input === call.data.toLowerCase()));
      }
      return found;
    }

    const nonceOnChain = (): Promise<number> => client.getTransactionCount({ address: account });

    /** What waits in the pool for the account's lowest unused nonce. */
    async function readPool(): Promise<{ to: string | null; hash: Hex } | undefined> {
      const { pending } = await client.getTxpoolContent();
      const mine = Object.entries(pending).find(
        ([address]) => address.toLowerCase() === account.toLowerCase(),
      )?.[1];
      return mine?.[String(await nonceOnChain())];
    }

    describe('send', () => {
      it('brings the call into a block once, just as it was given, and it is mined for whoever asks by its id', async () => {
        const call = makeCall();
        const sent = await sendAccepted(call);
        expect(sent.providerTransactionId).to.have.length.within(1, 128);
        expect(sent.state).to.equal('pending');
        const mined = await waitForState(sent.providerTransactionId, 'mined');
        const found = await landings(call);
        expect(found).to.have.length(1);
        expect(found[0]).to.include({ hash: mined.hash, gas: GAS_LIMIT, value: 0n });
        expect([found[0]?.to?.toLowerCase(), found[0]?.from.toLowerCase()]).to.deep.equal([
          TARGET.toLowerCase(),
          account.toLowerCase(),
        ]);
        expect(await on.readValidUntil(sent.providerTransactionId)).to.deep.equal(call.validUntil);
        expect(await on.second.findTransaction(sent.providerTransactionId)).to.deep.equal(mined);
        expect(await nonceOnChain()).to.equal(1);
      });

      it('lands each of many at once, from two processes, with a nonce of its own', async () => {
        const calls = Array.from({ length: 12 }, () => makeCall());
        const sent = await Promise.all(
          calls.map((call, index) => sendAccepted(call, index % 2 === 0 ? on.relayer : on.second)),
        );
        expect(new Set(sent.map((transaction) => transaction.providerTransactionId)).size).to.equal(
          calls.length,
        );
        for (const { providerTransactionId } of sent)
          await waitForState(providerTransactionId, 'mined');
        for (const call of calls) expect(await landings(call)).to.have.length(1);
        expect(await nonceOnChain()).to.equal(calls.length);
      });

      it('is rejected when its time is over already, and sends nothing', async () => {
        const call = makeCall(-60_000);
        const outcome = await send(call);
        expect(outcome.kind).to.equal('rejected');
        await expectNothingSent(call);
      });

      it('is refused for a while, sends nothing, and is taken once the reason is gone', async () => {
        expect(on.refusals).not.to.have.length(0);
        for (const { name: reason, begin, retryAfterMs } of on.refusals) {
          const call = makeCall();
          const undo = await begin();
          const outcome = await send(call);
          expect(outcome, reason).to.include({
            kind: 'refused',
            ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
          });
          expect(outcome, reason).to.have.property('retryAfterMs').that.is.within(1, 600_000);
          await undo();
          await expectNothingSent(call);
          const sent = await sendAccepted(call);
          await waitForState(sent.providerTransactionId, 'mined');
          expect(await landings(call), reason).to.have.length(1);
        }
      });

      it('gets a hash, at once or later, under the same id', async () => {
        if (on.lateHashes.kind === 'possible') on.lateHashes.delayNext();
        const call = makeCall();
        const sent = await sendAccepted(call);
        if (on.lateHashes.kind === 'possible')
          expect(sent).to.include({ hash: null, state: 'pending' });
        else expect(sent.hash).to.match(/^0x[0-9a-f]{64}$/);
        const mined = await waitForState(sent.providerTransactionId, 'mined');
        expect((await landings(call)).map(({ hash }) => hash)).to.deep.equal([mined.hash]);
      });

      async function expectNothingSent(call: Call): Promise<void> {
        for (let rounds = 0; rounds < 5; rounds++) {
          await on.tend();
          await client.mine({ blocks: 1 });
        }
        expect(await landings(call)).to.deep.equal([]);
        expect(await on.relayer.findSent({ ...call, since: addMs(new Date(), -300_000) })).to.equal(
          undefined,
        );
      }
    });

    describe('an answer that gets lost', () => {
      for (const how of HOWS) {
        it(`leaves a doubt that findSent removes, or cannot happen: taken before the answer was lost (${how})`, async () => {
          const since = new Date();
          const call = makeCall();
          if (on.lostAnswers.kind === 'impossible') return expectCertainty(call, 'afterTaken', how);
          on.lostAnswers.loseNext('afterTaken', how);
          expect((await send(call)).kind).to.equal('ambiguous');
          const found = await until('the send to be found', () =>
            on.second.findSent({ ...call, since }),
          );
          const mined = await waitForState(found.providerTransactionId, 'mined');
          expect((await landings(call)).map(({ hash }) => hash)).to.deep.equal([mined.hash]);
          expect(await nonceOnChain()).to.equal(1);
        });

        it(`leaves a doubt that findSent removes, or cannot happen: lost before anything was taken (${how})`, async () => {
          const since = new Date();
          const call = makeCall();
          if (on.lostAnswers.kind === 'impossible')
            return expectCertainty(call, 'beforeTaken', how);
          on.lostAnswers.loseNext('beforeTaken', how);
          expect((await send(call)).kind).to.equal('ambiguous');
          await client.mine({ blocks: 3 });
          expect(await on.relayer.findSent({ ...call, since })).to.equal(undefined);
          expect(await landings(call)).to.deep.equal([]);
        });
      }

      it('does not pass for an answer: whoever asks while nobody answers hears that, and a send is not accepted', async () => {
        const call = makeCall();
        if (on.lostAnswers.kind === 'impossible')
          return expectCertainty(call, 'beforeTaken', 'timeout');
        const sent = await sendAccepted(call);
        await waitForState(sent.providerTransactionId, 'mined');
        const undo = on.lostAnswers.beAway();
        expect(
          await refusalOf(on.relayer.findSent({ ...call, since: addMs(new Date(), -60_000) })),
        ).to.equal('PAY_021');
        expect(await refusalOf(on.relayer.findTransaction(sent.providerTransactionId))).to.equal(
          'PAY_021',
        );
        expect(await refusalOf(on.relayer.getStatus())).to.equal('PAY_021');
        const other = makeCall();
        expect((await send(other)).kind).to.be.oneOf(['ambiguous', 'refused']);
        await undo();
        expect(await landings(other)).to.deep.equal([]);
      });

      /**
       * For a provider that knows what it did: without the chain it takes the transaction or does
       * not, and stands by it.
       */
      async function expectCertainty(call: Call, when: When, how: How): Promise<void> {
        if (on.lostAnswers.kind === 'possible') throw new Error('answers may get lost');
        const since = new Date();
        const reconnect = await on.lostAnswers.cutOffChain(when, how);
        const outcome = await send(call);
        const found = await on.second.findSent({ ...call, since });
        await reconnect();
        if (outcome.kind === 'accepted') {
          const { providerTransactionId } = outcome.transaction;
          expect(found?.providerTransactionId).to.equal(providerTransactionId);
          await waitForState(providerTransactionId, 'mined');
          expect(await landings(call)).to.have.length(1);
        } else {
          expect([outcome.kind, found]).to.deep.equal(['refused', undefined]);
          for (let rounds = 0; rounds < 5; rounds++) await on.tend();
          expect(await landings(call)).to.deep.equal([]);
        }
      }
    });

    describe('findSent', () => {
      it('finds what carries this call to this address since that moment, and nothing else', async () => {
        const since = addMs(new Date(), -1_000);
        const [call, other] = [makeCall(), makeCall()];
        const sent = await sendAccepted(call);
        const mined = await waitForState(sent.providerTransactionId, 'mined');
        await waitForState((await sendAccepted(other)).providerTransactionId, 'mined');
        expect(await on.second.findSent({ ...call, since })).to.deep.equal(mined);
        // However it is written.
        const data: Hex = `0x${call.data.slice(2).toLowerCase()}`;
        expect(await on.relayer.findSent({ to: call.to, data, since })).to.deep.equal(mined);
        expect(await on.relayer.findSent({ to: call.to, data: makeCall().data, since })).to.equal(
          undefined,
        );
        expect(await on.relayer.findSent({ to: account, data: call.data, since })).to.equal(
          undefined,
        );
        // The two clocks may differ by a minute.
        expect(await on.relayer.findSent({ ...call, since: addMs(new Date(), 120_000) })).to.equal(
          undefined,
        );
      });

      it('finds one of many', async () => {
        const since = addMs(new Date(), -1_000);
        const calls = Array.from({ length: 25 }, () => makeCall());
        const sent: ProviderTransaction[] = [];
        for (const call of calls) sent.push(await sendAccepted(call));
        for (const index of [0, 12, 24]) {
          const found = await on.relayer.findSent({ ...(calls[index] ?? makeCall()), since });
          expect(found?.providerTransactionId).to.equal(sent[index]?.providerTransactionId);
        }
      });
    });

    it('findTransaction does not know an id that it never gave', async () => {
      const { providerTransactionId } = await sendAccepted(makeCall());
      // Of the same form.
      const unknown = providerTransactionId.replace(/[0-9a-f]/g, (digit) =>
        digit === '9' ? '8' : '9',
      );
      expect(await on.relayer.findTransaction(unknown)).to.equal(undefined);
    });

    describe('a transaction that waits', () => {
      beforeEach(() => client.setAutomine(false));

      it('keeps its id when its fees are raised: the hash changes, and one of the two is mined', async () => {
        const call = makeCall();
        await on.raiseFeesOfNext();
        const { providerTransactionId: id } = await sendAccepted(call);
        const first = await until('the first form in the pool', readPool);
        const second = await until('another form in the pool', async () => {
          const inPool = await readPool();
          return inPool !== undefined && inPool.hash !== first.hash && inPool;
        });
        const raised = await until('the new hash to be told', async () => {
          const found = await on.relayer.findTransaction(id);
          return found?.hash === second.hash && found;
        });
        expect(raised).to.deep.equal({
          providerTransactionId: id,
          hash: second.hash,
          state: 'pending',
        });
        await client.mine({ blocks: 1 });
        const mined = await waitForState(id, 'mined');
        expect((await landings(call)).map(({ hash }) => hash)).to.deep.equal([mined.hash]);
        expect(await nonceOnChain()).to.equal(1);
      });

      it('is sent again when the chain lost it', async () => {
        const call = makeCall();
        const { providerTransactionId: id } = await sendAccepted(call);
        const lost = await until('it to be in the pool', readPool);
        await client.dropTransaction({ hash: lost.hash });
        // A chain that stands still has nothing new to look at.
        await client.mine({ blocks: 1 });
        await until('it to be in the pool again', readPool);
        await client.mine({ blocks: 1 });
        await waitForState(id, 'mined');
        expect(await landings(call)).to.have.length(1);
      });

      it('has ended when its time was over before it was mined: its call never lands, and its nonce holds nobody up', async () => {
        const call = makeCall(1_000);
        const { providerTransactionId: id } = await sendAccepted(call);
        await until('it to be in the pool', readPool);
        expect(await on.relayer.findTransaction(id)).to.include({ state: 'pending' });
        await until('a transaction to itself to take the nonce', async () => {
          const inPool = await readPool();
          return inPool?.to?.toLowerCase() === account.toLowerCase();
        });
        expect(await on.relayer.findTransaction(id)).to.include({ state: 'pending' });
        await client.mine({ blocks: 1 });
        await waitForState(id, 'ended');
        const next = makeCall();
        const sent = await sendAccepted(next);
        await until('the next one to be in the pool', readPool);
        await client.mine({ blocks: 1 });
        await waitForState(sent.providerTransactionId, 'mined');
        expect(await landings(call)).to.deep.equal([]);
        expect(await landings(next)).to.have.length(1);
      });
    });

    describe('getStatus', () => {
      it('tells the account that pays, and how many transactions wait', async () => {
        expect(await on.relayer.getStatus()).to.include({
          address: account,
          paused: false,
          pendingTransactions: 0,
        });
        await client.setAutomine(false);
        const sent = await sendAccepted(makeCall());
        await until('it to be in the pool', readPool);
        expect(await on.second.getStatus()).to.include({ pendingTransactions: 1 });
        await client.mine({ blocks: 1 });
        await waitForState(sent.providerTransactionId, 'mined');
        expect(await on.relayer.getStatus()).to.include({ pendingTransactions: 0 });
      });

      it('tells whether it is paused, where somebody can do that', async () => {
        if (on.pausing.kind === 'impossible') {
          expect(await on.relayer.getStatus()).to.include({ paused: false });
          return;
        }
        const undo = on.pausing.pause();
        expect(await on.relayer.getStatus()).to.include({ paused: true });
        expect((await send(makeCall())).kind).to.equal('refused');
        await undo();
        expect(await on.relayer.getStatus()).to.include({ paused: false });
      });
    });
  });
}
