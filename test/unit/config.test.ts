import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';

import { loadConfig } from '../../platform/config.ts';
import { ConfigError } from '../../platform/ConfigError.ts';
import { readRelayerKeys } from '../../platform/relayerKeys.ts';

const ADDRESS = '0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512';
const OTHER = '0x5FbDB2315678afecb367f032d93F642f64180aa3';

describe('the configuration', () => {
  const directory = mkdtempSync(join(tmpdir(), 'msqpay-config-'));
  const chainsFile = join(directory, 'chains.json');
  after(() => rmSync(directory, { recursive: true, force: true }));
  beforeEach(() => writeChains());

  const token = {
    address: ADDRESS,
    symbol: 'TUSD',
    decimals: 6,
    permit: { name: 'Test Dollar', version: '1' },
  };
  const relayer = {
    id: 'main',
    provider: 'defender',
    apiKeyVariable: 'DEFENDER_API_KEY',
    apiSecretVariable: 'DEFENDER_API_SECRET',
  };
  const chain = {
    chainId: 31337,
    name: 'test',
    rpcUrls: ['http://127.0.0.1:8545'],
    gateway: ADDRESS,
    forwarder: OTHER,
    confirmations: 2,
    blockTimeMs: 1000,
    startBlock: 0,
    tokens: [token],
    relayers: [relayer],
  };
  const environment: NodeJS.ProcessEnv = {
    DATABASE_URL: 'mysql://user:pass@127.0.0.1:3306/msqpay',
    REDIS_URL: 'redis://127.0.0.1:6379',
    DEFENDER_API_URL: 'http://127.0.0.1:4000',
    DEFENDER_API_KEY: 'the-key',
    DEFENDER_API_SECRET: 'the-secret',
    MSQPAY_CHAINS_FILE: chainsFile,
    MSQPAY_CHECKOUT_URL: 'http://shop.test/{paymentId}',
    MSQPAY_ENCRYPTION_KEY: Buffer.alloc(32, 7).toString('base64'),
    MSQPAY_ADMIN_USER: 'admin',
    MSQPAY_ADMIN_PASSWORD: 'a long password',
  };

  function writeChains(chains: unknown = [chain]): void {
    writeFileSync(chainsFile, JSON.stringify({ chains }));
  }

  /** What the error says; fails when there is none. */
  function refusal(changes: NodeJS.ProcessEnv): string {
    try {
      loadConfig({ ...environment, ...changes });
    } catch (error) {
      if (error instanceof ConfigError) return error.message;
      throw error;
    }
    throw new Error('the configuration was taken');
  }

  it('names what is missing in the chains file', () => {
    const { gateway: _gateway, ...without } = chain;
    writeChains([without]);
    try {
      expect(refusal({})).to.include('chains.0.gateway: is missing');
    } finally {
      writeChains();
    }
  });

  it('needs no more than what has no default, and reads what it is given', () => {
    const config = loadConfig({ ...environment, PATH: '/bin', HOME: '/root' });
    expect(config).to.include({
      environment: 'development',
      port: 3000,
      databasePool: 16,
      maxWaitingPayments: 2_000,
      maxWaitsPerStore: 500,
      queuePrefix: '{msqpay}',
      strictResponses: false,
    });
    expect(config.chains[0]).to.deep.include({
      chainId: 31337,
      maxBlockRange: 1000,
      gateway: ADDRESS,
    });
    expect(config.chains[0]?.relayers[0]).to.deep.include({
      id: 'main',
      transactionsPerMinute: 50,
      maxInFlight: 10,
    });
    expect(config.encryptionKey).to.deep.equal(Buffer.alloc(32, 7));
  });

  const wrong: Readonly<Record<string, readonly string[]>> = {
    NODE_ENV: ['staging-hunter2'],
    DATABASE_URL: [
      'hunter2',
      'postgres://user:hunter2@host/db',
      'mysql://user:hunter2@host',
      'mysql://user:hunter2@host/db?sslmode=require',
    ],
    REDIS_URL: ['hunter2', 'http://:hunter2@host', 'redis://:hunter2@host?tls=true'],
    DEFENDER_API_URL: ['hunter2'],
    MSQPAY_CHAINS_FILE: [''],
    MSQPAY_PORT: ['hunter2', '-1', '65536', '1.5'],
    MSQPAY_WORKERS_PORT: ['hunter2', '65536'],
    MSQPAY_CHECKOUT_URL: ['http://hunter2/'],
    MSQPAY_ENCRYPTION_KEY: ['hunter2', Buffer.alloc(31).toString('base64'), ''],
    MSQPAY_ADMIN_USER: [''],
    MSQPAY_ADMIN_PASSWORD: ['hunter2'],
    MSQPAY_BULL_BOARD_READ_ONLY: ['hunter2', '1', 'yes'],
    MSQPAY_LOG_LEVEL: ['hunter2'],
    MSQPAY_LOG_PRETTY: ['hunter2'],
    MSQPAY_RATE_LIMIT_PER_MINUTE: ['hunter2', '0', '-5', '1.5'],
    MSQPAY_TRUSTED_PROXIES: ['hunter2', '-1'],
    MSQPAY_STRICT_RESPONSES: ['hunter2'],
    MSQPAY_DATABASE_POOL: ['hunter2', '0'],
    MSQPAY_QUEUE_PREFIX: ['hunter2', '{UPPER}', '{}'],
    MSQPAY_WEBHOOK_ALLOW_PRIVATE_NETWORKS: ['hunter2'],
    MSQPAY_WEBHOOK_TIMEOUT_MS: ['hunter2', '0', '60001'],
    MSQPAY_WEBHOOK_SCHEDULE_SECONDS: ['0,hunter2', '-1', '0,,5'],
    MSQPAY_OUTBOX_REDRIVE_MS: ['hunter2', '0', '600001'],
    MSQPAY_ALERT_AFTER_FAILURES: ['often', '0'],
    MSQPAY_RELAY_UNSENT_AFTER_MS: ['hunter2', '0'],
    MSQPAY_RELAY_TIMEOUT_MS: ['hunter2', '0'],
    MSQPAY_RELAY_RESEND_AFTER_MS: ['hunter2', '0'],
    MSQPAY_RELAY_REFUSAL_GRACE_MS: ['hunter2', '-1'],
    MSQPAY_RELAY_CLAIM_MS: ['hunter2', '999', '60001'],
    MSQPAY_RELAY_STUCK_AFTER_MS: ['hunter2', '0'],
    MSQPAY_RELAY_MIN_DEADLINE_SECONDS: ['hunter2', '0'],
  };
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) {
      it(`names ${name} when it is ${JSON.stringify(value)}, without showing the value`, () => {
        const message = refusal({ [name]: value });
        expect(message).to.contain(name);
        expect(message).not.to.contain('hunter2');
      });
    }
  }

  for (const name of [
    'DATABASE_URL',
    'REDIS_URL',
    'MSQPAY_CHAINS_FILE',
    'MSQPAY_CHECKOUT_URL',
    'MSQPAY_ENCRYPTION_KEY',
    'MSQPAY_ADMIN_USER',
    'MSQPAY_ADMIN_PASSWORD',
  ]) {
    it(`names ${name} when it is missing`, () => {
      expect(refusal({ [name]: undefined })).to.contain(`${name}: is missing`);
    });
  }

  it('names every wrong variable at once', () => {
    expect(refusal({ MSQPAY_PORT: 'x', MSQPAY_LOG_LEVEL: 'x' }))
      .to.contain('MSQPAY_PORT')
      .and.to.contain('MSQPAY_LOG_LEVEL');
  });

  it('does not take a variable of ours that it does not know, so that a slip of the pen is noticed', () => {
    const message = refusal({ MSQPAY_RATE_LIMIT: 'hunter2', MSQPAY_Port: 'hunter2' });
    expect(message).to.equal('unknown environment variables: MSQPAY_RATE_LIMIT, MSQPAY_Port');
  });

  /** As the API's processes have it. */
  function withoutKeys(): NodeJS.ProcessEnv {
    const names = ['DEFENDER_API_URL', 'DEFENDER_API_KEY', 'DEFENDER_API_SECRET'];
    return Object.fromEntries(
      Object.entries(environment).filter(([name]) => !names.includes(name)),
    );
  }

  describe('of the relayers’ keys', () => {
    const local = { id: 'own', provider: 'local', privateKeyVariable: 'OWN_RELAYER_KEY' };
    const oz = {
      id: 'oz',
      provider: 'ozRelayer',
      url: 'http://127.0.0.1:9',
      relayerId: 'polygon',
      apiKeyVariable: 'OZ_RELAYER_KEY',
    };
    const privateKey = `0x${'ab'.repeat(32)}`;
    const keys = { OWN_RELAYER_KEY: privateKey, OZ_RELAYER_KEY: 'the-oz-key' };
    beforeEach(() => writeChains([{ ...chain, relayers: [relayer, local, oz] }]));

    it('is complete without them: only the workers read them, and they are no part of it', () => {
      const config = loadConfig({ ...environment, ...keys });
      expect(loadConfig(withoutKeys())).to.deep.equal(config);
      const shown = JSON.stringify(config, (_name, value: unknown) =>
        typeof value === 'bigint' ? String(value) : value,
      );
      for (const secret of [privateKey, 'the-oz-key', 'the-key', 'the-secret'])
        expect(shown).not.to.contain(secret);
    });

    it('are read by the variables that the chains file names', () => {
      const read = readRelayerKeys(loadConfig(withoutKeys()), { ...environment, ...keys });
      expect(read.get('main')).to.deep.include({
        provider: 'defender',
        apiKey: 'the-key',
        apiSecret: 'the-secret',
        maxInFlight: 10,
      });
      expect(read.get('own')).to.deep.include({ provider: 'local', privateKey });
      expect(read.get('oz')).to.deep.include({ provider: 'ozRelayer', apiKey: 'the-oz-key' });
    });

    for (const name of [
      'DEFENDER_API_URL',
      'DEFENDER_API_KEY',
      'DEFENDER_API_SECRET',
      'OWN_RELAYER_KEY',
      'OZ_RELAYER_KEY',
    ]) {
      it(`are missed by the name ${name}`, () => {
        const read = () =>
          readRelayerKeys(loadConfig(withoutKeys()), {
            ...environment,
            ...keys,
            [name]: undefined,
          });
        expect(read).to.throw(ConfigError, name);
      });
    }

    it('are not shown when they are wrong', () => {
      const read = () =>
        readRelayerKeys(loadConfig(withoutKeys()), {
          ...environment,
          ...keys,
          OWN_RELAYER_KEY: 'hunter2',
        });
      expect(read)
        .to.throw(ConfigError, /OWN_RELAYER_KEY is not a private key/)
        .with.property('message')
        .not.contain('hunter2');
    });
  });

  describe('of the chains', () => {
    const second = { ...chain, chainId: 1, relayers: [{ ...relayer, id: 'second' }] };
    const refused: readonly (readonly [name: string, chains: unknown, finding: string])[] = [
      ['no chain at all', [], 'chains'],
      ['a setting that is not known', [{ ...chain, confirmation: 3 }], 'confirmation'],
      ['a chain twice', [chain, { ...second, chainId: 31337 }], 'a chainId is listed twice'],
      [
        'a token twice, in whatever spelling',
        [{ ...chain, tokens: [token, { ...token, address: ADDRESS.toLowerCase() }] }],
        'lists a token twice',
      ],
      [
        'a relayer for two chains',
        [chain, { ...second, relayers: [relayer] }],
        'a relayer id is listed twice',
      ],
      [
        'a relayer that may offer less than its chain wants',
        [
          {
            ...chain,
            minPriorityFeePerGasWei: '30000000000',
            relayers: [
              {
                id: 'own',
                provider: 'local',
                privateKeyVariable: 'OWN_RELAYER_KEY',
                maxFeePerGasWei: '29999999999',
              },
            ],
          },
        ],
        'relayer own may offer less (maxFeePerGasWei) than its chain wants at least',
      ],
      ['no confirmation at all', [{ ...chain, confirmations: 0 }], 'chains.0.confirmations'],
      ['an address that is none', [{ ...chain, gateway: '0x12' }], 'chains.0.gateway'],
      ['no token', [{ ...chain, tokens: [] }], 'chains.0.tokens'],
      ['no RPC address', [{ ...chain, rpcUrls: [] }], 'chains.0.rpcUrls'],
    ];
    for (const [name, chains, finding] of refused) {
      it(`does not take ${name}`, () => {
        writeChains(chains);
        expect(refusal({})).to.contain(finding);
      });
    }

    it('may have no relayer, and then needs no key for one', () => {
      const withoutRelayer = Object.fromEntries(
        Object.entries(chain).filter(([name]) => name !== 'relayers'),
      );
      writeChains([withoutRelayer]);
      const config = loadConfig(withoutKeys());
      expect(config.chains[0]?.relayers).to.deep.equal([]);
      expect(readRelayerKeys(config, withoutKeys()).size).to.equal(0);
    });

    it('have gas budgets by default, in gas, unless there is one in wei', () => {
      const budgetsOf = (relayLimits: Record<string, unknown>) => {
        writeChains([{ ...chain, relayLimits }]);
        const limits = loadConfig(environment).chains[0]?.relayLimits;
        return [
          limits?.gasBudgetPerStorePerDay,
          limits?.gasBudgetPerStorePerDayWei,
          limits?.gasBudgetPerPayerPerDay,
          limits?.gasBudgetPerPayerPerDayWei,
        ];
      };
      expect(budgetsOf({})).to.deep.equal([300_000_000n, undefined, 10_000_000n, undefined]);
      expect(budgetsOf({ gasBudgetPerStorePerDayWei: '7' })).to.deep.equal([
        undefined,
        7n,
        10_000_000n,
        undefined,
      ]);
      expect(
        budgetsOf({ gasBudgetPerPayerPerDayWei: '7', gasBudgetPerPayerPerDay: 5 }),
      ).to.deep.equal([300_000_000n, undefined, 5n, 7n]);
      writeChains([{ ...chain, relayLimits: { gasBudgetPerStorePerDay: 0 } }]);
      expect(refusal({})).to.contain('chains.0.relayLimits.gasBudgetPerStorePerDay');
    });

    it('are missed by name when their file is not there, or is not JSON', () => {
      expect(refusal({ MSQPAY_CHAINS_FILE: join(directory, 'absent.json') })).to.contain(
        'absent.json',
      );
      writeFileSync(chainsFile, '{ "apiKey": "hunter2", ');
      const message = refusal({});
      expect(message).to.contain('chains.json');
      expect(message).not.to.contain('hunter2');
    });

    it('with a secret in an RPC address that is refused do not show it', () => {
      writeChains([{ ...chain, rpcUrls: ['hunter2 is not a url'] }]);
      expect(refusal({})).to.contain('chains.0.rpcUrls').and.not.to.contain('hunter2');
    });
  });
});
