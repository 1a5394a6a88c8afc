import { expect } from 'chai';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { generatePrivateKey, privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts';

import type { ChainPort } from '../../domain/chain/ports.ts';
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

    /** A node between us and the chain that answers as it is told, or passes on what `answer` leaves undefined. */
    async function startNode(answer: (method: string) => { status?: number; body: object } | undefined): Promise<string> {
      const server = createServer((request, response) => {
        const chunks: Buffer[] = [];
        request.on('data', (chunk: Buffer) => chunks.push(chunk));
        request.on('end', () => {
          const body = Buffer.concat(chunks).toString();
          const { id, method } = JSON.parse(body) as { id: number; method: string };
          const own = answer(method);
          void (async () => {
            const passedOn = own
              ? undefined
              : await fetch(on.rpcUrl, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
            response.writeHead(own?.status ?? 200, { 'content-type': 'application/json', 'retry-after': '3600' });
            response.end(own ? JSON.stringify({ jsonrpc: '2.0', id, ...own.body }) : await passedOn?.text());
          })();
        });
      });
      servers.push(server);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    }

    const over = (...rpcUrls: string[]): ChainPort => on.createPort(rpcUrls);

    it('asks the next one when the first is dead, limited or confused', async () => {
      const limited = await startNode(() => ({ status: 429, body: { error: { code: -32005, message: 'limit exceeded' } } }));
      const confused = await startNode(() => ({ body: { error: { code: -32603, message: 'internal error' } } }));
      const several = over(DEAD, limited, confused, on.rpcUrl);
      const head = await several.getHead();
      expect(head.number).to.satisfy((number: bigint) => number > 0n);
      expect(await several.listPaymentLogs({ fromBlock: 0n, toBlock: head.number })).to.deep.equal(
        await on.port.listPaymentLogs({ fromBlock: 0n, toBlock: head.number }),
      );
      expect(await several.findRefusal({ terms: on.makeTerms(), payer: payer.address, permit: null })).to.deep.include({
        kind: 'insufficientBalance',
      });
    });

    it('is unavailable when none answers, soon and without the URL', async () => {
      const limited = await startNode(() => ({ status: 429, body: { error: { code: -32005, message: 'limit exceeded' } } }));
      const startedAt = Date.now();
      const { address } = payer;
      const terms = on.makeTerms();
      const dead = over(DEAD, limited, DEAD);
      for (const question of [
        () => dead.getHead(),
        () => dead.findBlock(1n),
        () => dead.listPaymentLogs({ fromBlock: 0n, toBlock: 1n }),
        () => dead.findReceipt(`0x${'12'.repeat(32)}`),
        () => dead.findPayer(`0x${'12'.repeat(32)}`),
        () => dead.getAllowance(on.token, address),
        () => dead.getForwarderNonce(address),
        () => dead.buildPermitTypedData({ token: on.token, owner: address, value: 1n, deadline: 1 }),
        () => dead.findRefusal({ terms, payer: address, permit: null }),
      ]) {
        const error = await rejection(question());
        expect(error.code).to.equal('PAY_020');
        const cause = error.cause as Error;
        expect(cause.message).not.to.equal('');
        for (const text of [error.message, String(error.detail), JSON.stringify(error.internal), cause.message, String(cause.stack)]) {
          expect(text).not.to.match(/KEY-OF-THE-PROVIDER|SECRET/);
        }
      }
      expect(Date.now() - startedAt).to.be.below(5_000);
    });

    it('does not take the silence of a node that is behind for the absence of payments', async () => {
      const terms = on.makeTerms();
      await on.mint(payer.address, terms.amount);
      await on.approve(payer, terms.amount);
      await on.pay(payer, terms);
      const { number } = await on.port.getHead();
      const behind = await startNode((method) =>
        method === 'eth_getLogs' ? { body: { result: [] } } : method === 'eth_getBlockByNumber' ? { body: { result: null } } : undefined,
      );
      expect(await over(behind, on.rpcUrl).listPaymentLogs({ fromBlock: number, toBlock: number })).to.have.length(1);
      expect((await rejection(over(behind).listPaymentLogs({ fromBlock: number, toBlock: number }))).code).to.equal('PAY_020');
    });
  });
});
