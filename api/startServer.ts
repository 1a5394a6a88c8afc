import type { AddressInfo } from 'node:net';
import type { Queue } from 'bullmq';

import type { Context } from '../platform/context.ts';
import { createApp } from './app.ts';
import { createHttpServer } from './createHttpServer.ts';

/** How long requests that are under way may take to finish once we stop. */
const FINISH_MS = 10_000;

export interface RunningServer {
  readonly url: string;
  /** Takes no new connection, answers who waits, lets the others finish for a while, and closes. */
  stop(): Promise<void>;
}

/** Listens where the configuration says. */
export async function startServer(ctx: Context, queues: readonly Queue[]): Promise<RunningServer> {
  const stopping = new AbortController();
  const server = createHttpServer(createApp(ctx, { queues, stopping: stopping.signal }));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(ctx.config.port, ctx.config.host, resolve);
  });
  const { address, family, port } = server.address() as AddressInfo;
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      stopping.abort();
      // Kept-alive connections with nothing under way would hold the close up; new ones of that kind appear as requests finish.
      server.closeIdleConnections();
      const sweep = setInterval(() => server.closeIdleConnections(), 50);
      const limit = setTimeout(() => server.closeAllConnections(), FINISH_MS);
      await closed;
      clearInterval(sweep);
      clearTimeout(limit);
    },
  };
}
