import type { PublicClient } from 'viem';

import { paymentGatewayAbi } from '../../contracts/generated/PaymentGateway.ts';
import type { Address, Bytes32 } from '../../shared/hex.ts';

/**
 * Payments or refunds in one eth_call: 224 bytes each in its init code, 256 for a refund, which may
 * have 49,152 (EIP-3860), 4,000 of them for the code itself.
 */
export const IDS_PER_CALL = 100;
/** Questions at once to a node that does not take the call for many. */
const SINGLE_QUESTIONS = 10;

/** Who paid each of these at the end of a block, at most IDS_PER_CALL; the zero address: nobody. */
export function readPayers(
  node: PublicClient,
  gateway: Address,
  ids: readonly Bytes32[],
  blockNumber: bigint,
): Promise<Address[]> {
  const questions = ids.map(
    (id) =>
      ({ address: gateway, abi: paymentGatewayAbi, functionName: 'payerOf', args: [id] }) as const,
  );
  return allOrSingly(questions, {
    all: () =>
      node.multicall({
        contracts: questions,
        deployless: true,
        allowFailure: false,
        batchSize: 0,
        blockNumber,
      }),
    one: (question) => node.readContract({ ...question, blockNumber }),
  });
}

/** Whether each of these refunds is made at the end of a block; at most IDS_PER_CALL. */
export function readRefunds(
  node: PublicClient,
  gateway: Address,
  refunds: readonly { readonly paymentId: Bytes32; readonly nonce: bigint }[],
  blockNumber: bigint,
): Promise<boolean[]> {
  const questions = refunds.map(
    ({ paymentId, nonce }) =>
      ({
        address: gateway,
        abi: paymentGatewayAbi,
        functionName: 'isRefundNonceUsed',
        args: [paymentId, nonce],
      }) as const,
  );
  return allOrSingly(questions, {
    all: () =>
      node.multicall({
        contracts: questions,
        deployless: true,
        allowFailure: false,
        batchSize: 0,
        blockNumber,
      }),
    one: (question) => node.readContract({ ...question, blockNumber }),
  });
}

/**
 * One call for all of them, which every node takes that takes a contract's creation as a call;
 * singly from one that does not.
 */
async function allOrSingly<Question, Answer>(
  questions: readonly Question[],
  ask: {
    readonly all: () => Promise<readonly Answer[]>;
    readonly one: (question: Question) => Promise<Answer>;
  },
): Promise<Answer[]> {
  const [first] = questions;
  if (first === undefined) return [];
  if (questions.length === 1) return [await ask.one(first)];
  try {
    return [...(await ask.all())];
  } catch {
    const answers: Answer[] = [];
    for (let start = 0; start < questions.length; start += SINGLE_QUESTIONS) {
      answers.push(
        ...(await Promise.all(questions.slice(start, start + SINGLE_QUESTIONS).map(ask.one))),
      );
    }
    return answers;
  }
}
