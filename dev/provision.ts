import { dirname, join } from 'node:path';
import { z } from 'zod';

import { deployOnce, describeChains } from './deployOnce.ts';
import { provisionDatabase } from './provisionDatabase.ts';
import { writeAtomically } from './writeAtomically.ts';

/**
 * For docker compose: deploys the contracts, writes the chains file, migrates and makes the demo
 * store. Run again, it changes nothing that is there. Environment: the server's, PROVISION_RPC_URL,
 * PROVISION_STORE_FILE (where the demo store's API key is kept).
 */
const { PROVISION_RPC_URL, PROVISION_STORE_FILE, MSQPAY_CHAINS_FILE } = z
  .object({
    PROVISION_RPC_URL: z.url(),
    PROVISION_STORE_FILE: z.string().min(1),
    MSQPAY_CHAINS_FILE: z.string().min(1),
  })
  .parse(process.env);

const deployment = await deployOnce(
  PROVISION_RPC_URL,
  join(dirname(MSQPAY_CHAINS_FILE), 'deployment.json'),
  console.log,
);
const chains = describeChains({
  rpcUrl: PROVISION_RPC_URL,
  deployment,
  blockTimeSeconds: 1,
  confirmations: 2,
  transactionsPerMinute: 50,
});
// Holds no secret, and the server runs as another user.
writeAtomically(MSQPAY_CHAINS_FILE, JSON.stringify(chains, null, 2), 0o644);
await provisionDatabase(process.env, PROVISION_STORE_FILE);
console.log(
  `provisioned: chains in ${MSQPAY_CHAINS_FILE}, the demo store's key in ${PROVISION_STORE_FILE}`,
);
