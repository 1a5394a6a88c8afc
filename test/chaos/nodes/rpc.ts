/** JSON-RPC as a node speaks it. */
export interface RpcCall {
  readonly method: string;
  readonly params: readonly unknown[];
}

export interface RpcAnswer {
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}

/**
 * Puts one question to a node; what it refuses is an answer too. @throws when it does not answer
 */
export type AskNode = (call: RpcCall) => Promise<RpcAnswer>;

export function createAskNode(rpcUrl: string): AskNode {
  return async ({ method, params }) => {
    const response = await fetch(rpcUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    });
    const { result, error } = (await response.json()) as RpcAnswer;
    return error === undefined ? { result } : { error };
  };
}

/** @throws Error with the node's words when it refuses */
export async function askFor<T>(
  ask: AskNode,
  method: string,
  params: readonly unknown[] = [],
): Promise<T> {
  const { result, error } = await ask({ method, params });
  if (error !== undefined) throw new Error(`${method}: ${error.message}`);
  return result as T;
}

export function toHex(number: number): string {
  return `0x${number.toString(16)}`;
}

/** As `eth_getLogs` and receipts give it. */
export interface RpcLog {
  readonly address: string;
  readonly topics: readonly string[];
  readonly blockNumber: string;
  readonly blockHash: string;
  readonly transactionHash: string;
  readonly logIndex: string;
}

export interface LogFilter {
  readonly address?: string | readonly string[];
  readonly topics?: readonly (string | readonly string[] | null)[];
  readonly fromBlock?: string;
  readonly toBlock?: string;
  readonly blockHash?: string;
}

/** Whether a node would give this log to who asks for `filter`, whose tags are already numbers. */
export function matchesFilter(log: RpcLog, filter: LogFilter): boolean {
  const isOneOf = (
    value: string | undefined,
    wanted: string | readonly string[] | null | undefined,
  ) => wanted == null || [wanted].flat().some((one) => one.toLowerCase() === value?.toLowerCase());
  const number = Number(log.blockNumber);
  const isInRange =
    filter.blockHash === undefined
      ? number >= Number(filter.fromBlock ?? 0) &&
        number <= Number(filter.toBlock ?? Number.POSITIVE_INFINITY)
      : filter.blockHash === log.blockHash;
  return (
    isInRange &&
    isOneOf(log.address, filter.address) &&
    (filter.topics ?? []).every((topic, place) => isOneOf(log.topics[place], topic))
  );
}
