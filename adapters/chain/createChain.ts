import {
  BlockNotFoundError,
  encodeFunctionData,
  erc20Abi,
  getAddress,
  parseAbi,
  recoverTypedDataAddress,
  TransactionReceiptNotFoundError,
  zeroAddress,
  type TypedDataDefinition,
} from 'viem';

import { msqPayForwarderAbi } from '../../contracts/generated/MSQPayForwarder.ts';
import { paymentGatewayAbi } from '../../contracts/generated/PaymentGateway.ts';
import type { Block, ChainPort } from '../../domain/chain/ports.ts';
import type { ChainConfig } from '../../platform/config.ts';
import type { Logger } from '../../platform/logger.ts';
import { fromUnixSeconds } from '../../shared/clock.ts';
import { createBuildRelayCall } from './createBuildRelayCall.ts';
import { createFindRefusal } from './createFindRefusal.ts';
import { createPaymentIdOf } from './createPaymentIdOf.ts';
import { createRpcClients } from './createRpcClients.ts';
import { encodeTerms } from './encodeTerms.ts';
import { lowerCase, paymentProcessedEvent, readPaymentLogs } from './paymentLogs.ts';
import { joinSignature, splitSignature } from './signatures.ts';
import { forwardRequestTypedData, permitTypedData } from './typedData.ts';

const NONCES_ABI = parseAbi(['function nonces(address owner) view returns (uint256)']);

export function createChain({ chain, log }: { chain: ChainConfig; log: Logger }): ChainPort {
  const { chainId, gateway, forwarder } = chain;
  const rpc = createRpcClients({ rpcUrls: chain.rpcUrls, chainId, log });
  const client = rpc.any;

  return {
    chainId,
    paymentIdOf: createPaymentIdOf(chainId, gateway),
    encodePay: (terms) => encodeFunctionData({ abi: paymentGatewayAbi, functionName: 'pay', args: [encodeTerms(terms)] }),

    getHead: () => rpc.ask(async () => toBlock(await client.getBlock({ blockTag: 'latest' }))),

    findBlock: (number) =>
      rpc.ask(async () => {
        const block = await client.getBlock({ blockNumber: number }).catch(orUndefined(BlockNotFoundError));
        return block && toBlock(block);
      }),

    listPaymentLogs: ({ fromBlock, toBlock: lastBlock }) =>
      rpc.askOneNode(async (node) => {
        // A node that is behind answers with the logs it has, without a word about the blocks it lacks. One that has the last block has them all.
        await node.getBlock({ blockNumber: lastBlock });
        const logs = await node.getLogs({ address: gateway, event: paymentProcessedEvent, fromBlock, toBlock: lastBlock });
        return readPaymentLogs(logs, gateway);
      }),

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
            effectiveGasPrice: receipt.effectiveGasPrice,
            payments: readPaymentLogs(receipt.logs, gateway),
          }
        );
      }),

    findPayer: (paymentId) =>
      rpc.ask(async () => {
        const payer = await client.readContract({ address: gateway, abi: paymentGatewayAbi, functionName: 'payerOf', args: [paymentId] });
        return payer === zeroAddress ? undefined : payer;
      }),

    getAllowance: (token, owner) =>
      rpc.ask(() => client.readContract({ address: token, abi: erc20Abi, functionName: 'allowance', args: [owner, gateway] })),

    getForwarderNonce: (owner) =>
      rpc.ask(() => client.readContract({ address: forwarder, abi: msqPayForwarderAbi, functionName: 'nonces', args: [owner] })),

    async buildPermitTypedData({ token, owner, value, deadline }) {
      const domain = chain.tokens.find(({ address }) => address === token)?.permit;
      if (domain === undefined) return undefined;
      const nonce = await rpc.ask(() => client.readContract({ address: token, abi: NONCES_ABI, functionName: 'nonces', args: [owner] }));
      return permitTypedData({ ...domain, chainId, verifyingContract: token }, { owner, spender: gateway, value, nonce, deadline });
    },

    buildForwardRequestTypedData: (request) => forwardRequestTypedData(chainId, forwarder, request),

    async isForwardRequestSignedByPayer(request, signature) {
      // The forwarder recovers; it knows no contract accounts (ERC-1271).
      const parts = splitSignature(signature);
      if (parts === undefined) return false;
      const typedData = forwardRequestTypedData(chainId, forwarder, request) as unknown as TypedDataDefinition;
      const signer = await recoverTypedDataAddress({ ...typedData, signature: joinSignature(parts) }).catch(() => undefined);
      return signer === getAddress(request.from);
    },

    findRefusal: createFindRefusal(chain, rpc),
    buildRelayCall: createBuildRelayCall(chain, rpc),
  };
}

function toBlock(block: { number: bigint; hash: `0x${string}`; timestamp: bigint }): Block {
  return { number: block.number, hash: lowerCase(block.hash), timestamp: fromUnixSeconds(Number(block.timestamp)) };
}

/** For `catch`: what is not there is an answer, any other error is passed on. */
function orUndefined(notFound: new (...args: never[]) => Error): (error: unknown) => undefined {
  return (error) => {
    if (error instanceof notFound) return undefined;
    throw error;
  };
}
