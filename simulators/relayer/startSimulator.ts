/**
 * What the simulated providers have in common: one account on a real chain (createSender.ts),
 * misbehaviour on demand (faults.ts), and an HTTP server in front of them. What is spoken there is
 * up to the protocol.
 *
 * The control endpoint under /_control needs no login, which is why the server listens on the
 * loopback unless told otherwise:
 *   GET /_control/health · GET /_control/state · POST /_control/faults {kind, count?, …} · DELETE
 *   /_control/faults
 */
import { timingSafeEqual } from 'node:crypto';
import { appendFileSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Address, Hex } from 'viem';
import { SendRefused, createSender, type Sender } from './createSender.ts';
import { createFaultList, parseFault, type Fault, type TransactionTwist } from './faults.ts';
import type { StoredTransaction } from './transactionStore.ts';

export interface SimulatorOptions {
  rpcUrl: string;
  chainId: number;
  privateKey: Hex;
  /**
   * Default 127.0.0.1. Another one only where nobody else can reach it, as in a network of
   * containers: `/_control` asks for no login.
   */
  host?: string;
  /** 0, or none: any free one. */
  port?: number;
  /** Transactions are kept in this file, and found there at the next start. */
  statePath?: string;
  log?: (line: string) => void;
  logPath?: string;
  /** How often the chain is looked at; real ones do so every minute, or every few seconds. */
  pollMs?: number;
  /** Blocks after which a transaction is `confirmed`. */
  confirmations?: number;
}

export interface Simulator<Operation extends string> {
  readonly url: string;
  readonly port: number;
  readonly address: Address;
  setFault(fault: Fault<Operation>): void;
  clearFaults(): void;
  faults(): Fault<Operation>[];
  /** Copies, in the order of acceptance. */
  transactions(): StoredTransaction[];
  /** How many requests of each operation arrived, whatever became of them. */
  requests(): Record<Operation, number>;
  close(): Promise<void>;
}

/** Refused as the API would: `status` is the HTTP status. */
export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface ApiRequest {
  /** What the last part of the path names, such as an id. */
  readonly key: string;
  readonly query: URLSearchParams;
  /** Parsed JSON; undefined when there is none. */
  readonly body: unknown;
  readonly twist: TransactionTwist;
}

export interface Protocol<Operation extends string> {
  readonly routes: readonly (readonly [method: string, path: RegExp, operation: Operation])[];
  /** What comes before there are credentials to check. */
  readonly sessionOperations: readonly Operation[];
  /** @throws ApiError */
  authenticate(request: IncomingMessage): void;
  /** Each returns the body of its answer, and may throw ApiError or SendRefused. */
  readonly handlers: Record<Operation, (request: ApiRequest) => unknown>;
  /** How it refuses to send while it is paused. */
  readonly paused: { readonly status: number; readonly message: string };
  formatError(error: {
    readonly status: number;
    readonly message: string;
    readonly retryAfterSeconds?: number | undefined;
  }): unknown;
}

export async function startSimulator<Operation extends string>(
  options: SimulatorOptions & { readonly relayerId: string },
  operations: readonly Operation[],
  makeProtocol: (parts: {
    readonly sender: Sender;
    readonly isPaused: () => boolean;
  }) => Protocol<Operation>,
): Promise<Simulator<Operation>> {
  const { logPath } = options;
  if (logPath !== undefined) mkdirSync(dirname(logPath), { recursive: true });
  const log = (line: string): void => {
    options.log?.(line);
    if (logPath !== undefined) appendFileSync(logPath, `${new Date().toISOString()} ${line}\n`);
  };
  const sender = await createSender({
    rpcUrl: options.rpcUrl,
    chainId: options.chainId,
    privateKey: options.privateKey,
    relayerId: options.relayerId,
    pollMs: options.pollMs ?? 250,
    confirmations: options.confirmations ?? 12,
    log,
    ...(options.statePath === undefined ? {} : { statePath: options.statePath }),
  });
  const { address } = sender.account;
  const faults = createFaultList<Operation>((operation) =>
    protocol.sessionOperations.includes(operation),
  );
  const protocol = makeProtocol({ sender, isPaused: () => faults.isPaused() });
  const counts = Object.fromEntries(operations.map((operation) => [operation, 0])) as Record<
    Operation,
    number
  >;
  const listTransactions = (): StoredTransaction[] =>
    sender.store.all().map((transaction) => structuredClone(transaction));

  const server = createServer((request, response) => {
    respond(request, response).catch((error: unknown) => {
      log(
        `${String(request.method)} ${String(request.url)}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
      if (!response.headersSent)
        send(
          response,
          500,
          protocol.formatError({ status: 500, message: 'Internal server error' }),
        );
      else response.destroy();
    });
  });

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const body = await readBody(request);
    if (url.pathname.startsWith('/_control/')) return control(request, response, url, body);
    const route = findRoute(request.method, url.pathname);
    if (route === undefined)
      return send(response, 404, protocol.formatError({ status: 404, message: 'Not Found' }));
    const { operation, key } = route;
    counts[operation] += 1;

    const applied = faults.take(operation);
    if (applied.delayMs > 0) await sleep(applied.delayMs, undefined, { ref: false });
    let status = 200;
    let answer: unknown;
    // A skipped request with an error to give needs no credentials: gateways refuse before they
    // look at them.
    if (applied.work === 'done') {
      try {
        if (!protocol.sessionOperations.includes(operation)) protocol.authenticate(request);
        answer = await protocol.handlers[operation]({
          key,
          query: url.searchParams,
          body: parseJson(body),
          twist: applied.twist,
        });
      } catch (error) {
        if (!(error instanceof ApiError || error instanceof SendRefused)) throw error;
        status = error instanceof ApiError ? error.status : 400;
        answer = protocol.formatError({ status, message: error.message });
      }
    }
    log(
      `${operation} ${key} ${typeof applied.answer === 'string' ? `${applied.answer} ${status}` : applied.answer.status}`,
    );
    // Held open until the client gives up or the simulator closes.
    if (applied.answer === 'none') return;
    if (applied.answer === 'reset') {
      request.socket.resetAndDestroy();
      return;
    }
    if (applied.answer === 'normal') return send(response, status, answer);
    const { retryAfterSeconds } = applied;
    if (retryAfterSeconds !== undefined)
      response.setHeader('Retry-After', String(retryAfterSeconds));
    const refusal = applied.answer === 'paused' ? protocol.paused : applied.answer;
    send(response, refusal.status, protocol.formatError({ ...refusal, retryAfterSeconds }));
  }

  function findRoute(
    method: string | undefined,
    path: string,
  ): { operation: Operation; key: string } | undefined {
    for (const [routeMethod, pattern, operation] of protocol.routes) {
      const match = routeMethod === method ? pattern.exec(path) : null;
      if (match !== null) return { operation, key: match[1] ?? '' };
    }
    return undefined;
  }

  function control(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    body: string,
  ): void {
    switch (`${String(request.method)} ${url.pathname}`) {
      case 'GET /_control/health':
        return send(response, 200, { status: 'ok', address, chainId: options.chainId });
      case 'GET /_control/state':
        return send(response, 200, {
          address,
          requests: counts,
          faults: faults.list(),
          transactions: listTransactions(),
        });
      case 'POST /_control/faults':
        try {
          faults.add(parseFault(parseJson(body), operations));
        } catch (error) {
          return send(response, 400, {
            message: error instanceof Error ? error.message : String(error),
          });
        }
        return send(response, 201, { faults: faults.list() });
      case 'DELETE /_control/faults':
        faults.clear();
        return send(response, 200, { faults: [] });
      default:
        return send(response, 404, { message: 'Not Found' });
    }
  }

  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.port ?? 0, options.host ?? '127.0.0.1', resolve);
    });
  } catch (error) {
    await sender.close();
    throw error;
  }
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;

  return {
    url: `http://127.0.0.1:${port}`,
    port,
    address,
    setFault: (fault) => faults.add(fault),
    clearFaults: () => faults.clear(),
    faults: () => faults.list(),
    transactions: listTransactions,
    requests: () => ({ ...counts }),
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      // Also those that a fault holds open.
      server.closeAllConnections();
      await closed;
      await sender.close();
    },
  };
}

/** In constant time, as for secrets. */
export function isEqual(given: unknown, expected: string): boolean {
  if (typeof given !== 'string') return false;
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function send(response: ServerResponse, status: number, body: unknown): void {
  // The reason phrase is part of Defender's contract: its SDK reads "Unauthorized" and "Forbidden"
  // there. Node sets the usual ones.
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(body: string): unknown {
  if (body === '') return undefined;
  try {
    return JSON.parse(body);
  } catch {
    throw new ApiError(400, 'The body is not JSON');
  }
}
