import { pino } from 'pino';

import { createDefenderRelayer } from '../../adapters/relayers/defender/createDefenderRelayer.ts';
import { startDefenderSimulator } from '../../simulators/defender/startDefenderSimulator.ts';
import type { RelayerPort } from '../../domain/relayers/ports.ts';
import { systemClock } from '../../shared/clock.ts';
import { API_KEY, API_SECRET } from './defenderFixture.ts';
import { describeRelayerConformance } from './relayerConformance.ts';
import { simulatorFaults } from './relayerConformanceSimulator.ts';

describeRelayerConformance('Defender', async ({ rpcUrl, chainId, privateKey }) => {
  const earlierUrl = process.env['DEFENDER_API_URL'];
  const simulator = await startDefenderSimulator({
    rpcUrl,
    chainId,
    privateKey,
    apiKey: API_KEY,
    apiSecret: API_SECRET,
    pollMs: 20,
  });
  process.env['DEFENDER_API_URL'] = simulator.url;
  let logged = '';
  const log = pino({ level: 'trace' }, { write: (line: string) => void (logged += line) });
  const createRelayer = (): RelayerPort =>
    createDefenderRelayer({
      relayer: { id: 'main', apiKey: API_KEY, apiSecret: API_SECRET },
      timeoutMs: 1_500,
      clock: systemClock,
      log,
    });
  return {
    relayer: createRelayer(),
    second: createRelayer(),
    secrets: [API_KEY, API_SECRET, privateKey.slice(2)],
    readLog: () => logged,
    ...simulatorFaults(simulator),
    async close() {
      if (earlierUrl === undefined) delete process.env['DEFENDER_API_URL'];
      else process.env['DEFENDER_API_URL'] = earlierUrl;
      await simulator.close();
    },
  };
});
