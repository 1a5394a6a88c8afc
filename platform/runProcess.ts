import { allowSlowConnections } from './allowSlowConnections.ts';
import { loadConfig, type Config } from './config.ts';
import { ConfigError } from './ConfigError.ts';

/** Milliseconds that a shutdown may take before the process is ended all the same. */
const SHUTDOWN_LIMIT_MS = 25_000;

/**
 * The life of one of our processes: configuration, start, and an orderly end on SIGTERM or SIGINT.
 * A wrong configuration is told in words, without a stack. An error that nobody caught ends the
 * process: its state cannot be trusted, and everything it had promised is in the database.
 * @param start returns how to stop; may throw a ConfigError of its own before it opens anything
 */
export async function runProcess(
  start: (config: Config) => Promise<{ stop: () => Promise<void> }>,
): Promise<void> {
  allowSlowConnections();
  let stop: () => Promise<void>;
  try {
    ({ stop } = await start(loadConfig(process.env)));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
    return;
  }

  let stopping = false;
  const shutdown = (signal: NodeJS.Signals) => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(1), SHUTDOWN_LIMIT_MS).unref();
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(`the shutdown after ${signal} failed`, error);
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', shutdown);
  process.on('SIGINT', shutdown);
}
