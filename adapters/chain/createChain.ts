import {
  BaseError,
  encodeFunctionData,
  erc20Abi,
  getAddress,
  parseAbi,
  RpcRequestError,
  TransactionNotFoundError,
  zeroAddress,
} from 'viem';

import { msqPayForwarderAbi } from '../../contracts/generated/MSQPayForwarder.ts';
import { paymentGatewayAbi } from '../../contracts/generated/PaymentGateway.ts';
import type { ChainPort } from '../../domain/chain/ports.ts';
import { CHAIN_ERRORS } from '../../domain/chain/errors.ts';
import type { ChainConfig } from '../../platform/config.ts';
import type { Logger } from '../../platform/logger.ts';
import type { Clock } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import { askEachNode } from './askEachNode.ts';
import { createAskSince } from './createAskSince.ts';
import { createBadAnswers } from './createBadAnswers.ts';
import { createFindAgreedFinal } from './createFindAgreedFinal.ts';
import { createFindBlockUnder } from './createFindBlockUnder.ts';
import { createFindEnds } from './createFindEnds.ts';
import { createFindPayments } from './createFindPayments.ts';
import { createFindReceipt } from './createFindReceipt.ts';
import { createFindRefusal } from './createFindRefusal.ts';
import { createGetHead } from './createGetHead.ts';
import { createHearings } from './createHearings.ts';
import { createIsContract } from './createIsContract.ts';
import { createIsPermitNext } from './createIsPermitNext.ts';
import { createIsSurelyRefused } from './createIsSurelyRefused.ts';
import { createJudgePermit } from './createJudgePermit.ts';
import { createListFinalNumbers } from './createListFinalNumbers.ts';
import { createPaymentIdOf } from './createPaymentIdOf.ts';
import { createPollBlocks } from './createPollBlocks.ts';
import { createPollEvents } from './createPollEvents.ts';
import { createReadBlock } from './createReadBlock.ts';
import { createListGatewayLogs } from './createListGatewayLogs.ts';
import { createReadHead } from './createReadHead.ts';
import { createRelayCalls } from './createRelayCalls.ts';
import { createRpcClients, RPC_TIMEOUT_MS, type RpcQuestions } from './createRpcClients.ts';
import { createRunsForeignCode } from './createRunsForeignCode.ts';
import { createVerifySignature } from './createVerifySignature.ts';
import { encodeTerms } from './encodeTerms.ts';
import { NodeAnswerError } from './NodeAnswerError.ts';
import { lowerCase } from './paymentLogs.ts';
import {
  authorizationTypedData,
  forwardRequestTypedData,
  permitTypedData,
  refundTypedData,
} from './typedData.ts';

/**
 * The widest amount that the database keeps. Development chains give accounts more coins than there
 * are.
 */
const MOST_COINS = 10n ** 65n - 1n;

const NONCES_ABI = parseAbi(['function nonces(address owner) view returns (uint256)']);

/** @param options.clock what the times of blocks are compared with */
export function createChain(options: {
  readonly chain: ChainConfig;
  readonly clock: Clock;
  readonly log: Logger;
}): ChainPort {
  const { chain, clock, log } = options;
  const { chainId, gateway, forwarder, rpcUrls } = chain;
  const badAnswers = createBadAnswers({ count: rpcUrls.length, chainId, log, now: Date.now });
  const rpc = createRpcClients({
    rpcUrls,
    chainId,
    blockTimeMs: chain.blockTimeMs,
    log,
    clock,
    badAnswers,
  });
  const gatewayLogs = createListGatewayLogs({ rpcUrls, chainId, gateway, clock, log });
  const { readBlock, readBlockUnder } = createReadBlock({
    rpcUrls,
    chainId,
    timeoutMs: RPC_TIMEOUT_MS,
  });
  const reads = { readBlock, readHead: createReadHead(readBlock, clock) };
  const hearings = createHearings({ eachNode: rpc.eachNode, chainId, log });
  const findEnds = createFindEnds(chain, reads);
  const askSince = createAskSince(chain, rpc, hearings.of('whether something is done'), reads);

  return {
    chainId,
    paymentIdOf: createPaymentIdOf(chainId, gateway),
    encodePay: (terms) =>
      encodeFunctionData({
        abi: paymentGatewayAbi,
        functionName: 'pay',
        args: [encodeTerms(terms)],
      }),

    listOtherChainUrls: rpc.listOtherChainUrls,
    listAwayUrls: hearings.listAway,
    countBadAnswers: badAnswers.counts,

    getHead: createGetHead(chain, rpc, readBlock, clock),

    getFinalizedNumber: () =>
      rpc.askOneNode(async (_node, urlIndex) => {
        const finalized = await readBlock(urlIndex, { blockTag: 'finalized' }).catch(
          explainNoFinality,
        );
        if (finalized === undefined) throw noFinality();
        // What the same URL does not have yet cannot be final there.
        const head = await readBlock(urlIndex, { blockTag: 'latest' });
        if (head === undefined || finalized.number > head.number)
          throw new Error('the node calls a block final that is above its head');
        return finalized.number;
      }),

    listFinalNumbers: createListFinalNumbers(rpc, findEnds),

    urlCount: rpc.eachNode.length,
    findAgreedFinal: createFindAgreedFinal(
      chain,
      rpc,
      { ends: hearings.of('final blocks'), header: hearings.of('headers') },
      reads,
    ),

    findBlock: (number) =>
      rpc.askOneNode((_node, urlIndex) => readBlock(urlIndex, { blockNumber: number })),
    findBlockUnder: createFindBlockUnder(rpc, readBlockUnder),

    listGatewayLogs: ({ fromBlock, toBlock: lastBlock, again = false }) =>
      rpc.askOneNode((_node, urlIndex) =>
        gatewayLogs.read(urlIndex, { fromBlock, toBlock: lastBlock, again }),
      ),
    getLogLimit: gatewayLogs.getLimit,

    findReceipt: createFindReceipt(chain, rpc),

    findCall: (hash) =>
      rpc.askOneNode(async (client) => {
        const transaction = await client
          .getTransaction({ hash })
          .catch(orUndefined(TransactionNotFoundError));
        if (transaction !== undefined && lowerCase(transaction.hash) !== hash)
          throw new NodeAnswerError('eth_getTransactionByHash', 'another transaction');
        // Without `to` it deploys a contract, which is no call.
        return transaction?.to == null
          ? undefined
          : { to: getAddress(transaction.to), data: transaction.input, gasLimit: transaction.gas };
      }),

    async findPayer(paymentId, since, notBefore) {
      const { value, isSince } = await askSince(since, {
        ask: (client, at) =>
          client.readContract({
            address: gateway,
            abi: paymentGatewayAbi,
            functionName: 'payerOf',
            args: [paymentId],
            ...at,
          }),
        isNo: (payer) => payer === zeroAddress,
        notBefore,
      });
      if (value !== zeroAddress) return value;
      return isSince ? undefined : 'unknown';
    },

    ...createFindPayments(chain, rpc, hearings.of('who has paid'), reads.readHead),
    pollBlocks: createPollBlocks(chain, rpc, hearings.of('blocks'), reads),
    pollEvents: createPollEvents(chain, rpc, hearings.of('final events'), reads),

    // A permit that is signed for want of an approval takes the place of the approval that was
    // there.
    getAllowance: (token, owner) =>
      rpc.askOneNode((_client, _urlIndex, sure) =>
        sure.readContract({
          address: token,
          abi: erc20Abi,
          functionName: 'allowance',
          args: [owner, gateway],
        }),
      ),

    async getForwarderNonce(owner, since) {
      const { value, isSince } = await askSince(since, {
        ask: (client, at) =>
          client.readContract({
            address: forwarder,
            abi: msqPayForwarderAbi,
            functionName: 'nonces',
            args: [owner],
            ...at,
          }),
      });
      if (isSince) return value;
      throw new AppError(CHAIN_ERRORS.unavailable, {
        internal: { chainId },
        cause: new Error('no RPC URL that answers is where the chain is'),
      });
    },

    async buildPermitTypedData({ token, owner, value, deadline }) {
      const domain = chain.tokens.find(({ address }) => address === token)?.permit;
      if (domain === undefined) return undefined;
      const answer = await rpc.attemptOneNode((_client, _urlIndex, sure) =>
        sure.readContract({
          address: token,
          abi: NONCES_ABI,
          functionName: 'nonces',
          args: [owner],
        }),
      );
      // The configuration promises a permit that the token does not have. An approval still does.
      if ('revertData' in answer) return undefined;
      return permitTypedData(
        { ...domain, chainId, verifyingContract: token },
        { owner, spender: gateway, value, nonce: answer.value, deadline },
      );
    },

    isPermitNext: createIsPermitNext(chain, askSince),
    ...createJudgePermit(chain, rpc, { log, now: Date.now }),

    isContract: createIsContract(rpc),

    buildForwardRequestTypedData: (request) => forwardRequestTypedData(chainId, forwarder, request),

    buildAuthorizationTypedData: (input) => authorizationTypedData(chainId, gateway, input),
    buildRefundTypedData: (input) => refundTypedData(chainId, gateway, input),
    verifySignature: createVerifySignature(chain, rpc),
    runsForeignCode: createRunsForeignCode(chain, rpc),

    ...createFindRefusal(chain, rpc, reads),
    isSurelyRefused: createIsSurelyRefused(
      chain,
      rpc,
      hearings.of('whether a request is refused'),
      reads,
    ),
    ...createRelayCalls(chain, rpc),

    getRefundedAmount: (paymentId) =>
      rpc.askOneNode((_client, _urlIndex, sure) =>
        sure.readContract({
          address: gateway,
          abi: paymentGatewayAbi,
          functionName: 'refundedAmount',
          args: [paymentId],
        }),
      ),

    async isRefunded(paymentId, nonce, since, notBefore) {
      const { value, isSince } = await askSince(since, {
        ask: (client, at) =>
          client.readContract({
            address: gateway,
            abi: paymentGatewayAbi,
            functionName: 'isRefundNonceUsed',
            args: [paymentId, nonce],
            ...at,
          }),
        isNo: (isUsed) => !isUsed,
        notBefore,
      });
      return value || isSince ? value : 'unknown';
    },

    async getBalance(owner, enough = 0n) {
      const ask = (node: RpcQuestions) =>
        node.askOneNode((_client, _urlIndex, sure) => sure.getBalance({ address: owner }));
      const first = await ask(rpc);
      const heard = first >= enough || rpc.eachNode.length === 1 ? [] : await askEachNode(rpc, ask);
      const most = heard.reduce((best, one) => (one > best ? one : best), first);
      return most < MOST_COINS ? most : MOST_COINS;
    },
    getGasPrice: () => rpc.askOneNode((client) => client.getGasPrice()),
  };
}

function noFinality(cause?: unknown): Error {
  return new Error(
    'the node knows no finalized block: the confirmations of this chain have to be a number',
    { cause },
  );
}

/**
 * For `catch`: a node's own words for a tag that its chain does not know ("unknown block", "invalid
 * params") do not say what to do.
 */
function explainNoFinality(error: unknown): never {
  const answer =
    error instanceof BaseError ? error.walk((cause) => cause instanceof RpcRequestError) : null;
  const isUnknown =
    answer instanceof RpcRequestError &&
    ([-32601, -32602, -39001].includes(answer.code) ||
      /finali[sz]ed|unknown block|block not found|block tag/i.test(answer.details));
  throw isUnknown ? noFinality(error) : error;
}

/** For `catch`: what is not there is an answer, any other error is passed on. */
function orUndefined(notFound: new (...args: never[]) => Error): (error: unknown) => undefined {
  return (error) => {
    if (error instanceof notFound) return undefined;
    throw error;
  };
}
