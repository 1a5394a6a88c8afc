import { join } from 'node:path';

import { PROJECT_ROOT } from '../../platform/projectRoot.ts';

/**
 * What `node` is given to run a program of this project: from source, or, when dev/runTests.ts has compiled it, from there.
 * @param path from the root of the checkout, such as `cli/main.ts`
 */
export function programArguments(path: string): string[] {
  const compiled = process.env['TEST_COMPILED'];
  if (compiled === undefined || compiled === '') return ['--enable-source-maps', '--import', 'tsx', join(PROJECT_ROOT, path)];
  return ['--enable-source-maps', join(compiled, path.replace(/\.ts$/, '.js'))];
}
