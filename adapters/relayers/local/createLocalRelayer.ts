import { getAddress } from 'viem';

import { CHAIN_ERRORS } from '../../../domain/chain/errors.ts';
import type {
  ProviderTransaction,
  RelayerPort,
  SendOutcome,
} from '../../../domain/relayers/ports.ts';
import type { ChainConfig } from '../../../platform/config.ts';
import { inTransaction, type Database } from '../../../platform/db.ts';
import type { Logger } from '../../../platform/logger.ts';
import type { RelayerWithKeys } from '../../../platform/relayerKeys.ts';
import { addMs, type Clock } from '../../../shared/clock.ts';
import { AppError } from '../../../shared/errors.ts';
import { asHex, type Address, type Hex } from '../../../shared/hex.ts';
import { createRpcClients } from '../../chain/createRpcClients.ts';
import { capFees, decideCap, type AskedFees } from './localFees.ts';
import { isOpen, type LocalTransaction } from './localModel.ts';
import { createLocalMinimum } from './localMinimum.ts';
import { createLocalNode, type AccountView } from './localNode.ts';
import { createLocalSigner } from './localSigner.ts';
import {
  countOpen,
  findLocalTransaction,
  hasOpenAlert,
  insertLocalTransaction,
  listByCall,
  lockAccount,
  sumOpenCost,
  updateAccount,
} from './localStore.ts';
import { broadcastLocal, tendLocal, type LocalRelayerParts } from './localTend.ts';

export interface LocalRelayerOptions {
  readonly relayer: Pick<
    Extract<RelayerWithKeys, { provider: 'local' }>,
    'id' | 'privateKey' | 'bumpAfterMs' | 'bumpPercent' | 'maxFeePerGasWei'
  >;
  readonly chain: Pick<
    ChainConfig,
    'chainId' | 'rpcUrls' | 'blockTimeMs' | 'minPriorityFeePerGasWei'
  >;
  /** For all that one `send` asks of the chain before it saves, and again for its broadcast. */
  readonly timeoutMs: number;
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Logger;
}

const UNREACHABLE_RETRY_MS = 5_000;
/** Somebody has to top the account up, but it may well be done soon. */
const POOR_RETRY_MS = 30_000;
/** The chain's fees are above the cap: some blocks later they may not be. */
const EXPENSIVE_RETRY_MS = 15_000;
/** An alert that was not repeated for so long is over. */
const ALERT_ROUNDS = 3;
/** The clocks of our processes may differ by this. */
const CLOCK_SKEW_MS = 60_000;

type Facts = AccountView & { readonly balance: bigint; readonly asked: AskedFees };

/**
 * A key of ours as a relayer. The database is the truth: a nonce is given out and the transaction
 * saved with it in one database transaction, and only then is it broadcast, by `send` and again by
 * `tend` until the nonce is used. A broadcast with a lost answer is therefore nothing to be afraid
 * of: the same nonce does not land twice.
 *
 * The next nonce is the greater of ours and the chain's count with the mempool (`pending`):
 * transactions that somebody else sent with the key are not outbid. Should they never be mined,
 * their nonces are gaps, and `tend` fills them.
 */
export function createLocalRelayer(options: LocalRelayerOptions): RelayerPort {
  const { relayer, chain, timeoutMs, db, clock } = options;
  const { chainId } = chain;
  const log = options.log.child({ relayerId: relayer.id });
  const signer = createLocalSigner(relayer);
  const account = { chainId, address: signer.address };
  const minimum = createLocalMinimum({
    configured: chain.minPriorityFeePerGasWei,
    most: relayer.maxFeePerGasWei,
    now: () => clock.now().getTime(),
  });
  const node = createLocalNode(createRpcClients({ ...chain, log }), account, minimum);
  const parts: LocalRelayerParts = {
    relayerId: relayer.id,
    account,
    bumpAfterMs: relayer.bumpAfterMs,
    bumpPercent: relayer.bumpPercent,
    maxFeePerGas: relayer.maxFeePerGasWei,
    db,
    clock,
    log,
    node,
    minimum,
    signer,
  };

  /** @returns the saved transaction, or why nothing was saved */
  function save(
    input: Parameters<RelayerPort['send']>[0],
    facts: Facts,
    startedAt: number,
  ): Promise<LocalTransaction | SendOutcome> {
    const fees = capFees(facts.asked, decideCap(facts.asked, relayer.maxFeePerGasWei));
    return inTransaction(db, async (trx): Promise<LocalTransaction | SendOutcome> => {
      const { nextNonce, gapSeenAt } = await lockAccount(trx, account);
      // By now whoever wanted it sent may have taken this for interrupted, and have looked in vain
      // for what would be saved here.
      if (performance.now() - startedAt > 2 * timeoutMs) {
        return {
          kind: 'refused',
          reason: 'the database took too long',
          retryAfterMs: UNREACHABLE_RETRY_MS,
        };
      }
      // Nodes count what is on its way as spent, too.
      const cost =
        input.gasLimit * fees.maxFeePerGas + (await sumOpenCost(trx, account, facts.usedNonces));
      if (cost > facts.balance) {
        const reason = `insufficient funds: its account holds ${facts.balance} wei, and what is on its way may cost ${cost}`;
        return { kind: 'refused', reason, retryAfterMs: POOR_RETRY_MS };
      }
      const nonce = Math.max(nextNonce, facts.knownNonces);
      const now = clock.now();
      const transaction = {
        ...account,
        nonce,
        status: 'pending' as const,
        ...toCall(input),
        gasLimit: input.gasLimit,
        validUntil: input.validUntil,
        fees,
        noopHashes: [],
        minedHash: null,
        createdAt: now,
        pricedAt: now,
        broadcastAt: null,
        missingSince: null,
        settledAt: null,
        recheckAt: null,
      };
      const { hash } = await signer.sign(transaction);
      const saved = await insertLocalTransaction(trx, { ...transaction, hashes: [hash] });
      await updateAccount(trx, account, { nextNonce: nonce + 1, gapSeenAt });
      return saved;
    });
  }

  return {
    id: relayer.id,

    async send(input): Promise<SendOutcome> {
      if (input.validUntil <= clock.now())
        return { kind: 'rejected', reason: 'it is no longer valid' };
      const startedAt = performance.now();
      let facts: Facts | undefined;
      try {
        facts = await within(timeoutMs, node.readAccount());
      } catch (error) {
        // Whatever it was, nothing was saved.
        log.warn({ err: error }, 'the chain cannot be asked about the relayer’s account');
      }
      if (facts === undefined)
        return {
          kind: 'refused',
          reason: 'the chain does not answer',
          retryAfterMs: UNREACHABLE_RETRY_MS,
        };
      if (
        relayer.maxFeePerGasWei !== undefined &&
        relayer.maxFeePerGasWei < facts.asked.baseFeePerGas
      ) {
        return {
          kind: 'refused',
          reason: 'the chain’s fees are above the relayer’s cap',
          retryAfterMs: EXPENSIVE_RETRY_MS,
        };
      }

      let saved: LocalTransaction | SendOutcome;
      try {
        saved = await save(input, facts, startedAt);
      } catch (error) {
        log.error({ err: error }, 'a transaction could not be saved');
        return {
          kind: 'ambiguous',
          reason: 'the database did not confirm that the transaction was saved',
        };
      }
      if ('kind' in saved) return saved;

      try {
        const { asked } = facts;
        const outcome = await within(
          timeoutMs,
          broadcastLocal(parts, saved, async () => asked),
        );
        if (outcome === 'invalid')
          return { kind: 'rejected', reason: 'the node says that it can never be mined' };
      } catch (error) {
        log.warn(
          { err: error, nonce: saved.nonce },
          'a saved transaction is to be broadcast later',
        );
      }
      return { kind: 'accepted', transaction: toProviderTransaction(saved) };
    },

    async findSent({ to, data, since }) {
      const found = await listByCall(db, account, {
        ...toCall({ to, data }),
        since: addMs(since, -CLOCK_SKEW_MS),
      });
      // An earlier try with the same call may have ended; the one that still lives is the one that
      // matters.
      const transaction = found.find(({ status }) => status !== 'ended') ?? found[0];
      return transaction && toProviderTransaction(transaction);
    },

    async findTransaction(providerTransactionId) {
      if (!/^[0-9]{1,19}$/.test(providerTransactionId)) return undefined;
      const transaction = await findLocalTransaction(db, account, providerTransactionId);
      return transaction && toProviderTransaction(transaction);
    },

    async getStatus() {
      // Raised again after each bumpAfterMs for as long as it lasts.
      const since = addMs(clock.now(), -ALERT_ROUNDS * relayer.bumpAfterMs);
      const [pendingTransactions, hasStuckNonce] = await Promise.all([
        countOpen(db, account),
        hasOpenAlert(db, account, since),
      ]);
      return { address: account.address, paused: false, pendingTransactions, hasStuckNonce };
    },

    tend: () => tendLocal(parts),
  };
}

/** In one spelling, to be found again. */
function toCall({ to, data }: { readonly to: Address; readonly data: Hex }): {
  readonly to: Address;
  readonly data: Hex;
} {
  return { to: getAddress(to), data: asHex(data.toLowerCase()) };
}

function toProviderTransaction(transaction: LocalTransaction): ProviderTransaction {
  const { id, status, hashes, minedHash } = transaction;
  // The no-op's hash is nobody's business: what it is asked about is the call.
  const hash = status === 'mined' && minedHash !== null ? minedHash : (hashes.at(-1) ?? null);
  return {
    providerTransactionId: id,
    hash,
    state: isOpen(transaction) ? 'pending' : status === 'mined' ? 'mined' : 'ended',
  };
}

/** The work itself goes on; only its answer comes too late. */
async function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    const error = new AppError(CHAIN_ERRORS.unavailable, { internal: { timeoutMs } });
    timer = setTimeout(() => reject(error), timeoutMs);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
