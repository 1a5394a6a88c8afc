import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import type { Context } from '../platform/context.ts';
import { createJudgeLogin, LOGIN_CHALLENGE } from '../platform/createJudgeLogin.ts';
import { createProcessMetrics } from '../platform/createProcessMetrics.ts';
import { findClockFault } from '../platform/findClockFault.ts';
import { tryDatabaseWrite, tryRedisWrite } from '../platform/tryWrites.ts';
import { answerWithin } from '../shared/answerWithin.ts';
import { createRounds } from '../shared/createRounds.ts';

const CHECK_TIMEOUT_MS = 2_000;
/** It needs no login, so it must not be a lever on what it writes. */
const KEPT_MS = 1_000;
/** How long an answer that is under way may take once we stop. */
const FINISH_MS = 1_000;

type Answer = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/**
 * What a workers process tells of itself:
 *
 *   GET /healthz  for orchestrators: 200 while the database and Redis take what is written, 503
 *                 otherwise; and whether this machine's clock is right
 *   GET /metrics  this process's own figures, in Prometheus's text format, behind the operators'
 *                 login. What the database knows, any API process tells
 */
export async function startHealthServer(
  ctx: Context,
  host: string,
  port: number,
): Promise<{ url: string; close: () => Promise<void> }> {
  const answers = new Map<string | undefined, Answer>([
    ['/healthz', createTellHealth(ctx)],
    ['/metrics', createTellMetrics(ctx)],
  ]);
  const server = createServer((request, response) => {
    const answer = answers.get(request.url);
    if (answer === undefined) {
      response.writeHead(404).end();
      return;
    }
    answer(request, response).catch((error: unknown) => {
      ctx.log.error(
        { err: error, path: request.url },
        'a question to the workers was not answered',
      );
      if (!response.headersSent) response.writeHead(500);
      response.end();
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
        const limit = setTimeout(() => server.closeAllConnections(), FINISH_MS);
        server.close(() => {
          clearTimeout(limit);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

function createTellHealth(ctx: Context): Answer {
  const inRounds = createRounds<{ readonly database: boolean; readonly redis: boolean }>(KEPT_MS);
  const works = (dependency: string, tried: Promise<void>) =>
    answerWithin(CHECK_TIMEOUT_MS, tried).then(
      () => true,
      (error: unknown) => {
        ctx.log.debug({ err: error, dependency }, 'a dependency is down');
        return false;
      },
    );
  return async (_request, response) => {
    const { database, redis } = await inRounds(async () => {
      const [isWritten, isSet] = await Promise.all([
        works('database', tryDatabaseWrite(ctx)),
        works('redis', tryRedisWrite(ctx)),
      ]);
      return { database: isWritten, redis: isSet };
    });
    const isUp = database && redis;
    const body = {
      status: isUp ? 'ok' : 'unavailable',
      database,
      redis,
      clock: findClockFault(ctx) === undefined,
    };
    response
      .writeHead(isUp ? 200 : 503, { 'content-type': 'application/json' })
      .end(JSON.stringify(body));
  };
}

function createTellMetrics(ctx: Context): Answer {
  const registry = createProcessMetrics(ctx);
  const judgeLogin = createJudgeLogin(ctx.config.admin);
  return async (request, response) => {
    const verdict = judgeLogin(request.headers.authorization);
    if (verdict !== 'right') {
      if (verdict === 'wrong')
        ctx.log.warn(
          { address: request.socket.remoteAddress },
          'a wrong login to the workers’ metrics',
        );
      response.writeHead(401, { 'www-authenticate': LOGIN_CHALLENGE }).end();
      return;
    }
    const text = await registry.metrics();
    response.writeHead(200, { 'content-type': registry.contentType }).end(text);
  };
}
