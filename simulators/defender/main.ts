/**
 * The simulator as a process of its own, configured by SIMULATOR_* variables. Prints its address
 * when it is ready.
 */
import { isHex } from 'viem';
import { startDefenderSimulator } from './startDefenderSimulator.ts';

const simulator = await startDefenderSimulator({
  rpcUrl: read('RPC_URL'),
  chainId: readNumber('CHAIN_ID'),
  privateKey: readPrivateKey(),
  apiKey: read('API_KEY'),
  apiSecret: read('API_SECRET'),
  ...(find('HOST') === undefined ? {} : { host: read('HOST') }),
  ...(find('PORT') === undefined ? {} : { port: readNumber('PORT') }),
  ...(find('STATE_PATH') === undefined ? {} : { statePath: read('STATE_PATH') }),
  log: (line) => console.log(line),
});
console.log(`Defender simulator: ${simulator.url} (relayer ${simulator.address})`);

let isClosing = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (isClosing) return;
    isClosing = true;
    simulator.close().then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  });
}

function find(name: string): string | undefined {
  return process.env[`SIMULATOR_${name}`] || undefined;
}

function read(name: string): string {
  const value = find(name);
  if (value === undefined) throw new Error(`SIMULATOR_${name} is not set`);
  return value;
}

function readNumber(name: string): number {
  const value = Number(read(name));
  if (!Number.isInteger(value) || value < 0)
    throw new Error(`SIMULATOR_${name} must be a whole number`);
  return value;
}

function readPrivateKey(): `0x${string}` {
  const value = read('PRIVATE_KEY');
  // The value itself is not shown: it is a key.
  if (!isHex(value) || value.length !== 66)
    throw new Error('SIMULATOR_PRIVATE_KEY must be 32 bytes in hexadecimal, with 0x');
  return value;
}
