import { existsSync, readFileSync } from 'node:fs';
import { privateKeyToAccount } from 'viem/accounts';
import { z } from 'zod';

import { createStore, findIdentity, issueApiKey } from '../domain/stores/service.ts';
import { loadConfig } from '../platform/config.ts';
import { EVENT_SINKS } from '../domain/modules.ts';
import { createContext } from '../platform/createContext.ts';
import { migrate } from '../db/migrate.ts';
import { DEV_KEYS } from './devKeys.ts';
import { writeAtomically } from './writeAtomically.ts';

const storeSchema = z.object({ storeId: z.string(), apiKey: z.string() });

/**
 * Migrates, and makes the demo store with its key at the first time.
 * @param environment of the server
 * @param storeFile keeps the key: the database only has its hash
 */
export async function provisionDatabase(
  environment: NodeJS.ProcessEnv,
  storeFile: string,
): Promise<{ apiKey: string }> {
  const { ctx, close } = await createContext(loadConfig(environment), {
    name: 'cli',
    eventSinks: EVENT_SINKS,
  });
  try {
    await migrate(ctx.db);
    if (existsSync(storeFile)) {
      const stored = storeSchema.parse(JSON.parse(readFileSync(storeFile, 'utf8')));
      // The database may be another one than last time.
      if ((await findIdentity(ctx, stored.apiKey)) !== undefined) return stored;
    }
    const store = await createStore(ctx, {
      name: 'Demo shop',
      payoutAddress: privateKeyToAccount(DEV_KEYS.merchant).address,
    });
    const { key } = await issueApiKey(ctx, {
      storeId: store.id,
      role: 'store',
      environment: 'test',
    });
    writeAtomically(storeFile, JSON.stringify({ storeId: store.id, apiKey: key }, null, 2));
    return { apiKey: key };
  } finally {
    await close();
  }
}
