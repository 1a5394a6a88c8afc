import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

interface Question {
  readonly id: number;
  readonly method: string;
  readonly params?: readonly unknown[];
}

type Answer = {
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string };
};

export interface OddNode {
  readonly url: string;
  /** Stands where the chain is now, and stays there. */
  standStill(): Promise<void>;
  /** Shows the chain as it is again. */
  catchUp(): void;
  /** Calls another block than the chain's its own at this height and above it; undefined: none. */
  forkAt(height: bigint | undefined): void;
  /**
   * Says that it is so many blocks further than the chain, all of this moment; what it is asked as
   * of these, it answers as of the chain's head. 0: as it is.
   */
  runAhead(blocks: number): void;
  /** Its blocks are so much older than the chain's. */
  ageBy(ms: number): void;
  /**
   * Calls are answered by another node behind the same URL, which has come to this height only;
   * undefined: by the same one.
   */
  answerCallsUpTo(height: bigint | undefined): void;
  /**
   * Answers this instead of what the chain does, an Error as a refusal in its words; undefined: the
   * truth.
   */
  changeResults(change: ((method: string, result: unknown) => unknown) | undefined): void;
  /** Every HTTP answer takes so much longer. */
  delayBy(ms: number): void;
  /** Answers nothing, until it is let go. */
  holdBack(isHeld: boolean): void;
  /** Takes no request with more than one question in it, or does again. */
  refuseBatches(isRefusing: boolean): void;
  /** Is told what each HTTP request asks. */
  noteRequests(note: (methods: readonly string[]) => void): void;
  /** Is told as of which block each call is asked that names one. */
  noteCalls(note: (block: bigint) => void): void;
  close(): Promise<void>;
}

/** Where a question says as of which block it is asked. */
const BLOCK_PARAMETER: Readonly<Record<string, number>> = {
  eth_call: 1,
  eth_estimateGas: 1,
  eth_getBalance: 1,
  eth_getBlockByNumber: 0,
  eth_getCode: 1,
};

/**
 * A node between us and a real one. It can be put behind that one, on a fork, or made to answer
 * something else.
 */
export async function startOddNode(rpcUrl: string): Promise<OddNode> {
  let head: bigint | undefined;
  let fork: bigint | undefined;
  let callsHead: bigint | undefined;
  let madeUp = 0n;
  let ageMs = 0;
  let delayMs = 0;
  let held: Promise<void> | undefined;
  let letGo = (): void => undefined;
  let isRefusingBatches = false;
  let noteCall: (block: bigint) => void = () => undefined;
  let noteRequest: (methods: readonly string[]) => void = () => undefined;
  let change: (method: string, result: unknown) => unknown = (_method, result) => result;

  async function ask(method: string, params: readonly unknown[]): Promise<Answer> {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
    const response = await fetch(rpcUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    const { result, error } = (await response.json()) as Answer;
    return error === undefined ? { result } : { error };
  }

  async function answer(method: string, params: readonly unknown[]): Promise<Answer> {
    if (madeUp > 0n) return answerAhead(method, params);
    if (method === 'eth_blockNumber' && head !== undefined) return { result: toHex(head) };
    const place = BLOCK_PARAMETER[method];
    if (place === undefined) return hideNewer(await ask(method, params));
    const asked = params[place] as string | undefined;
    if (method === 'eth_call' && asked?.startsWith('0x') === true) noteCall(BigInt(asked));
    const own = method === 'eth_getBlockByNumber' ? head : (callsHead ?? head);
    // What is final where it stands, the chain itself says.
    if (asked === 'finalized') return ask(method, params);
    const wanted = asked === undefined || asked === 'latest' ? own : BigInt(asked);
    if (own !== undefined && wanted !== undefined && wanted > own) {
      return method === 'eth_getBlockByNumber'
        ? { result: null }
        : { error: { code: -32_001, message: 'header not found' } };
    }
    const asOf =
      wanted === undefined
        ? params
        : params.map((parameter, index) => (index === place ? toHex(wanted) : parameter));
    const found = await ask(method, asOf);
    return method === 'eth_getBlockByNumber' ? onFork(found) : found;
  }

  async function answerAhead(method: string, params: readonly unknown[]): Promise<Answer> {
    const real = BigInt(String((await ask('eth_blockNumber', [])).result));
    const own = real + madeUp;
    if (method === 'eth_blockNumber') return { result: toHex(own) };
    const place = BLOCK_PARAMETER[method];
    if (place === undefined) return ask(method, params);
    const asked = params[place] as string | undefined;
    const wanted = asked === undefined || asked === 'latest' ? own : BigInt(asked);
    const asOf = params.map((parameter, index) =>
      index === place ? toHex(wanted > real ? real : wanted) : parameter,
    );
    const found = await ask(method, asOf);
    if (method !== 'eth_getBlockByNumber') return found;
    if (wanted > own) return { result: null };
    if (wanted <= real) return onFork(found);
    const timestamp = toHex(BigInt(Math.floor(Date.now() / 1000)));
    return {
      result: {
        ...(found.result as object),
        number: toHex(wanted),
        hash: `0x${wanted.toString(16).padStart(64, 'e')}`,
        timestamp,
      },
    };
  }

  function onFork({ result, ...rest }: Answer): Answer {
    const block = result as { number: string; hash: string; timestamp: string } | null;
    if (block === null) return { result, ...rest };
    const timestamp = toHex(BigInt(block.timestamp) - BigInt(Math.round(ageMs / 1000)));
    const hash =
      fork === undefined || BigInt(block.number) < fork ? block.hash : `0x${'f0'.repeat(32)}`;
    return { result: { ...block, timestamp, hash } };
  }

  /** Receipts and transactions of blocks that it does not have. */
  function hideNewer(found: Answer): Answer {
    const number =
      typeof found.result === 'object' && found.result !== null
        ? (found.result as { blockNumber?: string }).blockNumber
        : undefined;
    return head !== undefined && number !== undefined && BigInt(number) > head
      ? { result: null }
      : found;
  }

  function changed(method: string, { result, error }: Answer): Answer {
    if (error !== undefined) return { error };
    const shown = change(method, result);
    return shown instanceof Error
      ? { error: { code: 3, message: shown.message } }
      : { result: shown };
  }

  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const asked = JSON.parse(Buffer.concat(chunks).toString()) as Question | Question[];
      noteRequest([asked].flat().map(({ method }) => method));
      const answerOne = async ({ id, method, params = [] }: Question) => ({
        jsonrpc: '2.0',
        id,
        ...changed(method, await answer(method, params)),
      });
      const delayed = Promise.all([sleep(delayMs), held]);
      if (isRefusingBatches && Array.isArray(asked) && asked.length > 1) {
        void delayed.then(() => response.writeHead(400).end());
        return;
      }
      void Promise.all([...[asked].flat().map(answerOne), delayed]).then((found) => {
        const answers = found.slice(0, -1);
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(JSON.stringify(Array.isArray(asked) ? answers : answers[0]));
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async standStill() {
      head = BigInt(String((await ask('eth_blockNumber', [])).result));
    },
    catchUp() {
      head = undefined;
    },
    forkAt(height) {
      fork = height;
    },
    runAhead(blocks) {
      madeUp = BigInt(blocks);
    },
    ageBy(ms) {
      ageMs = ms;
    },
    answerCallsUpTo(height) {
      callsHead = height;
    },
    delayBy(ms) {
      delayMs = ms;
    },
    holdBack(isHeld) {
      letGo();
      held = isHeld ? new Promise((resolve) => (letGo = resolve)) : undefined;
    },
    refuseBatches(isRefusing) {
      isRefusingBatches = isRefusing;
    },
    noteRequests(note) {
      noteRequest = note;
    },
    noteCalls(note) {
      noteCall = note;
    },
    changeResults(wanted) {
      change = wanted ?? ((_method, result) => result);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function toHex(number: bigint): string {
  return `0x${number.toString(16)}`;
}
