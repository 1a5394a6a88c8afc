import { expect } from 'chai';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';

import {
  startDefenderSimulator,
  type DefenderSimulator,
} from '../../simulators/defender/startDefenderSimulator.ts';
import type { RelayerPort } from '../../domain/relayers/ports.ts';
import type { Bytes32 } from '../../shared/hex.ts';
import { waitUntil } from '../support/waitUntil.ts';
import {
  inSeconds,
  privateKeyOf,
  sign,
  startChainFixture,
  type BuiltCall,
  type ChainFixture,
} from './chainFixture.ts';
import { API_KEY, API_SECRET, SHORT_TIMEOUT_MS, useDefender } from './defenderFixture.ts';

describe('a gasless payment over the Defender relayer', () => {
  const defender = useDefender('real');
  let on: ChainFixture;
  let simulator: DefenderSimulator;
  let relayer: RelayerPort;

  before(async () => {
    on = await startChainFixture();
    simulator = await startDefenderSimulator({
      rpcUrl: on.rpcUrl,
      chainId: on.config.chainId,
      privateKey: privateKeyOf(on.relayer),
      apiKey: API_KEY,
      apiSecret: API_SECRET,
      pollMs: 20,
    });
  });
  beforeEach(() => {
    process.env['DEFENDER_API_URL'] = simulator.url;
    relayer = defender.createRelayer();
  });
  afterEach(() => simulator.clearFaults());
  after(async () => {
    await simulator.close();
    await on.close();
  });

  async function signPayment(): Promise<{ id: Bytes32; call: BuiltCall }> {
    const payer = privateKeyToAccount(generatePrivateKey());
    const terms = on.makeTerms();
    await on.mint(payer.address, terms.amount);
    const request = await on.makeRequest(payer, terms);
    const signature = await sign(payer, on.port.buildForwardRequestTypedData(request));
    const permit = await on.signPermit(payer, terms.amount);
    return {
      id: on.port.paymentIdOf(terms),
      call: await on.buildCall({ request, signature, permit, terms }),
    };
  }

  const send = ({ to, data, gasLimit }: BuiltCall, by = relayer): ReturnType<RelayerPort['send']> =>
    by.send({ to, data, gasLimit, validUntil: inSeconds(600) });
  /** To a simulator that behaves as `kind` says. */
  const sendInto = (kind: string, call: BuiltCall): ReturnType<RelayerPort['send']> =>
    send(
      call,
      kind.startsWith('timeout')
        ? defender.createRelayer({ timeoutMs: SHORT_TIMEOUT_MS })
        : relayer,
    );

  async function waitUntilMined(providerTransactionId: string): Promise<Bytes32> {
    for (;;) {
      const found = await relayer.findTransaction(providerTransactionId);
      if (found?.state === 'mined' && found.hash !== null) return found.hash;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  it('is made by the relayer, with its gas', async () => {
    const { id, call } = await signPayment();
    const outcome = await send(call);
    if (outcome.kind !== 'accepted') throw new Error(outcome.reason);
    const hash = await waitUntilMined(outcome.transaction.providerTransactionId);
    expect(
      (await on.port.findReceipt(hash))?.payments.map((payment) => payment.paymentId),
    ).to.deep.equal([id]);
    expect(await relayer.getStatus()).to.include({ address: on.relayer.address, paused: false });
  });

  for (const kind of ['timeoutAfterSend', 'resetAfterSend', 'serverErrorAfterSend'] as const) {
    it(`is found again when the answer to it was lost (${kind})`, async () => {
      const since = new Date();
      const { id, call } = await signPayment();
      simulator.setFault({ kind });
      const before = simulator.transactions().length;
      expect((await sendInto(kind, call)).kind).to.equal('ambiguous');
      await waitUntil(() => simulator.transactions().length > before, {
        what: 'the simulator to have taken it',
      });
      const found = await relayer.findSent({ ...call, since });
      if (found === undefined) throw new Error('not found');
      const hash = await waitUntilMined(found.providerTransactionId);
      expect(
        (await on.port.findReceipt(hash))?.payments.map((payment) => payment.paymentId),
      ).to.deep.equal([id]);
      expect(simulator.transactions()).to.have.length(before + 1);
    });
  }

  for (const kind of [
    'timeoutBeforeSend',
    'resetBeforeSend',
    'rateLimited',
    'paused',
    'unauthorized',
  ] as const) {
    it(`is not found, or was never sent twice, after ${kind}`, async () => {
      const since = new Date();
      const { call } = await signPayment();
      simulator.setFault({ kind });
      const before = simulator.requests().sendTransaction;
      const outcome = await sendInto(kind, call);
      const found = await relayer.findSent({ ...call, since });
      if (kind === 'unauthorized') {
        expect([
          outcome.kind,
          simulator.requests().sendTransaction - before,
          found?.state !== undefined,
        ]).to.deep.equal(['accepted', 2, true]);
      } else {
        const expected = kind === 'rateLimited' || kind === 'paused' ? 'refused' : 'ambiguous';
        expect([outcome.kind, simulator.requests().sendTransaction - before, found]).to.deep.equal([
          expected,
          1,
          undefined,
        ]);
      }
    });
  }
});
