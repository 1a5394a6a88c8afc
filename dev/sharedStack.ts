import { createConnection } from 'node:net';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';

import { PROJECT_ROOT } from '../platform/projectRoot.ts';
import { isProcessAlive, readOwnerPid } from './childProcess.ts';
import { writeAtomically } from './writeAtomically.ts';

/** Where `npm run stack` keeps everything. */
export const SHARED_STACK_DIRECTORY = join(PROJECT_ROOT, '.dev', 'test', 'stack');

/** Of its database server: the statements that make what migrations leave, for runs to share. */
export const SHARED_SCHEMA_DIRECTORY = join(SHARED_STACK_DIRECTORY, 'schema');

const sharedStackSchema = z.object({
  pid: z.number(),
  /** Of the server, with no database chosen. */
  databaseUrl: z.string(),
  redisUrl: z.string(),
  /** A chain with the contracts on it, for each run of tests to copy. */
  chainStatePath: z.string(),
  deploymentPath: z.string(),
});

/** What `npm run stack` keeps for runs of tests. */
export type SharedStack = z.infer<typeof sharedStackSchema>;

export function writeSharedStack(directory: string, stack: SharedStack): void {
  writeAtomically(join(directory, 'state.json'), JSON.stringify(stack, null, 2));
}

/**
 * @returns the stack that runs in that folder; undefined when none does, or when it is just being
 *   started or stopped. What a stack that was killed has left is removed
 */
export async function findSharedStack(directory: string): Promise<SharedStack | undefined> {
  const path = join(directory, 'state.json');
  if (!existsSync(path)) return undefined;
  const stack = sharedStackSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  if (readOwnerPid(directory) !== stack.pid) {
    rmSync(path, { force: true });
    return undefined;
  }
  const answers = await Promise.all([canConnect(stack.databaseUrl), canConnect(stack.redisUrl)]);
  return answers.every(Boolean) ? stack : undefined;
}

/** @returns whether there was one to end; it is gone by then */
export async function stopSharedStack(directory: string, limitMs = 30_000): Promise<boolean> {
  const pid = readOwnerPid(directory);
  if (pid === undefined) return false;
  process.kill(pid, 'SIGTERM');
  const deadline = Date.now() + limitMs;
  while (isProcessAlive(pid)) {
    if (Date.now() > deadline)
      throw new Error(`the test stack (process ${pid}) has not ended in ${limitMs / 1000} s`);
    await sleep(50);
  }
  return true;
}

/** Tests that kill, restart, empty or reconfigure a service, and what measures one. */
const NEEDS_ITS_OWN =
  /^bench\/|^test\/(contracts|e2e|chaos|scale|dependencies|dev)\/|^test\/workers\/schedules\./;

/** Patterns that such tests may be found by. */
const MAY_MEET_THEM = /^\*|^test\/(\*|workers\/\*)/;

/** Whether these test files may use services that other runs use at the same time. */
export function mayShareStack(files: readonly string[]): boolean {
  return files.every((file) => !NEEDS_ITS_OWN.test(file) && !MAY_MEET_THEM.test(file));
}

function canConnect(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = createConnection({ host: hostname, port: Number(port) });
    const end = (isThere: boolean) => {
      socket.destroy();
      resolve(isThere);
    };
    socket.setTimeout(1_000, () => end(false));
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
