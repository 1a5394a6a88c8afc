import { join } from 'node:path';

/**
 * Of the sources, or, where dev/runTests.ts has compiled them and runs the tests from there, of
 * what became of them.
 */
const root = join(import.meta.dirname, '..', '..');
const isCompiled = import.meta.filename.endsWith('.js');

/** What `node` is given before a program or a script that imports modules of this project. */
export const LOADER_ARGUMENTS: readonly string[] = isCompiled
  ? []
  : ['--enable-source-maps', '--import', 'tsx'];

/**
 * Where a module of this project is, for a process of its own.
 * @param path from the root of the checkout, such as `cli/main.ts`
 */
export function modulePath(path: string): string {
  return join(root, isCompiled ? path.replace(/\.ts$/, '.js') : path);
}

/** What `node` is given to run a program of this project. */
export function programArguments(path: string): string[] {
  return [...LOADER_ARGUMENTS, modulePath(path)];
}
