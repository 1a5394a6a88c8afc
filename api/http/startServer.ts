import type { AddressInfo } from 'node:net';
import type { Queue } from 'bullmq';

import type { Context } from '../../platform/context.ts';
import { createApp } from './app.ts';
import { createHttpServer, type HttpServerOptions } from './createHttpServer.ts';

/**
 * How long a connection without a request under way is kept once we stop. A request that its client
 * sent before it could know comes in this time, and is answered with `Connection: close`; a client
 * that comes later has seen the connection end.
 */
const IDLE_MS = 1_000;
/**
 * How long requests that are under way may take to finish once we stop: as long as the workers'
 * jobs. A request that relays may wait for a lock twice (8 s each) and for slow RPC URLs. A process
 * is given 25 s (runProcess.ts).
 */
const FINISH_MS = 20_000;
const SWEEP_MS = 50;

export interface ServerOptions extends HttpServerOptions {
  /** Milliseconds that a connection without a request under way is kept once we stop. */
  readonly idleMs?: number;
}

export interface RunningServer {
  readonly url: string;
  /**
   * Asked again, it is the same stop.
   *
   * Takes no new connection, answers who waits, closes each connection after the next answer on it,
   * and lets requests that are under way finish for a while.
   */
  stop(): Promise<void>;
}

/** Listens where the configuration says. */
export async function startServer(
  ctx: Context,
  queues: readonly Queue[],
  options: ServerOptions = {},
): Promise<RunningServer> {
  const stopping = new AbortController();
  const { server, stopTakingConnections, closeIdleConnections } = createHttpServer(
    ctx,
    createApp(ctx, { queues, stopping: stopping.signal }),
    options,
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(ctx.config.port, ctx.config.host, resolve);
  });
  const { address, family, port } = server.address() as AddressInfo;
  let stopped: Promise<void> | undefined;
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    stop: () => (stopped ??= stop()),
  };

  async function stop(): Promise<void> {
    const closed = stopTakingConnections();
    stopping.abort();
    let sweep: NodeJS.Timeout | undefined;
    const idle = setTimeout(() => {
      // More of them appear as answers are taken. Not Node's own function: it also ends those whose
      // answer is still being sent.
      closeIdleConnections();
      sweep = setInterval(closeIdleConnections, SWEEP_MS);
    }, options.idleMs ?? IDLE_MS);
    const limit = setTimeout(() => server.closeAllConnections(), FINISH_MS);
    await closed;
    clearTimeout(idle);
    clearInterval(sweep);
    clearTimeout(limit);
    // The listener is closed already; this ends what is left of HTTP's own, its look at connections
    // that take too long.
    server.close();
  }
}
