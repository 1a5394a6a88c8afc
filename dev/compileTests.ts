import { existsSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

import { PROJECT_ROOT } from '../platform/projectRoot.ts';
import { compileSources } from './compileSources.ts';

/** Where `npm test` has mocha find the tests, and all that they test. */
export const COMPILED_TESTS = join(PROJECT_ROOT, '.dev', 'test', 'compiled');

export async function compileTests(): Promise<void> {
  await compileSources(PROJECT_ROOT, COMPILED_TESTS);
  // What the demo shop serves to browsers is looked for beside it.
  const pages = join('demo', 'shop', 'public');
  try {
    symlinkSync(join(PROJECT_ROOT, pages), join(COMPILED_TESTS, pages));
  } catch (error) {
    if (!existsSync(join(COMPILED_TESTS, pages))) throw error;
  }
}
