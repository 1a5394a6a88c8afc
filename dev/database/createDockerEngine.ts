import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ensureDockerImage, removeDockerContainer } from '../binaries.ts';
import { runCommand, startProcess } from '../childProcess.ts';
import type { ManagedProcess } from '../childProcess.ts';
import { readDatabaseState } from './databaseState.ts';
import {
  COMMON_SERVER_OPTIONS,
  canConnect,
  durabilityOptions,
  hashOf,
  tlsOptions,
} from './engine.ts';
import type { DatabaseEngine, EngineContext } from './engine.ts';

const dockerImage = 'mysql:8.4';

/** MySQL in a container of the Docker engine, its data in a volume. */
export function createDockerEngine(context: EngineContext): DatabaseEngine {
  const { dataDir, logPath, password, onProgress, tls, isDisposable } = context;
  const name = `msqpay-database-${hashOf(dataDir)}`;
  const environmentFile = join(dataDir, 'docker.env');
  return {
    flavour: 'docker',
    description: `MySQL (Docker, ${dockerImage})`,
    async prepare() {
      removeDockerContainer(name);
      await ensureDockerImage(dockerImage, onProgress);
      // A volume left by a data folder that was deleted since holds another password: begin anew.
      if (readDatabaseState(dataDir).flavour !== 'docker') {
        await runCommand('docker', ['volume', 'rm', '--force', name], { timeoutMs: 60_000 });
      }
    },
    launch(port) {
      // Not on the command line, where every user of the machine could read it.
      writeFileSync(environmentFile, `MYSQL_ROOT_PASSWORD=${password}\nMYSQL_ROOT_HOST=%\n`, {
        mode: 0o600,
      });
      return startProcess({
        name: 'the database',
        command: 'docker',
        args: [
          ...[
            'run',
            '--rm',
            '--name',
            name,
            '--publish',
            `127.0.0.1:${port}:3306`,
            '--env-file',
            environmentFile,
          ],
          ...['--volume', `${name}:/var/lib/mysql`],
          ...(tls === undefined ? [] : ['--volume', `${dirname(tls.ca)}:${dirname(tls.ca)}:ro`]),
          dockerImage,
          ...COMMON_SERVER_OPTIONS,
          ...durabilityOptions(isDisposable),
          ...tlsOptions(tls),
          '--skip-log-bin',
        ],
        logPath,
        isReady: () => canConnect(port, password),
        // The image makes its data folder at the first start.
        readyTimeoutMs: 180_000,
        stopTimeoutMs: 30_000,
        onAbandoned: () => removeDockerContainer(name),
      }).then((client) => endWithContainer(client, name));
    },
  };
}

/** `docker run` passes SIGTERM on to the container, but SIGKILL ends only the client. */
function endWithContainer(client: ManagedProcess, name: string): ManagedProcess {
  return {
    ...client,
    async kill(signal = 'SIGKILL') {
      await runCommand('docker', ['kill', '--signal', signal, name], { timeoutMs: 30_000 });
      return client.exited;
    },
  };
}
