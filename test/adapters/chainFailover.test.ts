import { expect } from 'chai';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toHex } from 'viem';
import { generatePrivateKey, privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts';

import { RPC_TIMEOUT_MS } from '../../adapters/chain/createRpcClients.ts';
import type { ChainPort } from '../../domain/chain/ports.ts';
import type { Hex } from '../../shared/hex.ts';
import { waitUntil } from '../support/waitUntil.ts';
import { rejection, startChainFixture, type ChainFixture } from './chainFixture.ts';

describe('the chain adapter', () => {
  let on: ChainFixture;
  let payer: PrivateKeyAccount;

  before(async () => {
    on = await startChainFixture();
  });
  beforeEach(() => {
    payer = privateKeyToAccount(generatePrivateKey());
  });
  after(() => on.close());

  describe('with several RPC URLs', () => {
    const servers: Server[] = [];
    const DEAD = 'http://127.0.0.1:9/v2/KEY-OF-THE-PROVIDER?token=SECRET';

    after(() => {
      for (const server of servers) server.close();
    });

    interface Question {
      readonly id: number;
      readonly method: string;
      readonly params?: readonly unknown[];
    }

    /**
     * A node between us and the chain that answers as it is told, or passes on what `answer` leaves
     * undefined.
     */
    async function startNode(
      answer: (
        method: string,
        params: readonly unknown[],
      ) => { status?: number; body: object } | undefined,
    ): Promise<string> {
      const server = createServer((request, response) => {
        const chunks: Buffer[] = [];
        request.on('data', (chunk: Buffer) => chunks.push(chunk));
        request.on('end', () => {
          const body = Buffer.concat(chunks).toString();
          const asked = JSON.parse(body) as Question | Question[];
          const answerOne = async ({ id, method, params = [] }: Question) => {
            const own = answer(method, params);
            if (own !== undefined)
              return { status: own.status ?? 200, body: { jsonrpc: '2.0', id, ...own.body } };
            const question = JSON.stringify({ jsonrpc: '2.0', id, method, params });
            const passedOn = await fetch(on.rpcUrl, {
              method: 'POST',
              headers: { 'content-type': 'application/json' },
              body: question,
            });
            return { status: 200, body: (await passedOn.json()) as object };
          };
          void (async () => {
            const answers = await Promise.all([asked].flat().map(answerOne));
            // Of several questions in one request, each has an answer of its own; only what has no
            // words concerns the request as a whole.
            const refused = answers.find(
              ({ status, body: own }) => status >= 400 && !(Array.isArray(asked) && 'error' in own),
            );
            response.writeHead(refused?.status ?? 200, {
              'content-type': 'application/json',
              'retry-after': '3600',
            });
            response.end(
              JSON.stringify(
                Array.isArray(asked) && refused === undefined
                  ? answers.map((one) => one.body)
                  : (refused ?? answers[0])?.body,
              ),
            );
          })();
        });
      });
      servers.push(server);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    }

    const over = (...rpcUrls: string[]): ChainPort => on.createPort(rpcUrls);

    it('asks the next one when the first is dead, limited or confused', async () => {
      const limited = await startNode(() => ({
        status: 429,
        body: { error: { code: -32005, message: 'limit exceeded' } },
      }));
      const confused = await startNode(() => ({
        body: { error: { code: -32603, message: 'internal error' } },
      }));
      const several = over(DEAD, limited, confused, on.rpcUrl);
      const head = await several.getHead();
      expect(head.number).to.satisfy((number: bigint) => number > 0n);
      expect(
        (await several.listGatewayLogs({ fromBlock: 0n, toBlock: head.number })).payments,
      ).to.deep.equal(
        (await on.port.listGatewayLogs({ fromBlock: 0n, toBlock: head.number })).payments,
      );
      expect(
        await several.findRefusal({ terms: on.makeTerms(), payer: payer.address, permit: null }),
      ).to.deep.include({
        kind: 'insufficientBalance',
      });
    });

    it('is unavailable when none answers, soon and without the URL', async () => {
      const limited = await startNode(() => ({
        status: 429,
        body: { error: { code: -32005, message: 'limit exceeded' } },
      }));
      const startedAt = Date.now();
      const { address } = payer;
      const terms = on.makeTerms();
      const dead = over(DEAD, limited, DEAD);
      for (const question of [
        () => dead.getHead(),
        () => dead.findBlock(1n),
        () => dead.listGatewayLogs({ fromBlock: 0n, toBlock: 1n }),
        () => dead.findReceipt(`0x${'12'.repeat(32)}`),
        () => dead.findPayer(`0x${'12'.repeat(32)}`),
        () => dead.getAllowance(on.token, address),
        () => dead.getForwarderNonce(address),
        () =>
          dead.buildPermitTypedData({ token: on.token, owner: address, value: 1n, deadline: 1 }),
        () => dead.findRefusal({ terms, payer: address, permit: null }),
      ]) {
        const error = await rejection(question());
        expect(error.code).to.equal('PAY_020');
        const cause = error.cause as Error;
        expect(cause.message).not.to.equal('');
        for (const text of [
          error.message,
          String(error.detail),
          JSON.stringify(error.internal),
          cause.message,
          String(cause.stack),
        ]) {
          expect(text).not.to.match(/KEY-OF-THE-PROVIDER|SECRET/);
        }
      }
      expect(Date.now() - startedAt).to.be.below(5_000);
    });

    it('asks the next one when the body of an answer has no end', async () => {
      const urls: string[] = [];
      for (const isDripping of [false, true]) {
        const server = createServer((_request, response) => {
          response.writeHead(200, { 'content-type': 'application/json' }).write('{');
          if (!isDripping) return;
          const timer = setInterval(() => response.write(' '), 100);
          response.on('close', () => clearInterval(timer));
        });
        servers.push(server);
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
        urls.push(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
      }
      const startedAt = performance.now();
      expect((await over(...urls, on.rpcUrl).getHead()).number).to.satisfy(
        (number: bigint) => number > 0n,
      );
      expect(performance.now() - startedAt).to.be.below(urls.length * RPC_TIMEOUT_MS * 2);
    }).timeout(30_000);

    it('does not take the silence of a node that is behind for the absence of payments', async () => {
      const terms = on.makeTerms();
      await on.mint(payer.address, terms.amount);
      await on.approve(payer, terms.amount);
      await on.pay(payer, terms);
      const { number } = await on.port.getHead();
      const behind = await startNode((method) =>
        method === 'eth_getLogs'
          ? { body: { result: [] } }
          : method === 'eth_getBlockByNumber'
            ? { body: { result: null } }
            : undefined,
      );
      expect(
        (await over(behind, on.rpcUrl).listGatewayLogs({ fromBlock: number, toBlock: number }))
          .payments,
      ).to.have.length(1);
      expect(
        (await rejection(over(behind).listGatewayLogs({ fromBlock: number, toBlock: number })))
          .code,
      ).to.equal('PAY_020');
    });

    it('leaves a URL whose head stands still for the next one, and comes back to it when it has caught up', async function () {
      this.timeout(30_000);
      const { number: start, hash, timestamp } = await on.port.getHead();
      // It has been so for a while.
      const head = {
        number: toHex(start),
        hash,
        timestamp: toHex(timestamp.getTime() / 1000 - 20),
      };
      let isStuck = true;
      const asked: string[] = [];
      const stuck = await startNode((method, params) => {
        asked.push(method);
        if (!isStuck) return undefined;
        if (method === 'eth_getBlockByNumber' && params[0] === 'latest')
          return { body: { result: head } };
        const isHigher = method === 'eth_getBlockByNumber' && params[0] !== toHex(start);
        return isHigher ? { body: { result: null } } : undefined;
      });
      await mineBlocks(20);
      const both = over(stuck, on.rpcUrl);
      // The first call only causes the look.
      await both.findBlock(start);
      const isThere = async () =>
        (await both.getHead()).number === start + 20n ? true : undefined;
      await waitUntil(isThere, { what: 'the other URL' });
      const last = start + 20n;
      asked.length = 0;
      expect((await both.findBlock(last))?.number).to.equal(last);
      expect(
        (await both.listGatewayLogs({ fromBlock: last, toBlock: last })).payments,
      ).to.deep.equal([]);
      expect(asked).to.deep.equal([]);

      isStuck = false;
      await waitUntil(
        async () => {
          await both.findBlock(last);
          return asked.includes('eth_getBlockByNumber');
        },
        { what: 'the first URL' },
      );
    });

    it('asks a single URL for its chain, and then nothing but what it is asked itself, headers together with the id', async () => {
      const asked: string[] = [];
      const single = over(
        await startNode((method) => {
          asked.push(method);
          return undefined;
        }),
      );
      await single.getHead();
      await single.findBlock(0n);
      const pair = ['eth_chainId', 'eth_getBlockByNumber'];
      expect(asked).to.deep.equal(['eth_chainId', ...pair, ...pair]);
    });

    it('does not ask a URL of another chain, however long that chain is', async () => {
      let asked = 0;
      const foreign = await startNode((method) => {
        if (method === 'eth_chainId') return { body: { result: '0x1' } };
        if (method === 'eth_blockNumber') return { body: { result: '0xffffff' } };
        asked++;
        return { body: { result: null } };
      });
      const both = over(foreign, on.rpcUrl);
      await waitUntil(() => both.findBlock(0n), { what: 'an answer of the right chain' });
      asked = 0;
      await both.getHead();
      expect(asked).to.equal(0);
    });

    async function mineBlocks(count: number): Promise<void> {
      const body = JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'anvil_mine',
        params: [toHex(count)],
      });
      await fetch(on.rpcUrl, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
    }

    it('tells the newest final block, and says so clearly where the chain calls none final', async () => {
      const { number: head } = await on.port.getHead();
      await mineBlocks(70);
      // Anvil calls a block final that is two epochs of 32 blocks deep.
      expect(await on.port.getFinalizedNumber()).to.equal(head + 70n - 64n);
      for (const body of [
        { result: null },
        { error: { code: -39001, message: 'Unknown block' } },
        { error: { code: -32000, message: 'finalized block not found' } },
        { error: { code: -32602, message: 'invalid argument 0: hex string without 0x prefix' } },
      ]) {
        const error = await rejection(
          over(
            await startNode((method) => (method === 'eth_chainId' ? undefined : { body })),
          ).getFinalizedNumber(),
        );
        expect(error.code).to.equal('PAY_020');
        expect((error.cause as Error).message).to.match(
          /knows no finalized block: the confirmations of this chain have to be a number/,
        );
      }
      // A URL whose word for it is above its own head is on another chain, or wrong.
      const boastful = await startNode((method, params) =>
        method === 'eth_getBlockByNumber' && params[0] === 'finalized'
          ? {
              body: {
                result: {
                  number: toHex(head + 71n),
                  hash: `0x${'ab'.repeat(32)}`,
                  timestamp: '0x1',
                },
              },
            }
          : undefined,
      );
      expect((await rejection(over(boastful).getFinalizedNumber())).code).to.equal('PAY_020');
      const limited = await startNode(() => ({
        status: 429,
        body: { error: { code: -32005, message: 'limit exceeded' } },
      }));
      const error = await rejection(over(limited).getFinalizedNumber());
      expect((error.cause as Error).message).not.to.match(/finalized/);
    });

    describe('that refuse logs of many blocks at once', () => {
      /** A node that takes `most` blocks at once, and the sizes that it was asked for. */
      async function startRefusing(
        most: bigint,
        refusal: { status?: number; body: object },
      ): Promise<{ url: string; sizes: bigint[] }> {
        const sizes: bigint[] = [];
        const url = await startNode((method, params) => {
          if (method !== 'eth_getLogs') return undefined;
          const { fromBlock, toBlock } = params[0] as { fromBlock: Hex; toBlock: Hex };
          const size = BigInt(toBlock) - BigInt(fromBlock) + 1n;
          sizes.push(size);
          return size > most ? refusal : undefined;
        });
        return { url, sizes };
      }

      const refusal = (code: number, message: string, status = 200) => ({
        status,
        body: { error: { code, message } },
      });
      let range: { fromBlock: bigint; toBlock: bigint };

      before(async () => {
        await mineBlocks(64);
        const terms = on.makeTerms();
        const customer = privateKeyToAccount(generatePrivateKey());
        await on.mint(customer.address, terms.amount);
        await on.approve(customer, terms.amount);
        await on.pay(customer, terms);
        const { number } = await on.port.getHead();
        range = { fromBlock: number - 63n, toBlock: number };
        expect((await on.port.listGatewayLogs(range)).payments).to.have.length(1);
      });

      const REFUSALS: readonly (readonly [string, { status: number; body: object }])[] = [
        ['-32005 of any wording', refusal(-32005, 'limit exceeded')],
        ['too many results', refusal(-32000, 'query returned more than 10000 results')],
        ['too wide a range', refusal(-32602, 'block range is too wide')],
        [
          'a plan that allows few',
          refusal(
            -32600,
            'Under the Free tier plan, you can make eth_getLogs requests with up to a 10 block range.',
            400,
          ),
        ],
        ['a limit on the range', refusal(-32614, 'eth_getLogs is limited to a 10,000 range', 413)],
        [
          'too long an answer',
          refusal(
            -32602,
            'Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range',
          ),
        ],
        ['a maximum', refusal(-32000, 'exceed maximum block range: 5000')],
        ['a plain HTTP status', { status: 413, body: {} }],
      ];
      for (const [name, answer] of REFUSALS) {
        it(`halves what it asks for: ${name}`, async () => {
          const { url, sizes } = await startRefusing(16n, answer);
          const port = over(url);
          expect((await port.listGatewayLogs(range)).payments).to.deep.equal(
            (await on.port.listGatewayLogs(range)).payments,
          );
          expect(sizes).to.deep.equal([64n, 32n, 16n, 16n, 16n, 16n]);
          // And keeps that in mind.
          sizes.length = 0;
          (await port.listGatewayLogs(range)).payments;
          expect(sizes).to.deep.equal([16n, 16n, 16n, 16n]);
        });
      }

      it('goes down to single blocks, and no further', async () => {
        const single = await startRefusing(1n, refusal(-32000, 'block range too large'));
        const few = { fromBlock: range.toBlock - 2n, toBlock: range.toBlock };
        expect((await over(single.url).listGatewayLogs(few)).payments).to.have.length(1);
        expect(single.sizes).to.deep.equal([3n, 1n, 1n, 1n]);
        const none = await startRefusing(0n, refusal(-32000, 'block range too large'));
        expect((await rejection(over(none.url).listGatewayLogs(few))).code).to.equal('PAY_020');
        // The next URL is asked for the whole range: the limit is the first one's alone.
        const generous = await startRefusing(1_000n, refusal(-32000, 'never'));
        expect((await over(none.url, generous.url).listGatewayLogs(range)).payments).to.have.length(
          1,
        );
        expect(generous.sizes).to.deep.equal([64n]);
      });

      for (const [name, answer] of [
        [
          'a rate limit',
          refusal(-32005, 'daily request count exceeded, request rate limited', 429),
        ],
        [
          'a limit a second',
          refusal(429, 'Your app has exceeded its compute units per second capacity'),
        ],
        ['a lagging head', refusal(-32000, 'block range extends beyond current head block')],
        ['a defect', refusal(-32603, 'internal error')],
      ] as const) {
        it(`does not ask for less because of ${name}`, async () => {
          const { url, sizes } = await startRefusing(0n, answer);
          expect((await rejection(over(url).listGatewayLogs(range))).code).to.equal('PAY_020');
          expect(new Set(sizes)).to.deep.equal(new Set([64n]));
        });
      }
    });
  });
});
