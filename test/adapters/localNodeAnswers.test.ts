import { expect } from 'chai';
import { pino } from 'pino';
import { keccak256, parseGwei, toHex, type Hex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';

import { createRpcClients } from '../../adapters/chain/createRpcClients.ts';
import {
  createLocalMinimum,
  type LocalMinimum,
} from '../../adapters/relayers/local/localMinimum.ts';
import { createLocalNode, type LocalNode } from '../../adapters/relayers/local/localNode.ts';
import type { AppError } from '../../shared/errors.ts';
import {
  damage,
  DAMAGES,
  startDamagedNode,
  type Answer,
  type Damage,
  type DamagedNode,
  type Question,
} from './damagedNode.ts';
import { startLocalFixture, TARGET, type LocalFixture } from './localFixture.ts';

/** What others offer in each block, so that there is something to learn. */
const TIP = parseGwei('3');

interface Asked {
  readonly node: LocalNode;
  readonly minimum: LocalMinimum;
}

/** One field of the answers to one method, and a question of the relayer that needs it. */
interface Field {
  readonly method: string;
  /** Where in the answer; none: the answer itself. */
  readonly path: readonly (string | number)[];
  readonly kind: keyof typeof DAMAGES;
  readonly ask: (asked: Asked) => Promise<unknown>;
  /** What comes of it when there is no other URL; absent: the chain counts as away. */
  readonly alone?: unknown;
  /** These are no damage there: they say something. */
  readonly saysSomething?: readonly Damage[];
}

describe('a node’s answer that is none, to a key of our own as a relayer', function () {
  this.timeout(60_000);

  let on: LocalFixture;
  let node: DamagedNode;
  let chainId: number;
  let raw: Hex;
  const log = pino({ level: 'silent' });

  before(async () => {
    on = await startLocalFixture();
    chainId = await on.client.getChainId();
    const { privateKey, address } = on;
    raw = await privateKeyToAccount(privateKey).signTransaction({
      ...{ chainId, to: TARGET, value: 1n, nonce: 0, gas: 30_000n },
      ...{ maxFeePerGas: parseGwei('100'), maxPriorityFeePerGas: TIP },
    });
    const request = <T>(method: string, params: readonly unknown[]) =>
      on.client.request<{ Method: string; ReturnType: T; Parameters: readonly unknown[] }>({
        method,
        params,
      });
    const [other] = await request<Hex[]>('eth_accounts', []);
    expect(other?.toLowerCase()).to.not.equal(address.toLowerCase());
    for (let blocks = 0; blocks < 3; blocks++) {
      const transaction = {
        from: other,
        to: TARGET,
        value: '0x1',
        maxFeePerGas: toHex(parseGwei('100')),
        maxPriorityFeePerGas: toHex(TIP),
      };
      await request('eth_sendTransaction', [transaction]);
      await on.mine();
    }
    node = await startDamagedNode(on.rpc.url);
  });
  after(async () => {
    node.close();
    await on.close();
  });

  function over(...rpcUrls: string[]): Asked {
    const minimum = createLocalMinimum({ configured: undefined, most: undefined, now: () => 0 });
    const rpc = createRpcClients({ rpcUrls, chainId, blockTimeMs: 1_000, log });
    return { node: createLocalNode(rpc, { address: on.address }, minimum), minimum };
  }

  const CHEAP = { baseFeePerGas: 1n, maxFeePerGas: 2n, maxPriorityFeePerGas: 1n, suggested: 2n };
  const learnTip = async ({ node: asked, minimum }: Asked) => {
    await asked.learnPaidTip();
    return minimum.lift(CHEAP).maxPriorityFeePerGas;
  };
  const readAccount = ({ node: asked }: Asked) => asked.readAccount();
  const look = ({ node: asked }: Asked) => asked.look([]);
  const readFees = ({ node: asked }: Asked) => asked.readFees();
  const broadcast = ({ node: asked }: Asked) => asked.broadcast(raw);
  /** Well formed, and not what was asked about. */
  const OTHER_HASH = keccak256('0x00');

  const FIELDS: readonly Field[] = [
    ...[readAccount, look].map((ask): Field => ({
      method: 'eth_getTransactionCount',
      path: [],
      kind: 'number',
      ask,
    })),
    { method: 'eth_getBalance', path: [], kind: 'amount', ask: readAccount },
    ...[readAccount, readFees].map((ask): Field => ({
      method: 'eth_getBlockByNumber',
      path: ['baseFeePerGas'],
      kind: 'number',
      ask,
      // The chain has no EIP-1559.
      saysSomething: [null, undefined],
    })),
    {
      method: 'eth_estimateGas',
      path: [],
      kind: 'number',
      ask: ({ node: asked }) => asked.estimateNoopGas(),
    },
    {
      method: 'eth_feeHistory',
      path: [],
      kind: 'list',
      ask: learnTip,
      alone: CHEAP.maxPriorityFeePerGas,
    },
    {
      method: 'eth_feeHistory',
      path: ['oldestBlock'],
      kind: 'number',
      ask: learnTip,
      alone: CHEAP.maxPriorityFeePerGas,
    },
    {
      ...{
        method: 'eth_feeHistory',
        path: ['reward'],
        kind: 'list',
        ask: learnTip,
        alone: CHEAP.maxPriorityFeePerGas,
      },
      // The node tells what was used, and not what was paid.
      saysSomething: [null, undefined],
    },
    {
      method: 'eth_feeHistory',
      path: ['reward', 1],
      kind: 'list',
      ask: learnTip,
      alone: CHEAP.maxPriorityFeePerGas,
    },
    {
      method: 'eth_feeHistory',
      path: ['reward', 1, 0],
      kind: 'number',
      ask: learnTip,
      alone: CHEAP.maxPriorityFeePerGas,
    },
    {
      method: 'eth_feeHistory',
      path: ['gasUsedRatio'],
      kind: 'list',
      ask: learnTip,
      alone: CHEAP.maxPriorityFeePerGas,
    },
    {
      method: 'eth_sendRawTransaction',
      path: [],
      kind: 'hash',
      ask: broadcast,
      alone: { kind: 'noAnswer' },
    },
  ];

  async function expectBothWays(
    { method, path, ask, alone }: Field,
    honest: unknown,
    by: Damage,
  ): Promise<void> {
    const what = by === undefined ? 'absent' : JSON.stringify(by);
    let damaged = 0;
    const answer = (question: Question, given: Answer) => {
      if (question.method !== method) return;
      // Sent before: the node has it, and says so.
      delete given.error;
      damage(given, path, by);
      damaged++;
    };
    expect(
      await ask(over(node.urlWith({ answer }), on.rpc.url)),
      `${what}: the next URL`,
    ).to.deep.equal(honest);
    expect(damaged, what).to.be.greaterThan(0);
    const told = await ask(over(node.urlWith({ answer }))).catch(
      (error: unknown) => (error as AppError).code,
    );
    expect(told, `${what}: nothing is told`).to.deep.equal(alone ?? 'PAY_020');
  }

  for (const field of FIELDS) {
    const { method, path, kind, ask, saysSomething = [] } = field;
    it(`is the fault of its node: ${[method, ...path].join('.')} (${kind}), for ${ask.name || 'the gas of a no-op'}`, async () => {
      const honest = await ask(over(on.rpc.url));
      if (ask === learnTip) expect(honest).to.equal(TIP);
      const damages = DAMAGES[kind].filter((by: Damage) => !saysSomething.includes(by));
      await Promise.all(damages.map((by: Damage) => expectBothWays(field, honest, by)));
    });
  }

  it('is the fault of its node: the hash of another transaction than was sent', async () => {
    const field: Field = {
      method: 'eth_sendRawTransaction',
      path: [],
      kind: 'hash',
      ask: broadcast,
      alone: { kind: 'noAnswer' },
    };
    await expectBothWays(field, { kind: 'taken' }, OTHER_HASH);
  });

  it('leaves the tip at what the gas costs above the base fee where the node’s suggestion cannot be read', async () => {
    const honest = await readFees(over(on.rpc.url));
    for (const by of DAMAGES.number) {
      const answer = (question: Question, given: Answer) => {
        if (question.method === 'eth_gasPrice') given.result = toHex(honest.baseFeePerGas + 7n);
        if (question.method === 'eth_maxPriorityFeePerGas') damage(given, [], by);
      };
      const fees = await readFees(over(node.urlWith({ answer })));
      expect(fees.maxPriorityFeePerGas, JSON.stringify(by)).to.equal(7n);
    }
  });
});
