import type { Hex } from '../shared/hex.ts';
import type { Config, RelayerConfig } from './config.ts';
import { ConfigError } from './ConfigError.ts';

/**
 * What the relayers are reached with, by relayer id. It can spend money, so only the processes that
 * talk to relayers read it: the workers. It is no part of Config, which every process has and hands
 * around.
 */
export type RelayerKeys = ReadonlyMap<string, RelayerWithKeys>;

type WithKeys<Relayer> = Relayer extends { provider: 'defender' }
  ? Relayer & { readonly apiKey: string; readonly apiSecret: string }
  : Relayer extends { provider: 'ozRelayer' }
    ? Relayer & { readonly apiKey: string }
    : Relayer & { readonly privateKey: Hex };
export type RelayerWithKeys = WithKeys<RelayerConfig>;

/**
 * @param environment usually process.env
 * @throws ConfigError that names a variable that is missing or wrong, never a value
 */
export function readRelayerKeys(
  config: Pick<Config, 'chains'>,
  environment: NodeJS.ProcessEnv,
): RelayerKeys {
  const relayers = config.chains.flatMap((chain) => chain.relayers);
  return new Map(relayers.map((relayer) => [relayer.id, withKeys(relayer, environment)]));
}

function withKeys(relayer: RelayerConfig, environment: NodeJS.ProcessEnv): RelayerWithKeys {
  const read = (variable: string): string => {
    const value = environment[variable];
    if (!value)
      throw new ConfigError(
        `relayer ${relayer.id}: the environment variable ${variable} is not set`,
      );
    return value;
  };
  switch (relayer.provider) {
    case 'defender':
      // Read by its SDK.
      read('DEFENDER_API_URL');
      return {
        ...relayer,
        apiKey: read(relayer.apiKeyVariable),
        apiSecret: read(relayer.apiSecretVariable),
      };
    case 'ozRelayer':
      return { ...relayer, apiKey: read(relayer.apiKeyVariable) };
    case 'local': {
      const privateKey = read(relayer.privateKeyVariable);
      if (!/^0x[0-9a-fA-F]{64}$/.test(privateKey)) {
        throw new ConfigError(
          `relayer ${relayer.id}: ${relayer.privateKeyVariable} is not a private key (0x and 64 hexadecimal digits)`,
        );
      }
      return { ...relayer, privateKey: privateKey as Hex };
    }
  }
}
