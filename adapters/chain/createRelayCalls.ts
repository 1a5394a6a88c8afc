import { decodeFunctionResult, encodeFunctionData, toHex, zeroHash, type PublicClient } from 'viem';

import { msqPayForwarderAbi } from '../../contracts/generated/MSQPayForwarder.ts';
import { paymentGatewayAbi } from '../../contracts/generated/PaymentGateway.ts';
import type { ChainPort, RelayCall } from '../../domain/chain/ports.ts';
import type { RelayRail } from '../../domain/relay/model.ts';
import type { ChainConfig } from '../../platform/config.ts';
import type { Hex } from '../../shared/hex.ts';
import type { RpcQuestions } from './createRpcClients.ts';
import { encodePermit } from './encodePermit.ts';
import { createIsSignedByKey } from './createVerifySignature.ts';
import { encodeTerms } from './encodeTerms.ts';
import { foreignCodeGas } from './foreignCodeGas.ts';
import { NodeAnswerError } from './NodeAnswerError.ts';
import { describeRevert } from './reverts.ts';
import { gasForItems } from './simulationGas.ts';
import type { ForwardRequest, Permit, RelayItem } from '../../domain/chain/contractModel.ts';

/**
 * Added to the estimate, since the state may change before the transaction runs: a merchant's
 * balance that goes to zero and back (20,000 gas for the slot), a first use of something. What is
 * not used is not paid. Too little would undo the whole batch: the contracts refuse to begin an
 * item that they could not give its gas.
 */
const MARGIN_PERCENT = 20n;
const MARGIN_GAS_PER_ITEM = 25_000n;

/** How the contracts take "no permit". */
const NO_PERMIT = { value: 0n, deadline: 0n, v: 0, r: zeroHash, s: zeroHash } as const;

type RelayCalls = Pick<ChainPort, 'encodeRelay' | 'simulateRelay' | 'estimateRelayGas'>;

/**
 * The calls that carry signed requests: one by itself in the cheaper call that reverts with its
 * reason, several in the one that tells each outcome.
 */
export function createRelayCalls(
  chain: Pick<ChainConfig, 'chainId' | 'gateway' | 'forwarder' | 'dataGasPerRequest'>,
  rpc: Pick<RpcQuestions, 'attemptOneNode'>,
): RelayCalls {
  const { gateway, forwarder } = chain;
  const isSignedByKey = createIsSignedByKey(chain);

  function encodeRelay(items: readonly RelayItem[]): ReturnType<ChainPort['encodeRelay']> {
    const rail = railOf(items);
    return { to: rail === 'forwarder' ? forwarder : gateway, data: ENCODERS[rail](items) };
  }

  return {
    encodeRelay,

    async simulateRelay(items) {
      const { to, data } = encodeRelay(items);
      // Without a sender: anybody may send these calls, so who it is changes nothing, and the node
      // cannot refuse it for its balance.
      const answer = await rpc.attemptOneNode(async (_client, _urlIndex, sure) => {
        const { data: returned = '0x' } = await sure.call({
          to,
          data,
          gas: gasForItems(items, data, chain),
        });
        if (items.length === 1) return [{ success: true, reason: '0x' as const }];
        const results = decodeResults(railOf(items), returned);
        if (results.length !== items.length)
          throw new NodeAnswerError('eth_call', 'a simulated batch has other results than items');
        return results;
      });
      if (!('revertData' in answer)) {
        const outcomes = answer.value.map(({ success, reason }) => ({
          succeeds: success,
          reason: success ? '' : describeRevert(reason),
        }));
        return { kind: 'ran', outcomes };
      }
      const reason = describeRevert(answer.revertData);
      return items.length === 1
        ? { kind: 'ran', outcomes: [{ succeeds: false, reason }] }
        : { kind: 'refused', reason };
    },

    async estimateRelayGas(items) {
      // Nodes estimate on top of what is pending by default: there, our own transaction that is on
      // its way would look like somebody else's.
      const call = encodeRelay(items);
      const most = gasForItems(items, call.data, chain);
      const estimate = await rpc.attemptOneNode((_client, _urlIndex, sure) =>
        estimateWithin(sure, call, most),
      );
      if ('revertData' in estimate) {
        // Without a reason it may have been the limit.
        const reason = describeRevert(estimate.revertData);
        return {
          kind: 'refused',
          reason: estimate.revertData === '0x' ? `${reason}; it may take ${most} gas` : reason,
        };
      }
      // Some nodes take the limit for a wish.
      if (estimate.value > most)
        return { kind: 'refused', reason: `it takes ${estimate.value} gas, and may take ${most}` };
      const margin =
        (estimate.value * MARGIN_PERCENT) / 100n + MARGIN_GAS_PER_ITEM * BigInt(items.length);
      return {
        kind: 'estimated',
        gasLimit: estimate.value + margin + (await foreignCodeGas(items, isSignedByKey)),
      };
    },
  };
}

/** viem's own estimateGas takes `gas` and leaves it out of the question. */
async function estimateWithin(
  client: PublicClient,
  { to, data }: RelayCall,
  most: bigint,
): Promise<bigint> {
  return BigInt(
    await client.request({
      method: 'eth_estimateGas',
      params: [{ to, data, gas: toHex(most) }, 'latest'],
    }),
  );
}

function railOf(items: readonly RelayItem[]): RelayRail {
  const [first] = items;
  if (first === undefined || items.some((item) => item.signed.rail !== first.signed.rail)) {
    throw new Error('a relay transaction carries one or more items, all of one rail');
  }
  return first.signed.rail;
}

const ENCODERS: Readonly<Record<RelayRail, (items: readonly RelayItem[]) => Hex>> = {
  forwarder(items) {
    const requests = items.map(toForwardRequestData);
    const permits = items.flatMap(({ permit, terms }, index) =>
      permit === null
        ? []
        : [{ requestIndex: BigInt(index), token: terms.token, permit: encodePermit(permit) }],
    );
    const [request] = requests;
    const [permit] = permits;
    if (request === undefined || requests.length > 1) {
      return encodeFunctionData({
        abi: msqPayForwarderAbi,
        functionName: 'executeBatchWithPermits',
        args: [requests, permits],
      });
    }
    return permit === undefined
      ? encodeFunctionData({ abi: msqPayForwarderAbi, functionName: 'execute', args: [request] })
      : encodeFunctionData({
          abi: msqPayForwarderAbi,
          functionName: 'executeWithPermit',
          args: [request, permit.token, permit.permit],
        });
  },

  authorization(items) {
    const executions = items.map(toPaymentExecution);
    const [execution] = executions;
    return execution === undefined || executions.length > 1
      ? encodeFunctionData({
          abi: paymentGatewayAbi,
          functionName: 'executePayments',
          args: [executions],
        })
      : encodeFunctionData({
          abi: paymentGatewayAbi,
          functionName: 'executePayment',
          args: [execution],
        });
  },

  refund(items) {
    const refunds = items.map(toRefundExecution);
    const [refund] = refunds;
    return refund === undefined || refunds.length > 1
      ? encodeFunctionData({
          abi: paymentGatewayAbi,
          functionName: 'executeRefunds',
          args: [refunds],
        })
      : encodeFunctionData({
          abi: paymentGatewayAbi,
          functionName: 'executeRefund',
          args: [refund],
        });
  },
};

function decodeResults(
  rail: RelayRail,
  data: Hex,
): readonly { readonly success: boolean; readonly reason: Hex }[] {
  switch (rail) {
    case 'forwarder':
      return decodeFunctionResult({
        abi: msqPayForwarderAbi,
        functionName: 'executeBatchWithPermits',
        data,
      });
    case 'authorization':
      return decodeFunctionResult({
        abi: paymentGatewayAbi,
        functionName: 'executePayments',
        data,
      });
    case 'refund':
      return decodeFunctionResult({ abi: paymentGatewayAbi, functionName: 'executeRefunds', data });
  }
}

/** The nonce is signed but is not part of the call. */
function toForwardRequestData({
  signed,
  signature,
}: RelayItem): Omit<ForwardRequest, 'nonce'> & { signature: Hex } {
  if (signed.rail !== 'forwarder')
    throw new Error(`expected a forward request, not ${signed.rail}`);
  const { from, to, value, gas, deadline, data } = signed.request;
  return { from, to, value, gas, deadline, data, signature };
}

function toPaymentExecution({ signed, signature, permit, terms }: RelayItem) {
  if (signed.rail !== 'authorization')
    throw new Error(`expected a payment authorization, not ${signed.rail}`);
  const { payer, deadline } = signed.authorization;
  return {
    terms: encodeTerms(terms),
    payer,
    deadline,
    permit: toPermitArgument(permit),
    signature,
  };
}

function toRefundExecution({ signed, signature, permit, terms }: RelayItem) {
  if (signed.rail !== 'refund') throw new Error(`expected a refund, not ${signed.rail}`);
  const { amount, nonce, deadline } = signed.refund;
  return {
    terms: encodeTerms(terms),
    amount,
    nonce,
    deadline,
    permit: toPermitArgument(permit),
    signature,
  };
}

function toPermitArgument(permit: Permit | null) {
  return permit === null ? NO_PERMIT : encodePermit(permit);
}
