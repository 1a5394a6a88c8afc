import {
  BaseError,
  encodeFunctionData,
  erc20Abi,
  getAddress,
  parseAbi,
  RpcRequestError,
  TransactionNotFoundError,
  TransactionReceiptNotFoundError,
  zeroAddress,
} from 'viem';

import { msqPayForwarderAbi } from '../../contracts/generated/MSQPayForwarder.ts';
import { paymentGatewayAbi } from '../../contracts/generated/PaymentGateway.ts';
import type { ChainPort } from '../../domain/chain/ports.ts';
import type { ChainConfig } from '../../platform/config.ts';
import type { Logger } from '../../platform/logger.ts';
import { createFindPayments } from './createFindPayments.ts';
import { createFindRefusal } from './createFindRefusal.ts';
import { createJudgePermit } from './createJudgePermit.ts';
import { createPaymentIdOf } from './createPaymentIdOf.ts';
import { createReadBlock } from './createReadBlock.ts';
import { createReadGatewayLogs } from './createReadGatewayLogs.ts';
import { createRelayCalls } from './createRelayCalls.ts';
import { createRpcClients, RPC_TIMEOUT_MS } from './createRpcClients.ts';
import { createRunsForeignCode } from './createRunsForeignCode.ts';
import { createVerifySignature } from './createVerifySignature.ts';
import { encodeTerms } from './encodeTerms.ts';
import { lowerCase, readPaymentLogs } from './paymentLogs.ts';
import { readRefundLogs, readRelayRefusals } from './relayLogs.ts';
import { authorizationTypedData, forwardRequestTypedData, permitTypedData, refundTypedData } from './typedData.ts';

/** What the code of an account of a key begins with that has chosen another's code (EIP-7702). */
const DELEGATION = '0xef0100';

const NONCES_ABI = parseAbi(['function nonces(address owner) view returns (uint256)']);

export function createChain({ chain, log }: { chain: ChainConfig; log: Logger }): ChainPort {
  const { chainId, gateway, forwarder } = chain;
  const rpc = createRpcClients({ rpcUrls: chain.rpcUrls, chainId, blockTimeMs: chain.blockTimeMs, log });
  const readLogs = createReadGatewayLogs({ rpcUrls: chain.rpcUrls, chainId, gateway, log });
  const readBlock = createReadBlock({ rpcUrls: chain.rpcUrls, chainId, timeoutMs: RPC_TIMEOUT_MS });
  const client = rpc.any;

  return {
    chainId,
    paymentIdOf: createPaymentIdOf(chainId, gateway),
    encodePay: (terms) => encodeFunctionData({ abi: paymentGatewayAbi, functionName: 'pay', args: [encodeTerms(terms)] }),

    listOtherChainUrls: rpc.listOtherChainUrls,

    getHead: () =>
      rpc.askOneNode(async (_node, urlIndex) => {
        const head = await readBlock(urlIndex, { blockTag: 'latest' });
        if (head === undefined) throw new Error('the node has no block at all');
        return head;
      }),

    getFinalizedNumber: () =>
      rpc.askOneNode(async (_node, urlIndex) => {
        const finalized = await readBlock(urlIndex, { blockTag: 'finalized' }).catch(explainNoFinality);
        if (finalized === undefined) throw noFinality();
        // What the same URL does not have yet cannot be final there.
        const head = await readBlock(urlIndex, { blockTag: 'latest' });
        if (head === undefined || finalized.number > head.number) throw new Error('the node calls a block final that is above its head');
        return finalized.number;
      }),

    findBlock: (number) => rpc.askOneNode((_node, urlIndex) => readBlock(urlIndex, { blockNumber: number })),

    listGatewayLogs: ({ fromBlock, toBlock: lastBlock }) =>
      rpc.askOneNode((_node, urlIndex) => readLogs(urlIndex, { fromBlock, toBlock: lastBlock })),

    findReceipt: (hash) =>
      rpc.ask(async () => {
        const receipt = await client.getTransactionReceipt({ hash }).catch(orUndefined(TransactionReceiptNotFoundError));
        return (
          receipt && {
            hash: lowerCase(receipt.transactionHash),
            blockNumber: receipt.blockNumber,
            blockHash: lowerCase(receipt.blockHash),
            succeeded: receipt.status === 'success',
            gasUsed: receipt.gasUsed,
            // Some nodes leave it out, though the type says that it is there: then what gas costs now is the best guess.
            effectiveGasPrice: receipt.effectiveGasPrice ?? (await client.getGasPrice()),
            payments: readPaymentLogs(receipt.logs, gateway),
            refunds: readRefundLogs(receipt.logs, gateway),
            refusals: readRelayRefusals(receipt.logs, { gateway, forwarder }),
          }
        );
      }),

    findCall: (hash) =>
      rpc.ask(async () => {
        const transaction = await client.getTransaction({ hash }).catch(orUndefined(TransactionNotFoundError));
        // Without `to` it deploys a contract, which is no call.
        return transaction?.to == null ? undefined : { to: getAddress(transaction.to), data: transaction.input, gasLimit: transaction.gas };
      }),

    findPayer: (paymentId) =>
      rpc.ask(async () => {
        const payer = await rpc.sure.readContract({ address: gateway, abi: paymentGatewayAbi, functionName: 'payerOf', args: [paymentId] });
        return payer === zeroAddress ? undefined : payer;
      }),

    ...createFindPayments(chain, rpc, readBlock),

    // A permit that is signed for want of an approval takes the place of the approval that was there.
    getAllowance: (token, owner) =>
      rpc.ask(() => rpc.sure.readContract({ address: token, abi: erc20Abi, functionName: 'allowance', args: [owner, gateway] })),

    getForwarderNonce: (owner) =>
      rpc.ask(() => rpc.sure.readContract({ address: forwarder, abi: msqPayForwarderAbi, functionName: 'nonces', args: [owner] })),

    async buildPermitTypedData({ token, owner, value, deadline }) {
      const domain = chain.tokens.find(({ address }) => address === token)?.permit;
      if (domain === undefined) return undefined;
      const answer = await rpc.attempt(() =>
        rpc.sure.readContract({ address: token, abi: NONCES_ABI, functionName: 'nonces', args: [owner] }),
      );
      // The configuration promises a permit that the token does not have. An approval still does.
      if ('revertData' in answer) return undefined;
      return permitTypedData(
        { ...domain, chainId, verifyingContract: token },
        { owner, spender: gateway, value, nonce: answer.value, deadline },
      );
    },

    ...createJudgePermit(chain, rpc, { log, now: Date.now }),

    isContract: (owner) =>
      rpc.ask(async () => {
        const code = (await client.getCode({ address: owner })) ?? '0x';
        return code !== '0x' && !code.startsWith(DELEGATION);
      }),

    buildForwardRequestTypedData: (request) => forwardRequestTypedData(chainId, forwarder, request),

    buildAuthorizationTypedData: (input) => authorizationTypedData(chainId, gateway, input),
    buildRefundTypedData: (input) => refundTypedData(chainId, gateway, input),
    verifySignature: createVerifySignature(chain, rpc),
    runsForeignCode: createRunsForeignCode(chain, rpc),

    ...createFindRefusal(chain, rpc),
    ...createRelayCalls(chain, rpc),

    getRefundedAmount: (paymentId) =>
      rpc.ask(() => rpc.sure.readContract({ address: gateway, abi: paymentGatewayAbi, functionName: 'refundedAmount', args: [paymentId] })),

    isRefunded: (paymentId, nonce) =>
      rpc.ask(() =>
        rpc.sure.readContract({ address: gateway, abi: paymentGatewayAbi, functionName: 'isRefundNonceUsed', args: [paymentId, nonce] }),
      ),

    getBalance: (owner) => rpc.ask(() => client.getBalance({ address: owner })),
    getGasPrice: () => rpc.ask(() => client.getGasPrice()),
  };
}

function noFinality(cause?: unknown): Error {
  return new Error('the node knows no finalized block: the confirmations of this chain have to be a number', { cause });
}

/** For `catch`: a node's own words for a tag that its chain does not know ("unknown block", "invalid params") do not say what to do. */
function explainNoFinality(error: unknown): never {
  const answer = error instanceof BaseError ? error.walk((cause) => cause instanceof RpcRequestError) : null;
  const isUnknown =
    answer instanceof RpcRequestError &&
    ([-32601, -32602, -39001].includes(answer.code) || /finali[sz]ed|unknown block|block not found|block tag/i.test(answer.details));
  throw isUnknown ? noFinality(error) : error;
}

/** For `catch`: what is not there is an answer, any other error is passed on. */
function orUndefined(notFound: new (...args: never[]) => Error): (error: unknown) => undefined {
  return (error) => {
    if (error instanceof notFound) return undefined;
    throw error;
  };
}
