import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { startProcess, type ManagedProcess, type ProcessExit } from '../../dev/childProcess.ts';
import { findFreePort } from '../../dev/freePort.ts';
import { PROJECT_ROOT } from '../../platform/projectRoot.ts';
import type { Harness } from './harness.ts';
import { programArguments } from './programArguments.ts';

/**
 * One of the server's own processes, run as in production. It keeps its port when it is started
 * again, as behind a load balancer.
 */
export interface ServerProcess {
  readonly name: string;
  readonly url: string;
  /** Resolves when /healthz answers 200. */
  start(): Promise<void>;
  /** Resolves when it is spawned: it need not become ready. */
  spawn(): Promise<void>;
  /** Sends the signal and waits for the end. */
  kill(signal: NodeJS.Signals): Promise<ProcessExit>;
  isRunning(): boolean;
  logTail(): string;
  /** SIGTERM, if it runs. */
  close(): Promise<void>;
}

const ENTRY_POINTS = {
  api: { path: 'api/main.ts', portVariable: 'MSQPAY_PORT' },
  workers: { path: 'workers/main.ts', portVariable: 'MSQPAY_WORKERS_PORT' },
} as const;

export async function createServerProcess(
  harness: Harness,
  kind: keyof typeof ENTRY_POINTS,
  overrides: Readonly<Record<string, string>> = {},
): Promise<ServerProcess> {
  const { path, portVariable } = ENTRY_POINTS[kind];
  const port = await findFreePort();
  const url = `http://127.0.0.1:${port}`;
  const directory = mkdtempSync(join(tmpdir(), `msqpay-${kind}-`));
  let current: ManagedProcess | undefined;

  /** The API runs without what only the workers need. */
  function environment(): NodeJS.ProcessEnv {
    const all = harness.environment({ [portVariable]: String(port), ...overrides });
    const keys = kind === 'api' ? Object.keys(harness.stack.relayerKeys) : [];
    return Object.fromEntries(Object.entries(all).filter(([name]) => !keys.includes(name)));
  }

  async function start(isReady: () => Promise<boolean> | boolean): Promise<void> {
    if (current?.isRunning() === true) throw new Error(`${kind} runs already`);
    current = await startProcess({
      name: kind,
      command: process.execPath,
      args: programArguments(path),
      cwd: PROJECT_ROOT,
      env: environment(),
      logPath: join(directory, 'output.log'),
      readyTimeoutMs: 60_000,
      isReady,
    });
  }

  return {
    name: kind,
    url,
    start: () => start(async () => (await fetch(`${url}/healthz`)).ok),
    spawn: () => start(() => true),
    async kill(signal) {
      if (current === undefined) throw new Error(`${kind} was not started`);
      return current.kill(signal);
    },
    isRunning: () => current?.isRunning() === true,
    logTail: () => current?.logTail() ?? '',
    async close() {
      if (current?.isRunning() === true) await current.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
