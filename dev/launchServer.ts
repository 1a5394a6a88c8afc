import type { OnProgress } from './binaries.ts';
import type { ManagedProcess } from './childProcess.ts';
import { findFreePort } from './freePort.ts';

/** A way of having a server: a program of this machine, or a container. */
export interface ServerEngine {
  readonly description: string;
  /** Ends what an earlier run may have left, and makes what the server needs to start. */
  prepare(): Promise<void>;
  /** Resolves when the server answers. */
  launch(port: number): Promise<ManagedProcess>;
}

export interface RunningServer<Engine extends ServerEngine> {
  readonly engine: Engine;
  readonly port: number;
  readonly server: ManagedProcess;
}

/** A server that was started here, and that can be killed and brought back. */
export interface ServerHandle {
  readonly port: number;
  /**
   * Of the server that runs now; another one after a restart. With Docker, that of the client that
   * is attached to it.
   */
  readonly pid: number;
  /** Ends the server at once, as a crash would. `restart()` brings it back. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  restart(): Promise<void>;
  close(): Promise<void>;
}

const LAUNCH_ATTEMPTS = 3;

/** @param preferredPort used when it is free */
export async function launchServer<Engine extends ServerEngine>(
  engine: Engine,
  preferredPort: number | undefined,
): Promise<RunningServer<Engine>> {
  await engine.prepare();
  for (let attempt = 1; ; attempt++) {
    const port = await findFreePort(attempt === 1 ? preferredPort : undefined);
    try {
      return { engine, port, server: await engine.launch(port) };
    } catch (error) {
      // Somebody took the port between our look and the server's bind.
      const isPortTaken =
        error instanceof Error &&
        /address already in use|port is already allocated/i.test(error.message);
      if (!isPortTaken || attempt === LAUNCH_ATTEMPTS) throw error;
    }
  }
}

export interface ServerHandleOptions {
  /** As a message about its end names it, such as "The database". */
  readonly name: string;
  /** Told when the server ends without being asked to. */
  readonly onProgress: OnProgress;
  /** Gives the server's folder back, once it is closed. */
  readonly release: () => void;
}

export function createServerHandle(
  running: RunningServer<ServerEngine>,
  { name, onProgress, release }: ServerHandleOptions,
): ServerHandle {
  const { engine, port } = running;
  let server = running.server;
  let isEndExpected = false;
  const watch = (watched: ManagedProcess): void => {
    void watched.exited.then(() => {
      if (!isEndExpected)
        onProgress(
          `${name} ended unexpectedly. The end of its log:\n${watched.logTail().slice(-2000)}`,
        );
    });
  };
  watch(server);
  const end = async (how: () => Promise<unknown>): Promise<void> => {
    isEndExpected = true;
    await how();
  };
  return {
    port,
    get pid() {
      return server.pid;
    },
    kill: (signal = 'SIGKILL') => end(() => server.kill(signal)),
    async restart() {
      await end(() => server.stop());
      await engine.prepare();
      server = await engine.launch(port);
      isEndExpected = false;
      watch(server);
    },
    async close() {
      await end(() => server.stop());
      release();
    },
  };
}
