import type { DefenderSimulator } from '../../simulators/defender/startDefenderSimulator.ts';
import type { RelayerFixture } from './relayerConformance.ts';

type Simulator = Pick<DefenderSimulator, 'clearFaults' | 'transactions'> & {
  setFault(
    fault: Parameters<DefenderSimulator['setFault']>[0] & { readonly operation?: never },
  ): void;
};

/** The part of a fixture that is the same for every simulated provider. */
export function simulatorFaults(
  simulator: Simulator,
): Pick<
  RelayerFixture,
  | 'tend'
  | 'readValidUntil'
  | 'raiseFeesOfNext'
  | 'refusals'
  | 'lostAnswers'
  | 'lateHashes'
  | 'pausing'
> {
  const undo = (): void => simulator.clearFaults();
  return {
    tend: () => Promise.resolve(),
    async readValidUntil(id) {
      const found = simulator.transactions().find(({ shown }) => shown.transactionId === id);
      if (found === undefined) throw new Error(`the provider has no ${id}`);
      return new Date(found.shown.validUntil);
    },
    async raiseFeesOfNext() {
      simulator.setFault({ kind: 'gasBump', delayMs: 400 });
    },
    refusals: [
      {
        name: 'too many requests',
        retryAfterMs: 7_000,
        begin() {
          simulator.setFault({ kind: 'rateLimited', count: -1, retryAfterSeconds: 7 });
          return undo;
        },
      },
      {
        name: 'credentials not accepted',
        begin() {
          simulator.setFault({ kind: 'unauthorized', count: -1 });
          return undo;
        },
      },
      {
        name: 'paused',
        begin() {
          simulator.setFault({ kind: 'paused', count: -1 });
          return undo;
        },
      },
    ],
    lostAnswers: {
      kind: 'possible',
      loseNext(when, how) {
        const isTaken = when === 'afterTaken';
        if (how === 'timeout')
          simulator.setFault({ kind: isTaken ? 'timeoutAfterSend' : 'timeoutBeforeSend' });
        else if (how === 'reset')
          simulator.setFault({ kind: isTaken ? 'resetAfterSend' : 'resetBeforeSend' });
        else if (isTaken) simulator.setFault({ kind: 'serverErrorAfterSend', status: 502 });
        else simulator.setFault({ kind: 'serverError', status: 502 });
      },
      beAway() {
        simulator.setFault({ kind: 'serverError', status: 503, count: -1 });
        return undo;
      },
    },
    lateHashes: {
      kind: 'possible',
      delayNext: () => simulator.setFault({ kind: 'intent', delayMs: 300 }),
    },
    pausing: {
      kind: 'possible',
      pause() {
        simulator.setFault({ kind: 'paused', count: -1 });
        return undo;
      },
    },
  };
}
