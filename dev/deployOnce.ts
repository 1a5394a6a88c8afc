import { existsSync, readFileSync } from 'node:fs';

import { deployContracts, isDeployed, type Deployment } from '../contracts/deploy.ts';
import { DEV_KEYS } from './devKeys.ts';
import { writeAtomically } from './writeAtomically.ts';

export const DEV_CHAIN_ID = 31337;
const TOKENS = [
  { name: 'Test Dollar', symbol: 'TUSD', decimals: 6 },
  { name: 'Test Euro', symbol: 'TEUR', decimals: 18 },
];

/** A chain that lost its state (its file was deleted) gets the contracts again. */
export async function deployOnce(
  rpcUrl: string,
  deploymentFile: string,
  onProgress: (message: string) => void,
): Promise<Deployment> {
  const existing = readDeployment(deploymentFile);
  if (
    existing !== undefined &&
    (await isDeployed(rpcUrl, existing.gateway)) &&
    (await isDeployed(rpcUrl, existing.forwarder))
  )
    return existing;
  const deployment = await deployContracts({
    rpcUrl,
    deployerPrivateKey: DEV_KEYS.deployer,
    tokens: TOKENS,
  });
  writeAtomically(
    deploymentFile,
    JSON.stringify({ ...deployment, blockNumber: deployment.blockNumber.toString() }, null, 2),
  );
  onProgress(
    `contracts deployed: gateway ${deployment.gateway}, forwarder ${deployment.forwarder}`,
  );
  return deployment;
}

function readDeployment(path: string): Deployment | undefined {
  if (!existsSync(path)) return undefined;
  const stored = JSON.parse(readFileSync(path, 'utf8')) as Omit<Deployment, 'blockNumber'> & {
    readonly blockNumber: string;
  };
  return { ...stored, blockNumber: BigInt(stored.blockNumber) };
}

/** What the chains file says of the development chain. */
export function describeChains(options: {
  readonly rpcUrl: string;
  readonly deployment: Deployment;
  readonly blockTimeSeconds: number;
  readonly confirmations: number;
  readonly transactionsPerMinute: number;
  readonly maxInFlight?: number;
}) {
  const { rpcUrl, deployment } = options;
  return {
    chains: [
      {
        chainId: DEV_CHAIN_ID,
        name: 'Development chain',
        rpcUrls: [rpcUrl],
        gateway: deployment.gateway,
        forwarder: deployment.forwarder,
        confirmations: options.confirmations,
        blockTimeMs: options.blockTimeSeconds * 1000,
        startBlock: Number(deployment.blockNumber),
        development: true,
        tokens: deployment.tokens.map(({ address, symbol, decimals, name }) => ({
          address,
          symbol,
          decimals,
          permit: { name, version: '1' },
        })),
        relayers: [
          {
            id: 'main',
            provider: 'defender',
            apiKeyVariable: 'DEFENDER_API_KEY',
            apiSecretVariable: 'DEFENDER_API_SECRET',
            transactionsPerMinute: options.transactionsPerMinute,
            ...(options.maxInFlight === undefined ? {} : { maxInFlight: options.maxInFlight }),
          },
        ],
      },
    ],
  };
}
