import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import type { Context } from '../platform/context.ts';
import { selectRows } from '../platform/db.ts';

/** `GET /healthz` of a workers process, for orchestrators: 200 while the database and Redis answer, 503 otherwise. */
export async function startHealthServer(ctx: Context, host: string, port: number): Promise<{ url: string; close: () => Promise<void> }> {
  const server = createServer((request, response) => {
    if (request.url !== '/healthz') {
      response.writeHead(404).end();
      return;
    }
    void Promise.allSettled([selectRows(ctx.db, 'SELECT 1'), ctx.redis.ping()]).then(([database, redis]) => {
      const isUp = database.status === 'fulfilled' && redis.status === 'fulfilled';
      const body = { status: isUp ? 'ok' : 'unavailable', database: database.status === 'fulfilled', redis: redis.status === 'fulfilled' };
      response.writeHead(isUp ? 200 : 503, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const address = server.address() as AddressInfo;
  return {
    url: `http://${host}:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
