import { parseEther } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';

import { selectRows } from '../../platform/db.ts';
import { startLocalFixture } from './localFixture.ts';
import { describeRelayerConformance, type RelayerFixture } from './relayerConformance.ts';

describeRelayerConformance('local', async (setup): Promise<RelayerFixture> => {
  const on = await startLocalFixture(setup);
  // Whatever waits that long is raised.
  const relayer = on.createRelayer({ bumpAfterMs: 1_500 });
  const second = on.createRelayer({ id: 'own-elsewhere', bumpAfterMs: 1_500 });
  const { address } = privateKeyToAccount(setup.privateKey);

  const cutOffChain = async () => {
    on.rpc.answer = () => 'break';
    return () => {
      on.rpc.answer = () => 'passOn';
    };
  };

  return {
    relayer,
    second,
    secrets: [setup.privateKey.slice(2)],
    readLog: on.readLog,
    tend: async () => {
      await Promise.all([relayer.tend?.(), second.tend?.()]);
    },
    async readValidUntil(id) {
      const [row] = await selectRows<{ valid_until: Date }>(
        on.db,
        'SELECT valid_until FROM local_relayer_transactions WHERE id = ?',
        [id],
      );
      if (row === undefined) throw new Error(`there is no transaction ${id}`);
      return row.valid_until;
    },
    raiseFeesOfNext: async () => undefined,
    refusals: [
      {
        name: 'insufficient funds',
        async begin() {
          await on.client.setBalance({ address, value: 1n });
          return () => on.client.setBalance({ address, value: parseEther('100') });
        },
      },
      {
        name: 'the chain does not answer',
        begin: () => {
          on.rpc.answer = (method) => (method === 'eth_getTransactionCount' ? 'break' : 'passOn');
          return () => {
            on.rpc.answer = () => 'passOn';
          };
        },
      },
    ],
    lostAnswers: { kind: 'impossible', cutOffChain },
    lateHashes: { kind: 'impossible' },
    pausing: { kind: 'impossible' },
    close: on.close,
  };
});
