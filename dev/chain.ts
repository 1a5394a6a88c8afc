/**
 * A private Ethereum chain for development and tests: anvil from npm, as a child process that
 * listens on 127.0.0.1 only.
 *
 * What anvil 1.7 does, measured:
 * - Block times may be fractions (0.25). Block timestamps are whole seconds of the wall clock in
 *   every mining mode: blocks of the same second share it, and it never runs ahead, so `expiresAt`
 *   means what the clock says.
 * - SIGTERM and SIGINT write the state file. SIGKILL loses what came after the last write of
 *   `--state-interval`; and since the file is rewritten in place it may be cut short, so the last
 *   one that was whole at a start is kept beside it.
 * - After a restart from a state file blocks, receipts and logs are all there, but no state before
 *   the last block: no `eth_call` into the past, and no reorganisation that goes back to before the
 *   restart.
 * - By default states of old blocks go to the home folder, without end (1.4 GB for 4,000 empty
 *   blocks). `--prune-history N` keeps the last N in memory and writes none; logs, receipts and
 *   snapshots stay complete, reorganisations go N deep. A kept state takes some 200 bytes for each
 *   block of the chain, so N is small. (`--transaction-block-keeper` drops logs.)
 */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startProcess } from './childProcess.ts';
import { findFreePort } from './freePort.ts';

export interface ChainOptions {
  /** Default: any free port. */
  port?: number;
  /** Default 31337. */
  chainId?: number;
  /**
   * Mine a block every so many seconds (fractions allowed). Absent: a block for each transaction,
   * at once.
   */
  blockTimeSeconds?: number;
  /** With a block time: mine each transaction at once, and empty blocks in time. */
  mixedMining?: boolean;
  /**
   * Keep the chain in this file across restarts, and the file as it was at the last good start in
   * `<file>.previous`.
   */
  statePath?: string;
  /** Append anvil's output to this file. Without it anvil is quiet. */
  logPath?: string;
  /** The rules of the chain, as anvil calls them (`shanghai`). Default: anvil's newest. */
  hardfork?: string;
  /** By how much its clock is behind ours, and stays so. Default 0. */
  secondsBehind?: number;
  /** Unlocked, funded accounts of the well-known test mnemonic. Default 10. */
  accounts?: number;
}

export interface Chain {
  rpcUrl: string;
  chainId: number;
  port: number;
  pid: number;
  /**
   * Stops the chain and waits until it is gone; the state, if kept, is written first. May be called
   * again.
   */
  close(): Promise<void>;
}

const HOST = '127.0.0.1';
const STATE_INTERVAL_SECONDS = 5;
/** How many blocks back `eth_call` and reorganisations reach. */
const KEPT_STATES = 32;
/** Another process may take a free port between our look and anvil's start. */
const PORT_ATTEMPTS = 5;

/** Rejects with anvil's own last words when it cannot start. */
export async function startChain(options: ChainOptions = {}): Promise<Chain> {
  if (options.port !== undefined) return startOnPort(options.port, options);
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnPort(await findFreePort(), options);
    } catch (error) {
      const portTaken = error instanceof Error && error.message.includes('Address already in use');
      if (!portTaken || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

async function startOnPort(port: number, options: ChainOptions): Promise<Chain> {
  // Whoever holds the port may be a chain with the same id: its answers must not pass for ours.
  if ((await findFreePort(port)) !== port)
    throw new Error(`anvil cannot listen on ${HOST}:${String(port)}: Address already in use`);
  const chainId = options.chainId ?? 31337;
  const rpcUrl = `http://${HOST}:${String(port)}`;
  if (options.statePath !== undefined) prepareState(options.statePath);
  const temporaryFolder =
    options.logPath === undefined ? mkdtempSync(join(tmpdir(), 'msqpay-chain-')) : undefined;
  const removeTemporaryFolder = (): void => {
    if (temporaryFolder !== undefined) rmSync(temporaryFolder, { recursive: true, force: true });
  };
  try {
    const anvil = await startProcess({
      name: `anvil on ${rpcUrl}`,
      command: findAnvil(),
      args: buildArguments(port, chainId, options),
      logPath: options.logPath ?? join(temporaryFolder ?? '', 'anvil.log'),
      onAbandoned: removeTemporaryFolder,
      isReady: async (child) => {
        const answer = await askChainId(rpcUrl);
        if (answer !== chainId)
          throw new Error(
            `${rpcUrl} answers with chain id ${String(answer)} instead of ${String(chainId)}`,
          );
        // One that did not get the port ends at once.
        await sleep(20);
        return child.isRunning();
      },
    });
    void anvil.exited.then(removeTemporaryFolder);
    return { rpcUrl, chainId, port, pid: anvil.pid, close: async () => void (await anvil.stop()) };
  } catch (error) {
    removeTemporaryFolder();
    throw error;
  }
}

function buildArguments(port: number, chainId: number, options: ChainOptions): string[] {
  const args = ['--host', HOST, '--port', String(port), '--chain-id', String(chainId)];
  args.push(
    '--accounts',
    String(options.accounts ?? 10),
    '--prune-history',
    String(KEPT_STATES),
    '--color',
    'never',
  );
  if (options.blockTimeSeconds !== undefined)
    args.push('--block-time', String(options.blockTimeSeconds));
  // The time of the first block: anvil's clock goes on from there.
  if (options.secondsBehind !== undefined)
    args.push('--timestamp', String(Math.floor(Date.now() / 1000) - options.secondsBehind));
  if (options.hardfork !== undefined) args.push('--hardfork', options.hardfork);
  if (options.mixedMining === true) args.push('--mixed-mining');
  if (options.statePath !== undefined)
    args.push('--state', options.statePath, '--state-interval', String(STATE_INTERVAL_SECONDS));
  if (options.logPath === undefined) args.push('--quiet');
  return args;
}

/** Goes back to the last good file when the present one was cut short. */
function prepareState(statePath: string): void {
  mkdirSync(dirname(statePath), { recursive: true });
  if (!existsSync(statePath)) return;
  const previousPath = `${statePath}.previous`;
  try {
    JSON.parse(readFileSync(statePath, 'utf8'));
    copyFileSync(statePath, previousPath);
  } catch (error) {
    if (!existsSync(previousPath))
      throw new Error(`The chain state in ${statePath} is damaged; remove it to start anew`, {
        cause: error,
      });
    copyFileSync(previousPath, statePath);
  }
}

/**
 * The native program itself, not its npm wrapper: a signal has to reach the process that runs the
 * chain.
 */
function findAnvil(): string {
  const architectures: Partial<Record<NodeJS.Architecture, string>> = {
    x64: 'amd64',
    arm64: 'arm64',
  };
  const name = `@foundry-rs/anvil-${process.platform}-${architectures[process.arch] ?? process.arch}`;
  const program = process.platform === 'win32' ? 'anvil.exe' : 'anvil';
  try {
    // It is a dependency of the wrapper, so it is looked up from there.
    const wrapper = createRequire(import.meta.url).resolve('@foundry-rs/anvil/package.json');
    return createRequire(wrapper).resolve(`${name}/bin/${program}`);
  } catch (error) {
    throw new Error(
      `anvil has no program for ${process.platform} ${process.arch}: the package ${name} is not installed`,
      { cause: error },
    );
  }
}

async function askChainId(rpcUrl: string): Promise<number> {
  const response = await fetch(rpcUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_chainId', params: [] }),
    signal: AbortSignal.timeout(1_000),
  });
  const { result } = (await response.json()) as { result?: string };
  return Number(result);
}
