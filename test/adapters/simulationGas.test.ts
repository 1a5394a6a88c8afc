import { expect } from 'chai';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseAbi, toHex } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';

import type { ChainPort } from '../../domain/chain/ports.ts';
import type { PaymentTerms, RelayItem } from '../../domain/chain/contractModel.ts';
import type { Address, Hex } from '../../shared/hex.ts';
import { sign, startChainFixture, type ChainFixture } from './chainFixture.ts';

/** More than any item may use: without allowing for it every request would be refused. */
const DATA_GAS = 2_000_000;
/** As contracts/src/test/HostileToken.sol numbers it. */
const BURN_GAS = 8;

interface Call {
  readonly method: string;
  readonly to: string | undefined;
  readonly gas: bigint | undefined;
}

interface Question {
  readonly id: number;
  readonly method: string;
  readonly params?: { to?: string; gas?: Hex }[];
}

describe('the gas of a simulation', () => {
  let on: ChainFixture;
  let terms: PaymentTerms;
  let item: RelayItem;
  let burningTerms: PaymentTerms;
  let burning: RelayItem;
  let burner: Address;
  const servers: Server[] = [];
  /** What the nodes below were asked to run. */
  const calls: Call[] = [];

  before(async () => {
    on = await startChainFixture();
    const payer = privateKeyToAccount(generatePrivateKey());
    terms = on.makeTerms();
    await on.mint(payer.address, terms.amount);
    await on.approve(payer, terms.amount);
    const request = await on.makeRequest(payer, terms);
    item = on.toItem({
      request,
      terms,
      signature: await sign(payer, on.port.buildForwardRequestTypedData(request)),
    });

    await on.mine(
      on.wallet.writeContract({
        abi: parseAbi(['function setMode(uint8 mode)']),
        address: on.hostileToken,
        functionName: 'setMode',
        args: [BURN_GAS],
        account: on.deployer,
      }),
    );
    const other = privateKeyToAccount(generatePrivateKey());
    burner = other.address;
    burningTerms = on.makeTerms({ token: on.hostileToken });
    const burningRequest = await on.makeRequest(other, burningTerms);
    const signature = await sign(other, on.port.buildForwardRequestTypedData(burningRequest));
    burning = on.toItem({ request: burningRequest, terms: burningTerms, signature });
  });
  beforeEach(() => {
    calls.length = 0;
  });
  after(async () => {
    for (const server of servers) server.close();
    await on.close();
  });

  /** A port to a node that takes `dataGas` of gas for each transaction's data, as Arbitrum's do. */
  async function connect(dataGas: bigint, dataGasPerRequest: number): Promise<ChainPort> {
    const answerTo = async (question: Question): Promise<object> => {
      const call = question.params?.[0] ?? {};
      const isRun = question.method === 'eth_call' || question.method === 'eth_estimateGas';
      const gas = call.gas === undefined ? undefined : BigInt(call.gas);
      if (isRun) calls.push({ method: question.method, to: call.to?.toLowerCase(), gas });
      if (isRun && gas !== undefined) {
        if (gas <= dataGas)
          return { error: { code: -32000, message: `gas required exceeds allowance (${gas})` } };
        call.gas = toHex(gas - dataGas);
      }
      const passed = await fetch(on.rpcUrl, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(question),
      });
      const answer = (await passed.json()) as { result?: Hex };
      if (question.method !== 'eth_estimateGas' || answer.result === undefined) return answer;
      return { result: toHex(BigInt(answer.result) + dataGas) };
    };
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const asked = JSON.parse(Buffer.concat(chunks).toString()) as Question | Question[];
        const answerOne = async (question: Question) => ({
          ...(await answerTo(question)),
          jsonrpc: '2.0',
          id: question.id,
        });
        void (Array.isArray(asked) ? Promise.all(asked.map(answerOne)) : answerOne(asked)).then(
          (answer) => {
            response.writeHead(200, { 'content-type': 'application/json' });
            response.end(JSON.stringify(answer));
          },
        );
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return on.createPort([`http://127.0.0.1:${(server.address() as AddressInfo).port}`], {
      dataGasPerRequest,
    });
  }

  it('allows for what a layer-2 chain takes for a request’s data, and gives the request gas for it', async () => {
    const plain = await (await connect(0n, 0)).estimateRelayGas([item]);
    const port = await connect(BigInt(DATA_GAS), DATA_GAS);
    const estimate = await port.estimateRelayGas([item]);
    if (plain.kind === 'refused' || estimate.kind === 'refused')
      throw new Error('an honest request was refused');
    expect(estimate.gasLimit >= plain.gasLimit + BigInt(DATA_GAS)).to.equal(true);
    expect(await port.simulateRelay([item])).to.deep.equal({
      kind: 'ran',
      outcomes: [{ succeeds: true, reason: '' }],
    });
    expect(
      await port.findRefusal({
        terms,
        payer: item.signed.rail === 'forwarder' ? item.signed.request.from : burner,
        permit: null,
      }),
    ).to.equal(undefined);
  });

  it('says what a request may take where that is not allowed for', async () => {
    const estimate = await (await connect(BigInt(DATA_GAS), 0)).estimateRelayGas([item]);
    expect(estimate.kind === 'refused' && estimate.reason).to.match(/it may take \d+ gas$/);
  });

  for (const [name, dataGas] of [
    ['an ordinary chain', 0],
    ['one that takes gas for data', DATA_GAS],
  ] as const) {
    it(`is limited on ${name}: what burns more is refused, by itself and beside others, and never run without a limit`, async () => {
      const port = await connect(BigInt(dataGas), dataGas);
      expect((await port.estimateRelayGas([burning])).kind).to.equal('refused');
      const alone = await port.simulateRelay([burning]);
      expect(alone.kind === 'ran' && alone.outcomes[0]?.succeeds).to.equal(false);
      expect(
        await port.findRefusal({ terms: burningTerms, payer: burner, permit: null }),
      ).to.not.equal(undefined);
      const together = await port.simulateRelay([item, burning]);
      expect(
        together.kind === 'ran' && together.outcomes.map(({ succeeds }) => succeeds),
      ).to.deep.equal([true, false]);

      expect(calls.length).to.be.greaterThan(4);
      expect(calls.filter(({ gas }) => gas === undefined)).to.deep.equal([]);
      const most = calls.reduce((top, { gas = 0n }) => (gas > top ? gas : top), 0n);
      expect(most < 1_200_000n + 3n * BigInt(dataGas), `${most}`).to.equal(true);
    });
  }
});
