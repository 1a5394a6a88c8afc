import { expect } from 'chai';

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
      })),
    );
    expect(expected).not.to.deep.equal([]);
    expect(data?.data).to.deep.equal(expected);
  });

  it('says that a chain without a relayer offers nothing gasless', async () => {
    const plain = await startTestApi({
      config: (config) => ({ ...config, chains: config.chains.map((chain) => ({ ...chain, relayers: [] })) }),
    });
    try {
      const { data } = await plain.client().GET('/tokens');
      expect(data?.data.map((token) => token.gasless)).to.deep.equal(data?.data.map(() => false));
    } finally {
      await plain.close();
    }
  });

  it('refuses an unknown query parameter', async () => {
    const problem = await readProblem(await api.call('/tokens?chain=1'));
    expect([problem.status, problem.code]).to.deep.equal([400, 'PAY_005']);
  });
});
