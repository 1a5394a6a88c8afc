/**
 * A server that speaks the OpenZeppelin Defender relayer API, for development and tests: the real SDK works against it unchanged when
 * DEFENDER_API_URL is its address. It signs with a key of its own, sends to a real chain, and misbehaves when told to (faults.ts).
 *
 * The control endpoint under /_control needs no login, which is why the server listens on the loopback unless told otherwise:
 *   GET /_control/health · GET /_control/state · POST /_control/faults {kind, count?, …} · DELETE /_control/faults
 */
import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { appendFileSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Address, Hex } from 'viem';
import { createFaultList, operations, parseFault } from './faults.ts';
import type { Fault, Operation } from './faults.ts';
import { RelayerError, createRelayer } from './relayer.ts';
import type { StoredTransaction } from './transactionStore.ts';

export interface DefenderSimulatorOptions {
  rpcUrl: string;
  chainId: number;
  privateKey: Hex;
  apiKey: string;
  apiSecret: string;
  /** Default 127.0.0.1. Another one only where nobody else can reach it, as in a network of containers: `/_control` asks for no login. */
  host?: string;
  /** 0, or none: any free one. */
  port?: number;
  /** Transactions are kept in this file, and found there at the next start. */
  statePath?: string;
  log?: (line: string) => void;
  logPath?: string;
  /** How often the chain is looked at; the real one does so every minute. */
  pollMs?: number;
  accessTokenTtlMs?: number;
  /** Blocks after which a transaction is `confirmed`. */
  confirmations?: number;
}

export interface DefenderSimulator {
  /** What DEFENDER_API_URL is to be. */
  readonly url: string;
  readonly port: number;
  readonly address: Address;
  setFault(fault: Fault): void;
  clearFaults(): void;
  faults(): Fault[];
  /** Copies, in the order of acceptance. */
  transactions(): StoredTransaction[];
  /** How many requests of each operation arrived, whatever became of them. */
  requests(): Record<Operation, number>;
  close(): Promise<void>;
}

const hour = 60 * 60 * 1000;

export async function startDefenderSimulator(options: DefenderSimulatorOptions): Promise<DefenderSimulator> {
  const { apiKey, apiSecret, logPath, accessTokenTtlMs = hour } = options;
  if (logPath !== undefined) mkdirSync(dirname(logPath), { recursive: true });
  const log = (line: string): void => {
    options.log?.(line);
    if (logPath !== undefined) appendFileSync(logPath, `${new Date().toISOString()} ${line}\n`);
  };
  const relayer = await createRelayer({
    rpcUrl: options.rpcUrl,
    chainId: options.chainId,
    privateKey: options.privateKey,
    pollMs: options.pollMs ?? 250,
    confirmations: options.confirmations ?? 12,
    log,
    ...(options.statePath === undefined ? {} : { statePath: options.statePath }),
  });
  const faults = createFaultList();
  const tokens = createTokens(apiSecret);
  const counts = Object.fromEntries(operations.map((operation) => [operation, 0])) as Record<Operation, number>;

  // ---- The operations ---------------------------------------------------------------------------------------------------------------

  const login = (body: unknown, isRefresh: boolean): Record<string, string> => {
    const { apiKey: key, secretKey, refreshToken, type } = (body ?? {}) as Record<string, unknown>;
    if (!isEqual(key, apiKey) || !isEqual(secretKey, apiSecret)) throw new RelayerError(401, 'Unauthorized');
    if (type !== 'relay') throw new RelayerError(400, 'type must be relay');
    if (isRefresh && !tokens.isValid(refreshToken, 'refresh')) throw new RelayerError(401, 'Unauthorized');
    return {
      accessToken: tokens.issue('access', accessTokenTtlMs),
      refreshToken: isRefresh ? String(refreshToken) : tokens.issue('refresh', 30 * 24 * hour),
    };
  };

  interface Request {
    key: string;
    query: URLSearchParams;
    body: unknown;
    twist: Parameters<typeof relayer.send>[1];
  }

  const handlers: Record<Operation, (request: Request) => unknown> = {
    login: ({ body }) => login(body, false),
    refreshToken: ({ body }) => login(body, true),
    sendTransaction: ({ body, twist }) => relayer.send(body, twist),
    getTransaction: ({ key }) => relayer.get(key),
    listTransactions: ({ query }) => {
      const names = ['status', 'since', 'limit', 'sort', 'next'] as const;
      const page = relayer.list(
        Object.fromEntries(names.map((name) => [name, query.get(name)])) as Record<(typeof names)[number], string | null>,
      );
      // Without the parameter older clients get a plain array.
      return query.get('usePagination') === 'true' ? page : page.items;
    },
    replaceTransaction: ({ key, body }) => relayer.replace(key, body),
    cancelTransaction: ({ key }) => relayer.cancel(key),
    getRelayer: () => relayer.describe(faults.isPaused()),
    getRelayerStatus: () => relayer.describeStatus(faults.isPaused()),
    sign: ({ body }) => relayer.sign(body),
    signTypedData: ({ body }) => relayer.signTypedData(body),
    jsonRpc: ({ body }) => relayer.jsonRpc(body),
  };

  // ---- One request ------------------------------------------------------------------------------------------------------------------

  const server = createServer((request, response) => {
    respond(request, response).catch((error: unknown) => {
      log(`${String(request.method)} ${String(request.url)}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      if (!response.headersSent) send(response, 500, { message: 'Internal server error' });
      else response.destroy();
    });
  });

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const body = await readBody(request);
    if (url.pathname.startsWith('/_control/')) return control(request, response, url, body);
    const route = findRoute(request.method, url.pathname);
    if (route === undefined) return send(response, 404, { message: 'Not Found' });
    const { operation, key } = route;
    counts[operation] += 1;

    const applied = faults.take(operation);
    if (applied.delayMs > 0) await sleep(applied.delayMs, undefined, { ref: false });
    let status = 200;
    let answer: unknown;
    // A skipped request with an error to give needs no credentials: gateways refuse before they look at them.
    if (applied.work === 'done') {
      try {
        if (operation !== 'login' && operation !== 'refreshToken') authenticate(request);
        answer = await handlers[operation]({ key, query: url.searchParams, body: parseJson(body), twist: applied.twist });
      } catch (error) {
        if (!(error instanceof RelayerError)) throw error;
        status = error.status;
        answer = { message: error.message };
      }
    }
    log(`${operation} ${key} ${typeof applied.answer === 'string' ? `${applied.answer} ${status}` : applied.answer.status}`);
    // Held open until the client gives up or the simulator closes.
    if (applied.answer === 'none') return;
    if (applied.answer === 'reset') {
      request.socket.resetAndDestroy();
      return;
    }
    if (applied.answer === 'normal') return send(response, status, answer);
    if (applied.retryAfterSeconds !== undefined) response.setHeader('Retry-After', String(applied.retryAfterSeconds));
    send(response, applied.answer.status, { message: applied.answer.message });
  }

  function authenticate(request: IncomingMessage): void {
    // The SDK tells these two apart: 403 is final, at a 401 it renews its token.
    if (!isEqual(request.headers['x-api-key'], apiKey)) throw new RelayerError(403, 'Forbidden');
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    if (!tokens.isValid(token, 'access')) throw new RelayerError(401, 'Unauthorized');
  }

  function control(request: IncomingMessage, response: ServerResponse, url: URL, body: string): void {
    switch (`${String(request.method)} ${url.pathname}`) {
      case 'GET /_control/health':
        return send(response, 200, { status: 'ok', address: relayer.address, chainId: options.chainId });
      case 'GET /_control/state':
        return send(response, 200, {
          address: relayer.address,
          requests: counts,
          faults: faults.list(),
          transactions: relayer.transactions(),
        });
      case 'POST /_control/faults':
        try {
          faults.add(parseFault(parseJson(body)));
        } catch (error) {
          return send(response, 400, { message: error instanceof Error ? error.message : String(error) });
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
    await relayer.close();
    throw error;
  }
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;

  return {
    url: `http://127.0.0.1:${port}`,
    port,
    address: relayer.address,
    setFault: (fault) => faults.add(fault),
    clearFaults: () => faults.clear(),
    faults: () => faults.list(),
    transactions: () => relayer.transactions(),
    requests: () => ({ ...counts }),
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      // Also those that a fault holds open.
      server.closeAllConnections();
      await closed;
      await relayer.close();
    },
  };
}

// ---- Routes -----------------------------------------------------------------------------------------------------------------------

const routes: readonly [method: string, path: RegExp, operation: Operation][] = [
  ['POST', /^\/auth\/login$/, 'login'],
  ['POST', /^\/auth\/refresh-token$/, 'refreshToken'],
  ['POST', /^\/relayers\/self\/txs$/, 'sendTransaction'],
  ['GET', /^\/relayers\/self\/txs$/, 'listTransactions'],
  // The last part is an id or a nonce. The SDK adds ?nonce=true only when it reads; the two cannot be confused.
  ['GET', /^\/relayers\/self\/txs\/([\w-]+)$/, 'getTransaction'],
  ['PUT', /^\/relayers\/self\/txs\/([\w-]+)$/, 'replaceTransaction'],
  ['DELETE', /^\/relayers\/self\/txs\/([\w-]+)$/, 'cancelTransaction'],
  ['GET', /^\/relayers\/self$/, 'getRelayer'],
  ['GET', /^\/relayers\/self\/status$/, 'getRelayerStatus'],
  ['POST', /^\/relayers\/self\/sign$/, 'sign'],
  ['POST', /^\/relayers\/self\/sign-typed-data$/, 'signTypedData'],
  ['POST', /^\/relayers\/self\/jsonrpc$/, 'jsonRpc'],
];

function findRoute(method: string | undefined, path: string): { operation: Operation; key: string } | undefined {
  for (const [routeMethod, pattern, operation] of routes) {
    const match = routeMethod === method ? pattern.exec(path) : null;
    if (match !== null) return { operation, key: match[1] ?? '' };
  }
  return undefined;
}

// ---- Tokens -----------------------------------------------------------------------------------------------------------------------

/** Signed rather than remembered, as Defender's are: they stay valid when the simulator is restarted. */
function createTokens(secret: string): {
  issue(use: 'access' | 'refresh', ttlMs: number): string;
  isValid(token: unknown, use: 'access' | 'refresh'): boolean;
} {
  const signatureOf = (claims: string): string => createHmac('sha256', secret).update(claims).digest('base64url');
  return {
    issue(use, ttlMs) {
      const claims = Buffer.from(JSON.stringify({ use, expiresAt: Date.now() + ttlMs, id: randomUUID() })).toString('base64url');
      return `${claims}.${signatureOf(claims)}`;
    },
    isValid(token, use) {
      if (typeof token !== 'string') return false;
      const [claims = '', signature = ''] = token.split('.');
      if (!isEqual(signature, signatureOf(claims))) return false;
      const read = JSON.parse(Buffer.from(claims, 'base64url').toString()) as { use: string; expiresAt: number };
      return read.use === use && read.expiresAt > Date.now();
    },
  };
}

function isEqual(given: unknown, expected: string): boolean {
  if (typeof given !== 'string') return false;
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

// ---- HTTP -------------------------------------------------------------------------------------------------------------------------

function send(response: ServerResponse, status: number, body: unknown): void {
  // The reason phrase is part of the contract: the SDK reads "Unauthorized" and "Forbidden" there. Node sets the usual ones.
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
    throw new RelayerError(400, 'The body is not JSON');
  }
}
