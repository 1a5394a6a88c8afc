import { findBinaries } from '../binaries.ts';
import type { OnProgress } from '../binaries.ts';
import type { DatabaseKind } from './engine.ts';
import { identifyProgram } from './serverProgram.ts';
import type { ServerProgram } from './serverProgram.ts';

/**
 * The servers that are installed on this machine, the first of each kind; before them the mysqld
 * that DEV_MYSQLD names, if it does.
 * @param kind only of this kind
 * @throws Error when DEV_MYSQLD is set and does not name a MySQL server
 */
export async function findServerPrograms(
  kind: DatabaseKind | undefined,
  onProgress: OnProgress,
): Promise<ServerProgram[]> {
  const found: ServerProgram[] = [];
  const given = process.env['DEV_MYSQLD'];
  if (given !== undefined && given !== '') {
    const program = await identifyProgram(given, {
      command: given,
      loaderArgs: [],
      locationOptions: [],
    });
    if (program.kind !== 'mysql')
      throw new Error(`DEV_MYSQLD names ${program.description}, which is no MySQL`);
    found.push(program);
  }
  for (const path of findBinaries('mariadbd', 'mysqld')) {
    try {
      const program = await identifyProgram(path, {
        command: path,
        loaderArgs: [],
        locationOptions: [],
      });
      if (!found.some((other) => other.kind === program.kind)) found.push(program);
    } catch (error) {
      onProgress(error instanceof Error ? error.message : String(error));
    }
  }
  return found.filter((program) => kind === undefined || program.kind === kind);
}
