import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

import type { Random } from '../../support/createRandom.ts';
import type { Lie, LieKind, LyingAnswer } from './lies.ts';
import { createAskNode, type AskNode, type RpcCall, type RpcLog } from './rpc.ts';

/**
 * An RPC URL that the server is given: the chain's node, with somebody in front of it who may lie,
 * answer late, or be away. Batches are answered by one node, as they are by a provider.
 */
export interface LyingNode {
  readonly url: string;
  readonly honest: AskNode;
  /** Answers that it gave while it lied, by lie. */
  readonly lied: ReadonlyMap<LieKind, number>;
  /**
   * @param share of the requests that meet the lie: less than 1 is a URL with several nodes behind
   *   it, of which some are wrong
   */
  lie(kind: LieKind, lie: Lie, share: number): void;
  tellTheTruth(): void;
  /** Beside whatever else it does, it has none of these logs, until `show`. */
  hide(isHidden: (log: RpcLog) => boolean): void;
  show(): void;
  /** Breaks every connection off and takes none, until `restore`. */
  cut(): void;
  restore(): void;
  close(): Promise<void>;
}

interface RpcRequest extends RpcCall {
  readonly id: unknown;
}

const HEADERS = { 'content-type': 'application/json' };

export async function startLyingNode(rpcUrl: string, random: Random): Promise<LyingNode> {
  const honest = createAskNode(rpcUrl);
  const sockets = new Set<Socket>();
  const lied = new Map<LieKind, number>();
  let isCut = false;
  let isHidden: ((log: RpcLog) => boolean) | undefined;
  let current: { readonly kind: LieKind; readonly lie: Lie; readonly share: number } | undefined;

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString('utf8');
    const lying = current !== undefined && random.next() < current.share ? current : undefined;
    if (lying === undefined && isHidden === undefined) {
      const answer = await fetch(rpcUrl, { method: 'POST', headers: HEADERS, body });
      response.writeHead(answer.status, HEADERS).end(Buffer.from(await answer.arrayBuffer()));
      return;
    }
    const parsed = JSON.parse(body) as RpcRequest | RpcRequest[];
    const calls = [parsed].flat();
    if (lying !== undefined) countLies(lying.kind, calls.length);
    const ask = lying?.lie ?? honest;
    const answers = await Promise.all(
      calls.map(async ({ id, method, params }) => ({
        id,
        answer: keepBack(method, await ask({ method, params })),
      })),
    );
    const told = answers.flatMap(({ id, answer }) =>
      answer === 'refused' ? [] : [{ jsonrpc: '2.0', id, ...answer }],
    );
    if (told.length < answers.length) {
      response
        .writeHead(429, { ...HEADERS, 'retry-after': '3600' })
        .end('{"message":"Too Many Requests"}');
      return;
    }
    response.writeHead(200, HEADERS).end(JSON.stringify(Array.isArray(parsed) ? told : told[0]));
  }

  function countLies(kind: LieKind, times: number): void {
    lied.set(kind, (lied.get(kind) ?? 0) + times);
  }

  function keepBack(method: string, answer: LyingAnswer): LyingAnswer {
    if (
      isHidden === undefined ||
      method !== 'eth_getLogs' ||
      answer === 'refused' ||
      !Array.isArray(answer.result)
    )
      return answer;
    const logs = answer.result as readonly RpcLog[];
    const shown = logs.filter((log) => isHidden?.(log) !== true);
    if (shown.length < logs.length) countLies('hidesLogs', 1);
    return { result: shown };
  }

  const server = createServer((request, response) => {
    // The chain's node is gone, or a lie is over whose node is: like a provider that breaks off.
    respond(request, response).catch(() => response.destroy());
  });
  server.on('connection', (socket) => {
    if (isCut) {
      socket.destroy();
      return;
    }
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const dropAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${port}`,
    honest,
    lied,
    lie(kind, lie, share) {
      current = { kind, lie, share };
    },
    tellTheTruth() {
      current = undefined;
    },
    hide(predicate) {
      isHidden = predicate;
    },
    show() {
      isHidden = undefined;
    },
    cut() {
      isCut = true;
      dropAll();
    },
    restore() {
      isCut = false;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        dropAll();
      }),
  };
}
