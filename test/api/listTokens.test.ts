import { expect } from 'chai';

import { scanChain } from '../../domain/scan/scanChain.ts';
import { asBytes32 } from '../../shared/hex.ts';
import { readPayment } from '../support/relayFlow.ts';
import { waitUntil } from '../support/waitUntil.ts';
import { readProblem, startTestApi, type TestApi } from './startTestApi.ts';

describe('listTokens', () => {
  let api: TestApi;
  before(async () => {
    api = await startTestApi();
  });
  after(() => api.close());

  it('lists exactly the configured tokens, each with its chain', async () => {
    const { data } = await api.client().GET('/tokens');
    const expected = api.config.chains.flatMap((chain) =>
      chain.tokens.map((token) => ({
        chainId: chain.chainId,
        chainName: chain.name,
        address: token.address,
        symbol: token.symbol,
        decimals: token.decimals,
        permit: token.permit !== undefined,
        gasless: chain.relayers.length > 0,
        minRelayAmount: null,
      })),
    );
    expect(expected).not.to.deep.equal([]);
    expect(data?.data).to.deep.equal(expected);
  });

  it('says that a chain without a relayer offers nothing gasless', async () => {
    const plain = await startTestApi({
      config: (config) => ({
        ...config,
        chains: config.chains.map((chain) => ({ ...chain, relayers: [] })),
      }),
    });
    try {
      const { data } = await plain.client().GET('/tokens');
      expect(data?.data.map((token) => token.gasless)).to.deep.equal(data?.data.map(() => false));
    } finally {
      await plain.close();
    }
  });

  it('says from which amount on a token is relayed; less is refused with PAY_043 and can be paid directly', async () => {
    const least = 1_500_000n;
    const strict = await startTestApi({
      config: (config) => ({
        ...config,
        chains: config.chains.map((chain) => ({
          ...chain,
          tokens: chain.tokens.map((token) =>
            token.symbol === 'TUSD' ? { ...token, minRelayAmount: least } : token,
          ),
        })),
      }),
    });
    try {
      const { data } = await strict.client().GET('/tokens');
      expect(
        data?.data.map(({ symbol, minRelayAmount }) => [symbol, minRelayAmount]),
      ).to.deep.equal([
        ['TUSD', '1500000'],
        ['TEUR', null],
      ]);
      const customer = await strict.chain.createCustomer({ token: strict.tokens.TUSD });
      const [tiny, enough] = [
        await strict.createPayment({ amount: String(least - 1n) }),
        await strict.createPayment({ amount: String(least) }),
      ];
      for (const path of [
        `gasless?userAddress=${customer.address}`,
        `authorization?customerAddress=${customer.address}`,
      ]) {
        expect(
          (await readProblem(await strict.call(`/payments/${tiny.paymentId}/${path}`))).code,
        ).to.equal('PAY_043');
        expect((await strict.call(`/payments/${enough.paymentId}/${path}`)).status).to.equal(200);
      }
      // Whatever was signed, and wherever the typed data came from.
      const json = { customerAddress: customer.address, signature: `0x${'11'.repeat(65)}` };
      const refused = await readProblem(
        await strict.call(`/payments/${tiny.paymentId}/execute`, { json }),
      );
      expect([refused.status, refused.code]).to.deep.equal([422, 'PAY_043']);
      await strict.chain.payDirectly(
        customer,
        await readPayment(strict.ctx, {
          id: asBytes32(tiny.paymentId),
          storeId: strict.store.storeId,
        }),
      );
      await scanUntilSeen(strict, tiny.paymentId);
    } finally {
      await strict.close();
    }
  });

  it('refuses an unknown query parameter', async () => {
    const problem = await readProblem(await api.call('/tokens?chain=1'));
    expect([problem.status, problem.code]).to.deep.equal([400, 'PAY_005']);
  });
});

/** The chain shows it, whatever relaying would have said. */
async function scanUntilSeen(api: TestApi, paymentId: string): Promise<void> {
  await waitUntil(
    async () => {
      await scanChain(api.ctx, api.config.chains[0]!.chainId);
      return (
        (await readPayment(api.ctx, { id: asBytes32(paymentId), storeId: api.store.storeId }))
          .position ?? undefined
      );
    },
    { what: 'the direct payment', everyMs: 100 },
  );
}
