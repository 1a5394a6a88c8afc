import { expect } from 'chai';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPublicClient, http } from 'viem';
import { startChain, type Chain } from '../../dev/chain.ts';

describe('The development chain', () => {
  let folder: string;
  const running: Chain[] = [];
  const start = async (options: Parameters<typeof startChain>[0]) => {
    const chain = await startChain(options);
    running.push(chain);
    return chain;
  };
  const ask = (chain: Chain) => createPublicClient({ transport: http(chain.rpcUrl), cacheTime: 0 });
  const isAlive = (pid: number) => {
    try {
      process.kill(pid, 0);
      return true;
    } catch {
      return false;
    }
  };
  const sendEther = (chain: Chain) =>
    fetch(chain.rpcUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'eth_sendTransaction',
        params: [
          {
            from: '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266',
            to: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
            value: '0x1',
          },
        ],
      }),
    });

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'chain-test-'));
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((chain) => chain.close()));
    rmSync(folder, { recursive: true, force: true });
  });

  it('answers with the chain id asked for, and is gone after close', async () => {
    const chain = await start({ chainId: 4242 });
    expect(await ask(chain).getChainId()).to.equal(4242);
    expect(isAlive(chain.pid)).to.equal(true);
    await chain.close();
    expect(isAlive(chain.pid)).to.equal(false);
    await chain.close();
  });

  it('does not take another chain on its port for its own', async () => {
    const first = await start({});
    const problem = await start({ port: first.port }).then(
      () => undefined,
      (error: unknown) => String(error),
    );
    expect(problem).to.match(/Address already in use/);
  });

  it('says what anvil said when it cannot start', async () => {
    const problem = await start({ blockTimeSeconds: -1 }).then(
      () => undefined,
      (error: unknown) => String(error),
    );
    expect(problem).to.match(/unexpected argument '-1'/);
  });

  it('mines on time with a block time below a second, and not ahead of the clock', async () => {
    const startedAt = performance.now();
    const chain = await start({ blockTimeSeconds: 0.2 });
    while ((await ask(chain).getBlockNumber()) < 8n);
    const blocks = await Promise.all(
      Array.from({ length: 9 }, (_, number) =>
        ask(chain).getBlock({ blockNumber: BigInt(number) }),
      ),
    );
    const times = blocks.map(({ timestamp }) => Number(timestamp));
    expect(new Set(times).size, 'several in one second').to.be.below(times.length);
    const head = await ask(chain).getBlock();
    expect(Number(head.number), 'no more than there was time for').to.be.at.most(
      (performance.now() - startedAt) / 200 + 1,
    );
    expect(Number(head.timestamp)).to.be.at.most(Date.now() / 1000);
  });

  it('goes on where it stopped when it keeps its state', async () => {
    const statePath = join(folder, 'state', 'chain.json');
    const first = await start({ statePath });
    await sendEther(first);
    while ((await ask(first).getBlockNumber()) < 1n);
    await first.close();
    const second = await start({ statePath });
    expect(await ask(second).getBlockNumber()).to.equal(1n);
    expect(
      await ask(second).getBalance({ address: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8' }),
    ).to.equal(10n ** 22n + 1n);
  });

  it('goes back to the last good state when the file was cut short', async () => {
    const statePath = join(folder, 'chain.json');
    const first = await start({ statePath });
    await sendEther(first);
    while ((await ask(first).getBlockNumber()) < 1n);
    await first.close();
    await (await start({ statePath })).close();
    writeFileSync(statePath, readFileSync(statePath, 'utf8').slice(0, 100));
    const restored = await start({ statePath });
    expect(await ask(restored).getBlockNumber()).to.equal(1n);
  });

  it('refuses a damaged state rather than start anew silently', async () => {
    const statePath = join(folder, 'chain.json');
    writeFileSync(statePath, '{');
    const problem = await start({ statePath }).then(
      () => undefined,
      (error: unknown) => String(error),
    );
    expect(problem).to.match(/is damaged/);
    expect(existsSync(statePath)).to.equal(true);
  });
});
