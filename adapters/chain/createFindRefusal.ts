import { encodeFunctionData, erc20Abi, parseAbi } from 'viem';

import { paymentGatewayAbi } from '../../contracts/generated/PaymentGateway.ts';
import { CHAIN_ERRORS } from '../../domain/chain/errors.ts';
import type { ChainPort, KnownBlock, PaymentRefusal } from '../../domain/chain/ports.ts';
import type { Permit } from '../../domain/chain/contractModel.ts';
import type { ChainConfig } from '../../platform/config.ts';
import { AppError } from '../../shared/errors.ts';
import type { Address, Hex } from '../../shared/hex.ts';
import { askEachNode } from './askEachNode.ts';
import { callAsForwarder } from './callAsForwarder.ts';
import { createExplainPermit, type PermitExplanation } from './createExplainPermit.ts';
import type { NodeReads } from './createReadHead.ts';
import type { RpcClients, RpcQuestions } from './createRpcClients.ts';
import { encodePermit } from './encodePermit.ts';
import { encodeTerms } from './encodeTerms.ts';
import { createRelayCalls } from './createRelayCalls.ts';
import { findVoters } from './judgeHeads.ts';
import { lookAtNode } from './lookAtNode.ts';
import { decodeRevert, describeRevert, NO_REASON } from './reverts.ts';
import { splitSignature } from './signatures.ts';
import { gasForCall } from './simulationGas.ts';

const PERMIT_ABI = parseAbi([
  'function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)',
]);

/**
 * What the gateway itself says no to, before it asks the token. The one left out is how it passes
 * on that the token said no.
 */
const GATEWAY_ERRORS: ReadonlySet<string> = new Set(
  paymentGatewayAbi.flatMap((item) =>
    item.type === 'error' && item.name !== 'SafeERC20FailedOperation' ? [item.name] : [],
  ),
);

const NO_KEY_SIGNATURE = 'its signature is not one of 65 bytes (r, s, v)';

type FindRefusal = Pick<ChainPort, 'findRefusal' | 'findRefundRefusal'>;

/**
 * Simulates a payment by a plain eth_call to the gateway from the forwarder, with the payer's
 * address behind the calldata as the forwarder would put it there (ERC-2771): so the gateway's and
 * the token's own reasons come out, where a simulated `forwarder.execute` says only `FailedCall`.
 * It is the same on both rails: the same terms, payer and permit.
 *
 * A permit is simulated by `payWithPermit`, which does to the token what the relayed calls do: the
 * same permit by the same owner for the same spender, its failure ignored, then the same transfer.
 * That needs nothing from the node but eth_call. State overrides would need the token's storage
 * layout, and not every provider offers them.
 *
 * A refund is simulated by itself, since nobody but the merchant's signature could make it.
 */
export function createFindRefusal(
  chain: Pick<
    ChainConfig,
    'chainId' | 'gateway' | 'forwarder' | 'dataGasPerRequest' | 'tokens' | 'blockTimeMs'
  >,
  rpc: RpcClients,
  reads: NodeReads,
): FindRefusal {
  const { gateway, forwarder } = chain;
  const { encodeRelay } = createRelayCalls(chain, rpc);
  /** Without a sender: who sends what others signed changes nothing. */
  const call = (node: RpcQuestions, to: Address, data: Hex) =>
    node.attemptOneNode((_client, _urlIndex, sure) =>
      sure.call({ to, data, gas: gasForCall(data, chain) }),
    );

  return {
    async findRefusal({ terms, payer, permit, since }) {
      const data = permit
        ? encodeFunctionData({
            abi: paymentGatewayAbi,
            functionName: 'payWithPermit',
            args: [encodeTerms(terms), encodePermit(permit)],
          })
        : encodeFunctionData({
            abi: paymentGatewayAbi,
            functionName: 'pay',
            args: [encodeTerms(terms)],
          });
      return findSurely(since, async (node) => {
        const answer = await node.attemptOneNode((_client, _urlIndex, sure) =>
          callAsForwarder(sure, { data, payer, forwarder, gateway, gas: gasForCall(data, chain) }),
        );
        if ('value' in answer) return undefined;
        return explain(node, answer.revertData, {
          token: terms.token,
          owner: payer,
          amount: terms.amount,
          permit,
        });
      });
    },

    async findRefundRefusal(item, since) {
      if (item.signed.rail !== 'refund')
        throw new Error(`expected a refund, not ${item.signed.rail}`);
      const { to, data } = encodeRelay([item]);
      const { merchant, amount } = item.signed.refund;
      return findSurely(since, async (node) => {
        const answer = await call(node, to, data);
        if ('value' in answer) return undefined;
        return explain(node, answer.revertData, {
          token: item.terms.token,
          owner: merchant,
          amount,
          permit: item.permit,
        });
      });
    },
  };

  /** @param since see ChainPort.findRefusal; undefined: one URL's word will do */
  async function findSurely(
    since: readonly KnownBlock[] | undefined,
    find: (node: RpcQuestions) => Promise<PaymentRefusal | undefined>,
  ): Promise<PaymentRefusal | undefined> {
    const first = await find(rpc);
    // What is done already, or over, is nothing that a URL could lag behind.
    if (
      since === undefined ||
      first === undefined ||
      first.kind === 'alreadyProcessed' ||
      first.kind === 'expired'
    )
      return first;
    const heard = await askEachNode(rpc, async (node) => {
      const look = await node.askOneNode((_client, urlIndex) => lookAtNode(reads, urlIndex, since));
      return { ...look, refusal: await find(node) };
    });
    // Nobody contradicts, and nobody was found to lag: all are slow.
    if (heard.length === 0) return first;
    const voters = findVoters(heard, { urls: rpc.eachNode.length, blockTimeMs: chain.blockTimeMs });
    const isTaken = voters.some(({ refusal }) => refusal === undefined);
    // One that has all these blocks may lie, and the others may lack the newest one: their yes
    // counts as well.
    if (isTaken) return undefined;
    const sure = voters.find(({ hasAll }) => hasAll);
    if (sure === undefined) {
      const cause = new Error(
        'no RPC URL that answers is where the chain is: what it refuses may be good',
      );
      throw new AppError(CHAIN_ERRORS.unavailable, { internal: { chainId: chain.chainId }, cause });
    }
    return sure.refusal;
  }

  async function explain(
    node: RpcQuestions,
    revertData: Hex,
    transfer: {
      readonly token: Address;
      readonly owner: Address;
      readonly amount: bigint;
      readonly permit: Permit | null;
    },
  ): Promise<PaymentRefusal> {
    const { token, owner, amount, permit } = transfer;
    const revert = decodeRevert(revertData);
    const other: PaymentRefusal = { kind: 'other', reason: describeRevert(revertData) };
    if (revert?.errorName === 'PaymentAlreadyProcessed') return { kind: 'alreadyProcessed' };
    if (revert?.errorName === 'PaymentExpired') return { kind: 'expired' };
    if (revert !== undefined && GATEWAY_ERRORS.has(revert.errorName)) return other;

    const tokenRefuses: PaymentRefusal = {
      kind: 'other',
      // The gateway names the token where that gave no reason, which the caller knows.
      reason: `The token refuses the transfer: ${revert?.errorName === 'SafeERC20FailedOperation' ? NO_REASON : describeRevert(revertData)}`,
    };
    // The token refused. Tokens look at the allowance first; the balance is what the owner has to
    // care for first, and many tokens give no reason that could be read, so we look for ourselves.
    const balance = await readNumber(
      node,
      token,
      encodeFunctionData({ abi: erc20Abi, functionName: 'balanceOf', args: [owner] }),
    );
    if (balance !== undefined && balance < amount) return { kind: 'insufficientBalance', balance };
    if (revert?.errorName === 'ERC20InsufficientBalance')
      return { kind: 'insufficientBalance', balance: revert.args[1] };
    const allowance =
      revert?.errorName === 'ERC20InsufficientAllowance'
        ? revert.args[1]
        : await readNumber(
            node,
            token,
            encodeFunctionData({
              abi: erc20Abi,
              functionName: 'allowance',
              args: [owner, gateway],
            }),
          );
    if (allowance === undefined || allowance >= amount) return tokenRefuses;
    if (!permit) return { kind: 'insufficientAllowance', allowance };
    if (splitSignature(permit.signature) === undefined) {
      // The token's own call has no room for another one: the contracts would hand over zeros.
      return {
        kind: 'insufficientAllowance',
        allowance,
        permitRefusal: NO_KEY_SIGNATURE,
        isNoKeySignature: true,
      };
    }
    const permitRefusal = await findPermitRefusal(node, token, owner, permit);
    if (permitRefusal !== undefined) {
      const { reason, isEarly } = permitRefusal;
      return {
        kind: 'insufficientAllowance',
        allowance,
        permitRefusal: reason,
        ...(isEarly ? { isPermitEarly: true } : {}),
      };
    }
    return permit.value < amount
      ? { kind: 'insufficientAllowance', allowance: permit.value }
      : tokenRefuses;
  }

  /** undefined: the token does not even answer that. */
  async function readNumber(
    node: RpcQuestions,
    token: Address,
    data: Hex,
  ): Promise<bigint | undefined> {
    const answer = await call(node, token, data);
    const word = 'value' in answer ? answer.value.data : undefined;
    return word?.length === 66 ? BigInt(word) : undefined;
  }

  /** undefined: the token takes it. */
  async function findPermitRefusal(
    node: RpcQuestions,
    token: Address,
    owner: Address,
    permit: Permit,
  ): Promise<PermitExplanation | undefined> {
    const { value, deadline, v, r, s } = encodePermit(permit);
    const data = encodeFunctionData({
      abi: PERMIT_ABI,
      functionName: 'permit',
      args: [owner, gateway, value, deadline, v, r, s],
    });
    const answer = await call(node, token, data);
    if (!('revertData' in answer)) return undefined;
    return (
      (await createExplainPermit(chain, node)(token, owner, permit)) ?? {
        reason: describeRevert(answer.revertData),
        isEarly: false,
      }
    );
  }
}
