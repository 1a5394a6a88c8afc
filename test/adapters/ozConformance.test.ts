import { pino } from 'pino';

import { createOzRelayer } from '../../adapters/relayers/ozRelayer/createOzRelayer.ts';
import { startOzRelayerSimulator } from '../../simulators/ozRelayer/startOzRelayerSimulator.ts';
import type { RelayerPort } from '../../domain/relayers/ports.ts';
import { systemClock } from '../../shared/clock.ts';
import { describeRelayerConformance } from './relayerConformance.ts';
import { simulatorFaults } from './relayerConformanceSimulator.ts';

const API_KEY = 'KeyOfTheOzRelayer1234567890';

for (const listOrder of ['newestFirst', 'oldestFirst'] as const) {
  describeRelayerConformance(
    `OpenZeppelin Relayer, listing ${listOrder}`,
    async ({ rpcUrl, chainId, privateKey }) => {
      const relayerId = 'anvil-main';
      const simulator = await startOzRelayerSimulator({
        rpcUrl,
        chainId,
        privateKey,
        relayerId,
        apiKey: API_KEY,
        pollMs: 20,
        listOrder,
      });
      let logged = '';
      const log = pino({ level: 'trace' }, { write: (line: string) => void (logged += line) });
      const createRelayer = (): RelayerPort =>
        createOzRelayer({
          relayer: { id: 'main', url: simulator.url, relayerId, apiKey: API_KEY },
          timeoutMs: 1_500,
          clock: systemClock,
          log,
        });
      return {
        relayer: createRelayer(),
        second: createRelayer(),
        secrets: [API_KEY, privateKey.slice(2)],
        readLog: () => logged,
        ...simulatorFaults(simulator),
        close: () => simulator.close(),
      };
    },
  );
}
