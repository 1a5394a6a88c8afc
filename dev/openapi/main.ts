import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { PROJECT_ROOT } from '../../platform/projectRoot.ts';
import { writeAtomically } from '../writeAtomically.ts';
import { BUNDLE, bundleOpenapi } from './bundleOpenapi.ts';

/**
 * `npm run openapi:bundle` makes openapi.yaml of its parts. `--check` changes nothing and fails
 * when it is not what they make.
 */
const file = join(PROJECT_ROOT, BUNDLE);
const bundle = await bundleOpenapi();
if (!process.argv.includes('--check')) {
  writeAtomically(file, bundle, 0o644);
} else if (readFileSync(file, 'utf8') !== bundle) {
  console.error('openapi.yaml is not what its parts make: run npm run openapi');
  process.exitCode = 1;
}
