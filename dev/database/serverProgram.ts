/** A MariaDB or MySQL server that this machine can run. */
import { runCommand } from '../childProcess.ts';
import type { DatabaseKind } from './engine.ts';

export interface ServerProgram {
  kind: DatabaseKind;
  /** Such as "MySQL 8.4.6 (/usr/sbin/mysqld)". */
  description: string;
  command: string;
  /**
   * Stand before every other argument: a server that was not built for this system is run by its
   * own loader.
   */
  loaderArgs: readonly string[];
  /** Where it finds its files, when that is not where it was built for. */
  locationOptions: readonly string[];
}

/** The oldest with SKIP LOCKED, which the product needs. */
const oldestVersion = { mariadb: [10, 6], mysql: [8, 0] } as const;

/**
 * Asks the program what it is: MariaDB installs a `mysqld` too.
 * @param path of the program, for messages
 * @throws Error when it is no server that the product works with
 */
export async function identifyProgram(
  path: string,
  program: Pick<ServerProgram, 'command' | 'loaderArgs' | 'locationOptions'>,
): Promise<ServerProgram> {
  const { output } = await runCommand(
    program.command,
    [...program.loaderArgs, '--no-defaults', '--version'],
    { timeoutMs: 10_000 },
  );
  const kind = output.includes('MariaDB') ? 'mariadb' : 'mysql';
  const [, version, major, minor] = /Ver ((\d+)\.(\d+)[.\d]*)/.exec(output) ?? [];
  if (version === undefined) throw new Error(`${path} is no database server: ${output.trim()}`);
  const [oldestMajor, oldestMinor] = oldestVersion[kind];
  if (
    Number(major) < oldestMajor ||
    (Number(major) === oldestMajor && Number(minor) < oldestMinor)
  ) {
    throw new Error(`${path} is too old (${output.trim()})`);
  }
  return {
    ...program,
    kind,
    description: `${kind === 'mariadb' ? 'MariaDB' : 'MySQL'} ${version} (${path})`,
  };
}

/** @throws Error with the end of what the server wrote, when it fails */
export async function runServerOnce(
  program: ServerProgram,
  args: readonly string[],
  input?: string,
): Promise<void> {
  const { code, output } = await runCommand(
    program.command,
    [...program.loaderArgs, '--no-defaults', ...args, ...program.locationOptions],
    {
      timeoutMs: 180_000,
      ...(input === undefined ? {} : { input }),
    },
  );
  if (code === 0) return;
  throw new Error(
    `${program.description} failed with code ${code}:\n${output.trim().split('\n').slice(-15).join('\n')}`,
  );
}
