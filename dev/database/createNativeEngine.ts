import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { reapRecordedProcess, startProcess } from '../childProcess.ts';
import { copyEmptyTables } from './copyEmptyTables.ts';
import {
  COMMON_SERVER_OPTIONS,
  canConnect,
  durabilityOptions,
  hashOf,
  makeDirectory,
  tlsOptions,
} from './engine.ts';
import type { DatabaseEngine, EngineContext } from './engine.ts';
import { initialiseMariadb } from './initialiseMariadb.ts';
import { initialiseMysql } from './initialiseMysql.ts';
import type { ServerProgram } from './serverProgram.ts';

/**
 * No port of the X protocol, no binary log, and nothing wanted at the places that a package would
 * have made.
 */
const mysqlOptions = [
  '--mysqlx=OFF',
  '--skip-log-bin',
  '--performance-schema=OFF',
  '--secure-file-priv=NULL',
];

/** A server of this machine as a process of ours, its data in `data-mariadb/` or `data-mysql/`. */
export function createNativeEngine(context: EngineContext, program: ServerProgram): DatabaseEngine {
  const { dataDir, logPath, password, onProgress, isDisposable } = context;
  const { kind, description } = program;
  const tables = join(dataDir, `data-${kind}`);
  const pidPath = join(dataDir, 'process.json');
  const initFile = join(dataDir, 'init.sql');
  const userOption = process.getuid?.() === 0 ? ['--user=root'] : [];
  return {
    flavour: kind,
    description,
    async prepare() {
      const reaped = await reapRecordedProcess(pidPath, `--datadir=${tables}`);
      if (reaped !== undefined)
        onProgress(`Ended the database that an earlier run left behind (process ${reaped})`);
      if (existsSync(tables)) return;
      onProgress(`Creating the data folder of ${description}`);
      // Elsewhere first: a folder under the final name is always complete, even if we are killed
      // half-way.
      const draft = `${tables}.new`;
      rmSync(draft, { recursive: true, force: true });
      const initialise = kind === 'mariadb' ? initialiseMariadb : initialiseMysql;
      await copyEmptyTables(program, draft, (empty) => initialise(program, empty, userOption));
      renameSync(draft, tables);
    },
    async launch(port) {
      // Each statement on one line, as init-file wants it. Run before the server accepts
      // connections, so the password always holds.
      const statements = [
        `CREATE USER IF NOT EXISTS 'root'@'127.0.0.1' IDENTIFIED BY '${password}';`,
        `ALTER USER 'root'@'127.0.0.1' IDENTIFIED BY '${password}';`,
        `GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;`,
        `ALTER USER 'root'@'localhost' IDENTIFIED BY '${password}';`,
        // MariaDB makes it without a password. Nothing listens there, but nothing should depend on
        // that.
        `DROP USER IF EXISTS 'root'@'::1';`,
      ];
      writeFileSync(initFile, statements.join('\n') + '\n', { mode: 0o600 });
      return startProcess({
        name: 'the database',
        command: program.command,
        args: [
          ...program.loaderArgs,
          '--no-defaults',
          `--datadir=${tables}`,
          `--port=${port}`,
          '--bind-address=127.0.0.1',
          `--socket=${choosePathOfSocket(dataDir)}`,
          `--pid-file=${join(dataDir, 'server.pid')}`,
          `--init-file=${initFile}`,
          `--tmpdir=${makeDirectory(join(dataDir, 'tmp'))}`,
          ...userOption,
          ...COMMON_SERVER_OPTIONS,
          ...durabilityOptions(isDisposable),
          ...tlsOptions(context.tls),
          ...(kind === 'mysql' ? mysqlOptions : []),
          ...program.locationOptions,
        ],
        logPath,
        pidPath,
        isReady: () => canConnect(port, password),
        // Crash recovery of a larger database may take its time.
        readyTimeoutMs: 60_000,
        stopTimeoutMs: 30_000,
      });
    },
  };
}

/** A Unix socket's path is limited to 107 bytes, which a deep checkout exceeds. */
function choosePathOfSocket(dataDir: string): string {
  const path = join(dataDir, 'server.sock');
  return Buffer.byteLength(path) <= 100 ? path : join(tmpdir(), `msqpay-${hashOf(dataDir)}.sock`);
}
