import { expect } from 'chai';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toHex } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';

import { createChainIdGuard, OtherChainError } from '../../adapters/chain/createChainIdGuard.ts';
import { startChain, type Chain } from '../../dev/chain.ts';
import type { Logger } from '../../platform/logger.ts';
import type { ChainPort } from '../../domain/chain/ports.ts';
import { rejection, sign, startChainFixture, type ChainFixture } from './chainFixture.ts';

describe('the chain adapter, behind a URL of another chain', () => {
  let on: ChainFixture;
  let other: Chain;
  const servers: Server[] = [];

  before(async () => {
    on = await startChainFixture();
    other = await startChain({ chainId: 31_338 });
  });
  after(async () => {
    for (const server of servers) server.close();
    await other.close();
    await on.close();
  });

  /** One URL that leads to a node, or (undefined) nowhere, and notes what it is asked. */
  async function startUrl(target: string | undefined) {
    const line = { target, asked: [] as string[], url: '' };
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = Buffer.concat(chunks).toString();
        const asked = [JSON.parse(body) as { method: string } | { method: string }[]].flat();
        line.asked.push(...asked.map(({ method }) => method));
        if (line.target === undefined) {
          request.socket.destroy();
          return;
        }
        void fetch(line.target, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
        })
          .then((answer) => answer.text())
          .then((text) =>
            response.writeHead(200, { 'content-type': 'application/json' }).end(text),
          );
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    line.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return line;
  }

  async function mineBlocks(rpcUrl: string, count: number): Promise<void> {
    const body = JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'anvil_mine',
      params: [toHex(count)],
    });
    await fetch(rpcUrl, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  }

  const questions = [
    (port: ChainFixture['port']) => port.getHead(),
    (port: ChainFixture['port']) => port.findBlock(0n),
    (port: ChainFixture['port']) => port.listGatewayLogs({ fromBlock: 0n, toBlock: 0n }),
    async (port: ChainFixture['port']) => (await port.findPayers([`0x${'12'.repeat(32)}`])).payers,
    (port: ChainFixture['port']) => port.findReceipt(`0x${'12'.repeat(32)}`),
  ];

  it('asks it nothing but its chain’s id, also when it is the only one, and says why', async () => {
    for (const count of [1, 2]) {
      const lines = await Promise.all(Array.from({ length: count }, () => startUrl(other.rpcUrl)));
      const port = on.createPort(lines.map(({ url }) => url));
      for (const ask of questions) {
        const error = await rejection(ask(port));
        expect(error.code).to.equal('PAY_020');
        expect((error.cause as Error).message).to.match(
          /of another chain than 31337|is of chain 31338, not 31337/,
        );
      }
      for (const line of lines) expect(new Set(line.asked)).to.deep.equal(new Set(['eth_chainId']));
      expect(port.listOtherChainUrls()).to.deep.equal([...lines.keys()]);
    }
  });

  it('takes the answers of the next one, from the first question on', async () => {
    const wrong = await startUrl(other.rpcUrl);
    for (const ask of questions)
      expect(await ask(on.createPort([wrong.url, on.rpcUrl]))).to.deep.equal(await ask(on.port));
    expect(new Set(wrong.asked)).to.deep.equal(new Set(['eth_chainId']));
  });

  it('believes no header that comes without our chain’s id, though the URL was right a moment ago and never failed', async () => {
    const line = await startUrl(on.rpcUrl);
    await mineBlocks(on.rpcUrl, 70);
    await mineBlocks(other.rpcUrl, 500);
    const headers = [
      (port: ChainFixture['port']) => port.getHead(),
      (port: ChainFixture['port']) => port.findBlock(0n),
      (port: ChainFixture['port']) => port.getFinalizedNumber(),
    ];
    for (const ask of headers) {
      line.target = on.rpcUrl;
      const port = on.createPort([line.url]);
      const right = await ask(port);
      line.target = other.rpcUrl;
      const error = await rejection(ask(port));
      expect(error.code).to.equal('PAY_020');
      expect((error.cause as Error).message).to.contain('is of chain 31338, not 31337');
      line.target = on.rpcUrl;
      expect(await ask(on.createPort([line.url]))).to.deep.equal(right);
    }
  });

  it('nor that a request would fail, what its payer has approved, or what was paid and refunded: it takes the word of the next URL for it', async () => {
    const payer = privateKeyToAccount(generatePrivateKey());
    const terms = on.makeTerms();
    await on.mint(payer.address, terms.amount);
    await on.approve(payer, terms.amount);
    const request = await on.makeRequest(payer, terms);
    const signature = await sign(payer, on.port.buildForwardRequestTypedData(request));
    const item = on.toItem({ request, signature, terms });
    const line = await startUrl(on.rpcUrl);
    const questions: ((port: ChainPort) => Promise<unknown>)[] = [
      (port) => port.simulateRelay([item]),
      (port) => port.simulateRelay([item, item]),
      (port) => port.estimateRelayGas([item]),
      (port) => port.findRefusal({ terms, payer: payer.address, permit: null }),
      (port) => port.getForwarderNonce(payer.address),
      (port) => port.getAllowance(terms.token, payer.address),
      (port) => port.findPayer(on.port.paymentIdOf(terms)),
      async (port) => (await port.findPayers([on.port.paymentIdOf(terms)])).payers,
      (port) => port.isRefunded(on.port.paymentIdOf(terms), 0n),
      (port) => port.getRefundedAmount(on.port.paymentIdOf(terms)),
    ];
    for (const ask of questions) {
      line.target = on.rpcUrl;
      // Each its own: one that finds the URL on the other chain when it compares heads would not
      // ask it again.
      const port = on.createPort([line.url, on.rpcUrl]);
      // It is right now, and for the next minute nothing but an answer of its own says that it is
      // not.
      await port.getHead();
      const right = await ask(port);
      line.target = other.rpcUrl;
      line.asked.length = 0;
      expect(await ask(port)).to.deep.equal(right);
      expect(line.asked, 'it was asked first').to.not.deep.equal([]);
    }
  });

  it('asks for the id again when the URL comes back from an outage', async () => {
    const line = await startUrl(on.rpcUrl);
    const port = on.createPort([line.url]);
    expect((await port.getHead()).number).to.equal((await on.port.getHead()).number);
    await port.getHead();
    const pair = ['eth_chainId', 'eth_getBlockByNumber'];
    expect(line.asked).to.deep.equal(['eth_chainId', ...pair, ...pair]);
    line.target = undefined;
    await rejection(port.getHead());
    line.target = other.rpcUrl;
    line.asked.length = 0;
    await rejection(port.getHead());
    await rejection(port.listGatewayLogs({ fromBlock: 0n, toBlock: 0n }));
    expect(new Set(line.asked)).to.deep.equal(new Set(['eth_chainId']));
  });
});

describe('the guard of chain ids', () => {
  it('asks again every minute, a wrong URL every ten seconds, and tells each change once', async () => {
    let now = 0;
    let answer = 1;
    let asked = 0;
    const lines: string[] = [];
    const log = {
      info: () => lines.push('right'),
      error: () => lines.push('wrong'),
    } as unknown as Logger;
    const askChainId = () => {
      asked++;
      return Promise.resolve(answer);
    };
    const guard = createChainIdGuard({ chainId: 1, askChainId, log, now: () => now });
    const check = () =>
      guard.check(0).then(
        () => 'right',
        (error: unknown) => (error instanceof OtherChainError ? 'wrong' : 'failed'),
      );
    expect(guard.isOfOtherChain(0)).to.equal(undefined);
    expect(await Promise.all([check(), check(), check()])).to.deep.equal([
      'right',
      'right',
      'right',
    ]);
    expect(asked).to.equal(1);
    answer = 2;
    now = 59_999;
    expect(await check()).to.equal('right');
    now = 60_000;
    expect(await check()).to.equal('wrong');
    expect(await check()).to.equal('wrong');
    expect([asked, guard.isOfOtherChain(0)]).to.deep.equal([2, true]);
    answer = 1;
    // What fails says nothing about whose it is.
    guard.doubt(0);
    now = 69_999;
    expect(await check()).to.equal('wrong');
    now = 70_000;
    expect(await check()).to.equal('right');
    expect([asked, guard.isOfOtherChain(0)]).to.deep.equal([3, false]);
    guard.doubt(0);
    await check();
    expect(asked).to.equal(4);
    expect(lines).to.deep.equal(['wrong', 'right']);
  });
});
