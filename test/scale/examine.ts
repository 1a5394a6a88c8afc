import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';

import { createStore, issueApiKey } from '../../domain/stores/service.ts';
import { startTestApi } from '../api/startTestApi.ts';
import { startStoreServer } from '../support/storeServer.ts';
import { examineStatements, type Exception, type Finding } from './examineStatements.ts';
import { fillDatabase } from './fillDatabase.ts';
import { recordStatements } from './recordStatements.ts';
import { runHotPaths } from './runHotPaths.ts';

/** Fills a database, does what the server does all day, and examines every statement of it. */
export async function examine(
  payments: number,
  exceptions: readonly Exception[],
  onProgress: (message: string) => void = () => undefined,
): Promise<Finding[]> {
  const installation = await startTestApi();
  const storeServer = await startStoreServer();
  try {
    const { ctx } = installation;
    const merchant = privateKeyToAccount(generatePrivateKey());
    const { id: storeId } = await createStore(ctx, {
      name: 'Scale',
      payoutAddress: merchant.address,
    });
    const { key: apiKey } = await issueApiKey(ctx, { storeId, role: 'store', environment: 'test' });
    const api = { ...installation, store: { storeId, apiKey, payoutAddress: merchant.address } };
    const payer = await api.chain.createCustomer({ token: api.tokens.TUSD });
    const [chain] = api.config.chains;
    if (chain === undefined) throw new Error('there is no chain');
    const { chainId, gateway } = chain;
    onProgress(`making ${payments} payments and what belongs to them`);
    await fillDatabase(ctx.db, {
      payments,
      storeId,
      payer: payer.address,
      chainId,
      gateway,
      token: api.tokens.TUSD,
      now: ctx.clock.now(),
    });
    onProgress('doing what the server does all day');
    const recorder = recordStatements(ctx.db);
    await runHotPaths(
      { ...api, call: (path, init = {}) => api.call(path, { store: api.store, ...init }) },
      recorder,
      {
        payer,
        merchant,
        storeUrl: storeServer.url,
      },
    );
    const statements = recorder.stop();
    onProgress(`examining ${statements.length} statements`);
    return await examineStatements(ctx.db, statements, { payments, exceptions });
  } finally {
    await storeServer.close();
    await installation.close();
  }
}
