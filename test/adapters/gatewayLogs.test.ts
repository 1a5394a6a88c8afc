import { expect } from 'chai';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';

import type { ChainPort } from '../../domain/chain/ports.ts';
import type { Hex } from '../../shared/hex.ts';
import { rejection, startChainFixture, type ChainFixture } from './chainFixture.ts';

interface Question {
  readonly id: number;
  readonly method: string;
  readonly params: readonly unknown[];
}

interface Answer {
  readonly id: number;
  result?: unknown;
  error?: unknown;
}

interface RawLog {
  readonly blockNumber: Hex;
  blockHash: Hex;
  data: Hex;
}

const FOREIGN = `0x${'ab'.repeat(32)}` as const;

describe('the chain adapter, reading the gateway’s logs', () => {
  const servers: Server[] = [];
  let on: ChainFixture;
  let range: { fromBlock: bigint; toBlock: bigint };
  let paidAt: bigint;

  before(async () => {
    on = await startChainFixture();
    const [payer, terms] = [privateKeyToAccount(generatePrivateKey()), on.makeTerms()];
    await on.mint(payer.address, terms.amount);
    await on.approve(payer, terms.amount);
    await on.pay(payer, terms);
    paidAt = (await on.port.getHead()).number;
    // Any transactions, for some blocks on top of it.
    for (let block = 0; block < 3; block++) await on.mint(payer.address, 1n);
    range = { fromBlock: paidAt - 4n, toBlock: paidAt + 3n };
  });
  after(async () => {
    for (const server of servers) server.close();
    await on.close();
  });

  /**
   * A node that passes requests on and changes the answers.
   * @param options.refusesBatches answers as a server does that does not know several questions in
   *   one request
   */
  async function startNode(
    change: (question: Question, answer: Answer) => Promise<void> | void,
    options: {
      readonly refusesBatches?: boolean;
      /**
       * What a server in front of the node answers in its place; undefined: it passes the request
       * on.
       */
      readonly inPlace?: (
        questions: readonly Question[],
      ) => { readonly status: number; readonly text: string } | undefined;
    } = {},
  ): Promise<{ readonly url: string; readonly requests: Question[][] }> {
    const requests: Question[][] = [];
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        void (async () => {
          const body = Buffer.concat(chunks).toString();
          const asked = JSON.parse(body) as Question | Question[];
          requests.push([asked].flat());
          const other = options.inPlace?.([asked].flat());
          if (other !== undefined) {
            response.writeHead(other.status, {
              'content-type': other.status === 200 ? 'application/json' : 'text/html',
            });
            response.end(other.text);
            return;
          }
          if (Array.isArray(asked) && options.refusesBatches === true) {
            response.writeHead(200, { 'content-type': 'application/json' });
            response.end(
              JSON.stringify({
                jsonrpc: '2.0',
                id: null,
                error: { code: -32600, message: 'invalid request' },
              }),
            );
            return;
          }
          const passedOn = await fetch(on.rpcUrl, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body,
          });
          const answers = (await passedOn.json()) as Answer | Answer[];
          for (const answer of [answers].flat()) {
            const question = [asked].flat().find(({ id }) => id === answer.id);
            if (question !== undefined) await change(question, answer);
          }
          response.writeHead(200, { 'content-type': 'application/json' });
          response.end(JSON.stringify(answers));
        })();
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
  }

  const over = (...rpcUrls: string[]): ChainPort => on.createPort(rpcUrls);
  const logsOf = (answer: Answer) => answer.result as RawLog[];

  it('asks for the last block’s header in the same request, and tells it', async () => {
    const { url, requests } = await startNode(() => undefined);
    const found = await over(url).listGatewayLogs(range);
    expect(found.payments).to.have.length(1);
    expect(found.last).to.deep.equal(await on.port.findBlock(range.toBlock));
    const withLogs = requests.filter((questions) =>
      questions.some(({ method }) => method === 'eth_getLogs'),
    );
    expect(withLogs.map((questions) => questions.map(({ method }) => method))).to.deep.equal([
      ['eth_getBlockByNumber', 'eth_getLogs'],
    ]);
  });

  it('believes no log of a block that is not the one at its height, and asks the next URL', async () => {
    const { url } = await startNode(({ method }, answer) => {
      if (method === 'eth_getLogs') for (const log of logsOf(answer)) log.blockHash = FOREIGN;
    });
    const error = await rejection(over(url).listGatewayLogs(range));
    expect(error.code).to.equal('PAY_020');
    expect((error.cause as Error).message).to.match(/another block than its header/);
    expect((await over(url, on.rpcUrl).listGatewayLogs(range)).payments[0]?.blockHash).not.to.equal(
      FOREIGN,
    );
  });

  it('believes no log that names another block than its node’s header, when the node knew better a moment ago', async () => {
    let isCached = false;
    const { url } = await startNode(({ method }, answer) => {
      if (method === 'eth_getLogs' && isCached)
        for (const log of logsOf(answer)) log.blockHash = FOREIGN;
    });
    const port = over(url);
    expect((await port.listGatewayLogs(range)).payments).to.have.length(1);
    isCached = true;
    expect((await rejection(port.listGatewayLogs(range))).code).to.equal('PAY_020');
  });

  it('asks one question at a time where several are not taken, the header before and after the logs', async () => {
    const { url, requests } = await startNode(() => undefined, { refusesBatches: true });
    const port = over(url);
    const found = await port.listGatewayLogs(range);
    expect(found.payments).to.have.length(1);
    expect(found.last.number).to.equal(range.toBlock);
    requests.length = 0;
    // And keeps that in mind. The header of the payment's block was compared a moment ago.
    await port.listGatewayLogs(range);
    const asked = requests.map((questions) => questions.map(({ method }) => method).join());
    expect(asked.filter((method) => method !== 'eth_chainId')).to.deep.equal([
      'eth_getBlockByNumber',
      'eth_getLogs',
      'eth_getBlockByNumber',
    ]);
  });

  it('believes nothing when the last block changed while its logs were asked for', async () => {
    let headers = 0;
    const { url } = await startNode(
      ({ method, params }, answer) => {
        const isLast =
          method === 'eth_getBlockByNumber' && BigInt(String(params[0])) === range.toBlock;
        if (isLast && ++headers % 2 === 0) (answer.result as { hash: Hex }).hash = FOREIGN;
      },
      { refusesBatches: true },
    );
    const error = await rejection(over(url).listGatewayLogs(range));
    expect((error.cause as Error).message).to.match(/was replaced while its logs were asked for/);
  });

  /** Of each question for logs, how many blocks. */
  const sizesOf = (requests: readonly (readonly Question[])[]): number[] =>
    requests.flat().flatMap(({ method, params }) => {
      if (method !== 'eth_getLogs') return [];
      const { fromBlock, toBlock } = params[0] as { fromBlock: Hex; toBlock: Hex };
      return [Number(BigInt(toBlock) - BigInt(fromBlock)) + 1];
    });

  describe('of many blocks', () => {
    const BLOCKS = 2_000n;
    let many: { fromBlock: bigint; toBlock: bigint };
    before(async () => {
      await on.wallet.request<{ Method: 'anvil_mine'; Parameters: [Hex]; ReturnType: null }>({
        method: 'anvil_mine',
        params: [`0x${BLOCKS.toString(16)}`],
      });
      many = { fromBlock: paidAt, toBlock: paidAt + BLOCKS - 1n };
    });

    const isForLogs = (questions: readonly Question[]) =>
      questions.some(({ method }) => method === 'eth_getLogs');
    /** To a batch whose logs are refused. */
    const refusal = (questions: readonly Question[], message: string) => ({
      status: 200,
      text: JSON.stringify(
        questions.map(({ id }) => ({ jsonrpc: '2.0', id, error: { code: -32000, message } })),
      ),
    });
    const PAGE =
      '<html><style>body { max-width: 40em }\n h1 { background-size: cover; font-size: 2em }</style>502 Bad Gateway</html>';

    it('asks for as many as before after a moment of a bad gateway', async () => {
      let pages = 1;
      const { url, requests } = await startNode(() => undefined, {
        inPlace: (questions) =>
          isForLogs(questions) && pages-- > 0 ? { status: 502, text: PAGE } : undefined,
      });
      const port = over(url, on.rpcUrl);
      for (let times = 0; times < 3; times++)
        expect((await port.listGatewayLogs(many)).payments).to.have.length(1);
      expect(sizesOf(requests)).to.deep.equal([2_000, 2_000, 2_000]);
      expect(port.getLogLimit()).to.equal(undefined);
    });

    it('asks for as many as before when a single block was refused as well', async () => {
      let isBad = true;
      const { url, requests } = await startNode(() => undefined, {
        inPlace: (questions) =>
          isForLogs(questions) && isBad ? refusal(questions, 'too many blocks') : undefined,
      });
      const port = over(url, on.rpcUrl);
      expect((await port.listGatewayLogs(many)).payments).to.have.length(1);
      expect(sizesOf(requests).at(-1)).to.equal(1);
      isBad = false;
      requests.length = 0;
      expect((await port.listGatewayLogs(many)).payments).to.have.length(1);
      expect(sizesOf(requests)).to.deep.equal([2_000]);
    });

    it('asks a URL that takes too long for less the next time', async function () {
      this.timeout(40_000);
      let isSlow = true;
      const { url, requests } = await startNode(async ({ method }) => {
        if (method === 'eth_getLogs' && isSlow)
          await new Promise((resolve) => setTimeout(resolve, 6_000));
      });
      const port = over(url);
      expect((await rejection(port.listGatewayLogs(many))).code).to.equal('PAY_020');
      expect(sizesOf(requests)).to.deep.equal([2_000, 1_000]);
      isSlow = false;
      requests.length = 0;
      expect((await port.listGatewayLogs(many)).payments).to.have.length(1);
      expect(sizesOf(requests)).to.deep.equal([500, 500, 500, 500]);
    });

    it('asks for as many new blocks as before when old ones were refused, and for no more old ones than new', async () => {
      let most = 100;
      const { url, requests } = await startNode(() => undefined, {
        inPlace: (questions) =>
          Number(sizesOf([questions])[0] ?? 0) > most
            ? refusal(questions, 'block range too large')
            : undefined,
      });
      const port = over(url);
      const sizesOfRead = async (again: boolean) => {
        requests.length = 0;
        expect((await port.listGatewayLogs({ ...many, again })).payments).to.have.length(1);
        return sizesOf(requests);
      };
      expect((await sizesOfRead(true)).at(-2)).to.equal(62);
      expect(port.getLogLimit()).to.equal(undefined);
      most = 2_000;
      expect(await sizesOfRead(false)).to.deep.equal([2_000]);
      most = 50;
      expect((await sizesOfRead(false)).at(-2)).to.equal(31);
      expect((await sizesOfRead(true))[0]).to.equal(31);
    });

    it('goes on where it failed', async () => {
      const MOST = 100;
      let failsAfter = 10;
      const { url, requests } = await startNode(() => undefined, {
        inPlace: (questions) => {
          if (!isForLogs(questions)) return undefined;
          if ((sizesOf([questions])[0] ?? 0) > MOST)
            return refusal(questions, 'block range too large');
          return failsAfter-- === 0 ? { status: 429, text: 'slow down' } : undefined;
        },
      });
      const port = over(url);
      const found = await port.listGatewayLogs(many);
      expect(found.payments).to.have.length(1);
      expect(found.last).to.deep.equal(await on.port.findBlock(many.toBlock));
      // 2,000, 1,000, 500, 250, 125: refused. Then parts of 62, one of them asked for twice.
      expect(sizesOf(requests)).to.have.length(5 + Math.ceil(2_000 / 62) + 1);
      expect(port.getLogLimit()).to.equal(62n);
    });

    it('begins anew when the last block that it had is another one by then', async () => {
      let failsAfter = 1;
      let isOther = false;
      const { url, requests } = await startNode(
        ({ method, params }, answer) => {
          const block = answer.result as { hash: Hex } | null;
          const isMiddle =
            method === 'eth_getBlockByNumber' &&
            params[0] === `0x${(many.fromBlock + 999n).toString(16)}`;
          if (isMiddle && isOther && block !== null) block.hash = FOREIGN;
        },
        {
          inPlace: (questions) => {
            if (!isForLogs(questions)) return undefined;
            if ((sizesOf([questions])[0] ?? 0) > 1_000)
              return refusal(questions, 'block range too large');
            if (failsAfter-- !== 0) return undefined;
            isOther = true;
            return { status: 429, text: 'slow down' };
          },
        },
      );
      await over(url).listGatewayLogs(many);
      expect(sizesOf(requests)).to.deep.equal([2_000, 1_000, 1_000, 1_000, 1_000]);
    });
  });

  it('decodes no log that it decoded a moment ago', async () => {
    const { url, requests } = await startNode(() => undefined);
    const port = over(url);
    const [first] = (await port.listGatewayLogs(range)).payments;
    const [second] = (await port.listGatewayLogs({ ...range, fromBlock: range.fromBlock - 1n }))
      .payments;
    expect(sizesOf(requests)).to.have.length(2);
    // Not one that is like it, which would have been made of the answer: the very same.
    expect(second).to.equal(first);
  });

  it('tells what a node says of the same place now, not what it said before', async () => {
    const other: Hex = `0x${'00'.repeat(12)}${'11'.repeat(20)}${'7'.padStart(64, '0')}`;
    let isOther = false;
    const { url } = await startNode(({ method }, answer) => {
      if (method === 'eth_getLogs' && isOther) for (const log of logsOf(answer)) log.data = other;
    });
    const port = over(url);
    const [first] = (await port.listGatewayLogs(range)).payments;
    expect((await port.listGatewayLogs(range)).payments[0]).to.deep.equal(first);
    isOther = true;
    expect((await port.listGatewayLogs(range)).payments[0]).to.deep.include({
      amount: 7n,
      blockHash: first?.blockHash,
    });
  });
});
