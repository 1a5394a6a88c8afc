import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { runServerOnce } from './serverProgram.ts';
import type { ServerProgram } from './serverProgram.ts';

/** @param tables an empty folder, which becomes an empty data folder */
export async function initialiseMysql(
  program: ServerProgram,
  tables: string,
  userOption: readonly string[],
): Promise<void> {
  await runServerOnce(program, ['--initialize-insecure', `--datadir=${tables}`, ...userOption]);
  // The server's own id: each copy gets another one at its first start.
  rmSync(join(tables, 'auto.cnf'), { force: true });
}
