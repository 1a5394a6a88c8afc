import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect } from 'chai';

import { runCommand } from '../../dev/childProcess.ts';
import type { components } from '../../api/generated/openapi.ts';
import { checkRelayers } from '../../domain/relayers/checkRelayers.ts';
import { QUEUE_NAMES } from '../../platform/queues.ts';
import { createHarness, type Harness } from '../support/harness.ts';
import { createServerProcess } from '../support/serverProcess.ts';
import { programArguments } from '../support/programArguments.ts';
import { waitUntil } from '../support/waitUntil.ts';
import { readRelayerLoads } from '../../domain/relay/readRelayerLoads.ts';

describe('the workers’ process', function () {
  this.timeout(60_000);

  let harness: Harness;
  before(async function () {
    this.timeout(120_000);
    harness = await createHarness();
  });
  after(() => harness.close());

  const run = (args: readonly string[], env: NodeJS.ProcessEnv) =>
    runCommand(process.execPath, [...programArguments('workers/main.ts'), ...args], {
      env,
      timeoutMs: 30_000,
    });

  it('refuses queues that there are not, and names those that there are', async () => {
    const { code, output } = await run(['--queues', 'relay,nonsense'], harness.environment());
    expect(code).to.equal(1);
    expect(output).to.include('unknown queues: nonsense');
    for (const name of QUEUE_NAMES) expect(output).to.include(name);
  });

  it('refuses a configuration that is wrong, naming the variable and not its value', async () => {
    const { code, output } = await run(
      [],
      harness.environment({ MSQPAY_OUTBOX_REDRIVE_MS: 'not-a-number' }),
    );
    expect(code).to.equal(1);
    expect(output).to.include('MSQPAY_OUTBOX_REDRIVE_MS');
    expect(output).not.to.include('not-a-number');
    expect(output).not.to.include('    at ');
  });

  /** The environment without what only some of the workers need. */
  function withoutKeys(): NodeJS.ProcessEnv {
    const keys = Object.keys(harness.stack.relayerKeys);
    return Object.fromEntries(
      Object.entries(harness.environment()).filter(([name]) => !keys.includes(name)),
    );
  }

  it('refuses to talk to relayers without their keys, naming the variable', async () => {
    for (const args of [[], ['--queues', 'webhook,maintenance']]) {
      const { code, output } = await run(args, withoutKeys());
      expect(code, args.join(' ')).to.equal(1);
      expect(output).to.include('DEFENDER_API_URL');
      expect(output).not.to.include('    at ');
    }
  });

  it('needs no keys for queues that have nothing to do with relayers', async () => {
    const child = spawn(
      process.execPath,
      [...programArguments('workers/main.ts'), '--queues', 'webhook,chain-scan'],
      {
        env: withoutKeys(),
        stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      },
    );
    const ended = once(child, 'exit');
    const [first] = (await Promise.race([once(child, 'message'), ended])) as unknown[];
    child.kill('SIGTERM');
    await ended;
    expect(first).to.include({ ready: true });
  });

  it('is the only one that needs them: the API runs without, and tells how the relayers are as the workers found them', async () => {
    await checkRelayers(harness.ctx, readRelayerLoads);
    const api = await createServerProcess(harness, 'api');
    try {
      await api.start();
      const readReadiness = async () =>
        (await (await fetch(`${api.url}/readyz`)).json()) as components['schemas']['Readiness'];
      // It answers as soon as it listens; its connection to Redis may take a moment longer.
      await waitUntil(async () => (await readReadiness()).status === 'ready', {
        what: 'readiness',
      });
    } finally {
      await api.close();
    }
  });

  it('takes no further job once it stops, also while somebody is being told of its health', async () => {
    const child = spawn(
      process.execPath,
      [...programArguments('workers/main.ts'), '--queues', 'webhook'],
      {
        env: harness.environment(),
        stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      },
    );
    const ended = once(child, 'exit');
    try {
      const [{ url }] = (await once(child, 'message')) as [{ url: string }];
      const countWorkers = async () => (await harness.queues.get('webhook').getWorkers()).length;
      await waitUntil(async () => (await countWorkers()) > 0, { what: 'the worker to listen' });
      // A request whose end does not come: the process gives it a second.
      const asking = connect(Number(new URL(url).port), '127.0.0.1');
      asking.on('error', () => undefined);
      let isAsking = true;
      asking.once('close', () => (isAsking = false));
      await new Promise<void>((resolve) =>
        asking.write('GET /healthz HTTP/1.1\r\nHost: any\r\n', () => resolve()),
      );
      // What it has read of that by then is a request that has begun.
      await fetch(`${url}/healthz`);
      child.kill('SIGTERM');
      let listening: number;
      do listening = await countWorkers();
      while (listening > 0 && isAsking);
      expect([listening, isAsking]).to.deep.equal([0, true]);
    } finally {
      child.kill('SIGTERM');
      await ended;
    }
  });
});
