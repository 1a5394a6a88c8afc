import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { askFor, createAskNode, toHex, type RpcAnswer, type RpcCall } from './rpc.ts';

/**
 * A node in front of a chain's own, as of a chain that takes gas for a transaction's data (Arbitrum
 * and its kin): in what it estimates, and in what its receipts say was used. Every second receipt
 * does not tell how much of it that was.
 */
export interface DataGasNode {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * For each byte: so much that who pays for the data of others is charged more than anybody honest
 * may be.
 */
const DATA_GAS = 256;
/** What one request takes so at most: one with a permit by itself has about 1,200 bytes. */
export const DATA_GAS_PER_REQUEST = 350_000;

const HEADERS = { 'content-type': 'application/json' };

interface Receipt {
  readonly transactionHash: string;
  readonly gasUsed: string;
}

interface RpcRequest extends RpcCall {
  readonly id: unknown;
}

export async function startDataGasNode(rpcUrl: string): Promise<DataGasNode> {
  const ask = createAskNode(rpcUrl);

  /** By method: the answer with the gas for data in it. */
  const changes: Readonly<
    Record<string, (result: unknown, params: readonly unknown[]) => Promise<unknown>>
  > = {
    eth_estimateGas: (gas, [call]) =>
      Promise.resolve(
        toHex(Number(gas) + gasOf((call as { readonly data?: string }).data ?? '0x')),
      ),
    eth_getTransactionReceipt: (receipt) => withDataGas(receipt as Receipt),
    eth_getBlockReceipts: (receipts) =>
      Promise.all((receipts as readonly Receipt[]).map(withDataGas)),
  };

  async function withDataGas(receipt: Receipt): Promise<unknown> {
    const { input } = await askFor<{ readonly input: string }>(ask, 'eth_getTransactionByHash', [
      receipt.transactionHash,
    ]);
    const dataGas = gasOf(input);
    const gasUsed = toHex(Number(receipt.gasUsed) + dataGas);
    const isTold = Number.parseInt(receipt.transactionHash.slice(-1), 16) % 2 === 0;
    return { ...receipt, gasUsed, ...(isTold ? { gasUsedForL1: toHex(dataGas) } : {}) };
  }

  async function answer(call: RpcCall): Promise<RpcAnswer> {
    const given = await ask(call);
    const change = changes[call.method];
    if (change === undefined || given.result === undefined || given.result === null) return given;
    return { result: await change(given.result, call.params) };
  }

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString('utf8');
    const asked = JSON.parse(body) as RpcRequest | RpcRequest[];
    if (![asked].flat().some(({ method }) => method in changes)) {
      const answered = await fetch(rpcUrl, { method: 'POST', headers: HEADERS, body });
      response.writeHead(answered.status, HEADERS).end(Buffer.from(await answered.arrayBuffer()));
      return;
    }
    const answers = await Promise.all(
      [asked].flat().map(async ({ id, method, params }) => ({
        jsonrpc: '2.0',
        id,
        ...(await answer({ method, params })),
      })),
    );
    response
      .writeHead(200, HEADERS)
      .end(JSON.stringify(Array.isArray(asked) ? answers : answers[0]));
  }

  const server = createServer((request, response) => {
    // The chain's node is gone, or a reorganisation has just taken the transaction away.
    respond(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function gasOf(data: string): number {
  return DATA_GAS * ((data.length - 2) / 2);
}
