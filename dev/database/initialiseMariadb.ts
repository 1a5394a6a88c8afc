import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findBinary } from '../binaries.ts';
import { runCommand } from '../childProcess.ts';
import { runServerOnce } from './serverProgram.ts';
import type { ServerProgram } from './serverProgram.ts';

/**
 * The scripts that make the system tables, in the order in which MariaDB's own installer runs them.
 */
const systemScripts = [
  'mysql_system_tables.sql',
  'mysql_performance_tables.sql',
  'mysql_system_tables_data.sql',
  'fill_help_tables.sql',
  'maria_add_gis_sp_bootstrap.sql',
  'mysql_sys_schema.sql',
];

/**
 * Debian's mariadb-server-core has the server, these scripts and mariadb-install-db, but not
 * my_print_defaults, without which that installer refuses to work. So we feed the server the
 * scripts ourselves, as the installer would; it is only the fallback.
 * @param tables an empty folder, which becomes an empty data folder
 */
export async function initialiseMariadb(
  program: ServerProgram,
  tables: string,
  userOption: readonly string[],
): Promise<void> {
  const prefix = dirname(dirname(realpathSync(program.command)));
  const scripts = [join(prefix, 'share/mysql'), join(prefix, 'share/mariadb')].find((folder) =>
    systemScripts.every((script) => existsSync(join(folder, script))),
  );
  if (scripts === undefined) {
    await runInstaller(tables, userOption);
    return;
  }
  const sql = [
    'CREATE DATABASE IF NOT EXISTS mysql;',
    'USE mysql;',
    // Root with a password, not "whoever is root on the machine".
    'SET @auth_root_socket=NULL;',
    ...systemScripts.map((script) => readFileSync(join(scripts, script), 'utf8')),
  ].join('\n');
  const args = [
    '--bootstrap',
    `--datadir=${tables}`,
    ...userOption,
    '--silent-startup',
    '--log-warnings=0',
  ];
  await runServerOnce(
    program,
    [...args, '--enforce-storage-engine=', '--max-allowed-packet=8M', '--net-buffer-length=16K'],
    sql,
  );
}

async function runInstaller(tables: string, userOption: readonly string[]): Promise<void> {
  const installer = findBinary('mariadb-install-db', 'mysql_install_db');
  if (installer === undefined)
    throw new Error('Neither the SQL scripts of MariaDB nor mariadb-install-db were found');
  const args = [
    '--no-defaults',
    `--datadir=${tables}`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
    ...userOption,
  ];
  const { code, output } = await runCommand(installer, args, { timeoutMs: 180_000 });
  if (code !== 0)
    throw new Error(
      `${installer} failed with code ${code}:\n${output.trim().split('\n').slice(-15).join('\n')}`,
    );
}
