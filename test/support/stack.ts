import { mkdtempSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { findSharedStack, SHARED_STACK_DIRECTORY } from '../../dev/sharedStack.ts';
import { startStack, type Stack } from '../../dev/startStack.ts';
import { PROJECT_ROOT } from '../../platform/projectRoot.ts';

/**
 * The real database, Redis, chain and relayer that all tests of one mocha run share. Started by the
 * first who asks, closed by the root hook in test/support/hooks.ts.
 */
let starting: Promise<Stack> | undefined;
let directory: string | undefined;

export function getStack(): Promise<Stack> {
  starting ??= start();
  return starting;
}

async function start(): Promise<Stack> {
  const parent = join(PROJECT_ROOT, '.dev', 'test');
  mkdirSync(parent, { recursive: true });
  directory = mkdtempSync(join(parent, 'run-'));
  // The variable is dev/runTests.ts's, for files that may share one.
  const shared =
    process.env['TEST_SHARED_STACK'] === 'true'
      ? await findSharedStack(SHARED_STACK_DIRECTORY)
      : undefined;
  return startStack({
    directory,
    blockTimeSeconds: 0.25,
    confirmations: 2,
    transactionsPerMinute: 100_000,
    maxInFlight: 50,
    isDisposable: true,
    ...(shared === undefined ? {} : { shared }),
    onProgress: () => undefined,
  });
}

export async function closeStack(): Promise<void> {
  if (starting === undefined) return;
  const stack = await starting;
  await stack.close();
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
}
