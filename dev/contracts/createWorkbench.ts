/**
 * A private chain with the contracts deployed and people who act on them, for the contract tests
 * and the gas table.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  createClient,
  encodeDeployData,
  encodeFunctionData,
  getAddress,
  http,
  maxUint256,
  parseSignature,
  publicActions,
  testActions,
  toHex,
  type Abi,
  type Address,
  type Hex,
  type TransactionReceipt,
} from 'viem';
import { generatePrivateKey, mnemonicToAccount, type HDAccount } from 'viem/accounts';
import { startChain, type Chain } from '../chain.ts';
import { deployContracts, type Deployment } from '../../contracts/deploy.ts';
import { msqPayForwarderAbi } from '../../contracts/generated/MSQPayForwarder.ts';
import { paymentGatewayAbi } from '../../contracts/generated/PaymentGateway.ts';
import { testTokenAbi } from '../../contracts/generated/TestToken.ts';
import {
  forwarderDomain,
  forwardRequestTypes,
  gatewayDomain,
  hashPaymentTerms,
  paymentAuthorizationTypes,
  permitTypes,
  refundAuthorizationTypes,
  type PaymentTerms,
} from '../../contracts/typedData.ts';

export interface Call {
  from: Address;
  to: Address;
  data: Hex;
  value?: bigint;
  gas?: bigint;
}

export interface Permit {
  value: bigint;
  deadline: bigint;
  v: number;
  r: Hex;
  s: Hex;
}

export interface PaymentExecution {
  terms: PaymentTerms;
  payer: Address;
  deadline: number;
  permit: Permit;
  signature: Hex;
}

export interface RefundExecution {
  terms: PaymentTerms;
  amount: bigint;
  nonce: bigint;
  deadline: number;
  permit: Permit;
  signature: Hex;
}

export interface ForwardRequest {
  from: Address;
  to: Address;
  value: bigint;
  gas: bigint;
  deadline: number;
  data: Hex;
  signature: Hex;
}

export interface BatchPermit {
  requestIndex: bigint;
  token: Address;
  permit: Permit;
}

export interface PermitInput {
  owner: HDAccount;
  spender: Address;
  value?: bigint;
  deadline?: bigint;
  /** Of the token; the owner's present one unless it is given. */
  nonce?: bigint;
}

const MNEMONIC = 'test test test test test test test test test test test junk';
export const ACCOUNTS = 80;
/**
 * What payers start with, and what those with an allowance have allowed the gateway: finite, as
 * tokens treat the greatest number apart.
 */
export const FUNDS = 10n ** 30n;

const ZERO_WORD: Hex = `0x${'0'.repeat(64)}`;
/** In an execution: there is no permit. */
export const noPermit: Permit = { value: 0n, deadline: 0n, v: 0, r: ZERO_WORD, s: ZERO_WORD };

export type Workbench = Awaited<ReturnType<typeof createWorkbench>>;

export async function createWorkbench(options: { chainId?: number } = {}) {
  const chain = await startChain({ ...options, accounts: ACCOUNTS });
  try {
    return await setUp(chain);
  } catch (error) {
    await chain.close();
    throw error;
  }
}

async function setUp(chain: Chain) {
  const client = createClient({ transport: http(chain.rpcUrl), cacheTime: 0 })
    .extend(publicActions)
    .extend(testActions({ mode: 'anvil' }));
  const deployer = accountAt(0);
  const deployerKey = deployer.getHdKey().privateKey;
  if (deployerKey === null) throw new Error('The deployer has no private key');
  const deployment: Deployment = await deployContracts({
    rpcUrl: chain.rpcUrl,
    deployerPrivateKey: toHex(deployerKey),
    tokens: [{ name: 'Test Dollar', symbol: 'TUSD', decimals: 6 }],
  });
  const { gateway, forwarder } = deployment;
  const token = deployment.tokens[0]?.address;
  if (token === undefined) throw new Error('The test token was not deployed');
  const { chainId } = chain;

  const relayer = accountAt(1).address;
  const merchant = accountAt(2).address;

  const now = async (): Promise<number> => Number((await client.getBlock()).timestamp);

  /**
   * Sends from an account of the chain and waits for the receipt, successful or not. Without `gas`
   * a call that fails rejects at once.
   */
  async function send({ from, to, data, value = 0n, gas }: Call): Promise<TransactionReceipt> {
    const hash = await client.request({
      method: 'eth_sendTransaction',
      params: [
        { from, to, data, value: toHex(value), ...(gas === undefined ? {} : { gas: toHex(gas) }) },
      ],
    });
    return receiptOf(hash);
  }

  async function receiptOf(hash: Hex): Promise<TransactionReceipt> {
    for (let attempt = 0; attempt < 5_000; attempt++) {
      try {
        return await client.getTransactionReceipt({ hash });
      } catch (error) {
        if (!(error instanceof Error) || error.name !== 'TransactionReceiptNotFoundError')
          throw error;
        await sleep(2);
      }
    }
    throw new Error(`No receipt of ${hash}`);
  }

  async function deploy(abi: Abi, bytecode: Hex, args: unknown[] = []): Promise<Address> {
    const data = encodeDeployData({ abi, bytecode, args });
    const hash = await client.request({
      method: 'eth_sendTransaction',
      params: [{ from: deployer.address, data }],
    });
    const { status, contractAddress } = await receiptOf(hash);
    if (status !== 'success' || contractAddress === null || contractAddress === undefined)
      throw new Error('Not deployed');
    return getAddress(contractAddress);
  }

  /** New terms of a payment in the test token to the merchant, an hour long. */
  async function makeTerms(changes: Partial<PaymentTerms> = {}): Promise<PaymentTerms> {
    const expiresAt = changes.expiresAt ?? (await now()) + 3600;
    return {
      salt: generatePrivateKey(),
      token: tokenAddress,
      amount: 1_000_000n,
      merchant,
      ...changes,
      expiresAt,
    };
  }
  const tokenAddress = token;

  const paymentIdOf = (terms: PaymentTerms): Hex => hashPaymentTerms(chainId, gateway, terms);

  /** An authorisation signed by `signer`, who is the payer unless another is named. */
  async function authorize(
    signer: HDAccount,
    terms: PaymentTerms,
    changes: {
      payer?: Address;
      deadline?: number;
      permit?: Permit;
      domain?: { chainId?: number; gateway?: Address };
    } = {},
  ): Promise<PaymentExecution> {
    const payer = changes.payer ?? signer.address;
    const deadline = changes.deadline ?? terms.expiresAt;
    const domain = gatewayDomain(
      changes.domain?.chainId ?? chainId,
      changes.domain?.gateway ?? gateway,
    );
    const signature = await signer.signTypedData({
      domain,
      types: paymentAuthorizationTypes,
      primaryType: 'PaymentAuthorization',
      message: {
        paymentId: paymentIdOf(terms),
        merchant: terms.merchant,
        token: terms.token,
        amount: terms.amount,
        payer,
        deadline,
      },
    });
    return { terms, payer, deadline, permit: changes.permit ?? noPermit, signature };
  }

  /**
   * A refund signed by `signer`, who should be the merchant: of the whole payment and an hour long,
   * unless told otherwise.
   */
  async function authorizeRefund(
    signer: HDAccount,
    terms: PaymentTerms,
    changes: {
      amount?: bigint;
      nonce?: bigint;
      deadline?: number;
      permit?: Permit;
      domain?: { chainId?: number; gateway?: Address };
    } = {},
  ): Promise<RefundExecution> {
    const amount = changes.amount ?? terms.amount;
    const nonce = changes.nonce ?? BigInt(generatePrivateKey());
    const deadline = changes.deadline ?? (await now()) + 3600;
    const signature = await signer.signTypedData({
      domain: gatewayDomain(changes.domain?.chainId ?? chainId, changes.domain?.gateway ?? gateway),
      types: refundAuthorizationTypes,
      primaryType: 'RefundAuthorization',
      message: { paymentId: paymentIdOf(terms), amount, nonce, deadline },
    });
    return { terms, amount, nonce, deadline, permit: changes.permit ?? noPermit, signature };
  }

  async function signPermit({
    owner,
    spender,
    value = maxUint256,
    deadline = maxUint256,
    ...given
  }: PermitInput): Promise<Permit> {
    const nonce =
      given.nonce ??
      (await client.readContract({
        address: tokenAddress,
        abi: testTokenAbi,
        functionName: 'nonces',
        args: [owner.address],
      }));
    const signature = await owner.signTypedData({
      domain: { name: 'Test Dollar', version: '1', chainId, verifyingContract: tokenAddress },
      types: permitTypes,
      primaryType: 'Permit',
      message: { owner: owner.address, spender, value, nonce, deadline },
    });
    const { r, s, v } = parseSignature(signature);
    return { value, deadline, v: Number(v), r, s };
  }

  /** Applies a permit on its own, as somebody who saw it in the mempool could. */
  function permitCall(owner: Address, spender: Address, permit: Permit): Call {
    const { value, deadline, v, r, s } = permit;
    return {
      from: relayer,
      to: tokenAddress,
      data: encodeFunctionData({
        abi: testTokenAbi,
        functionName: 'permit',
        args: [owner, spender, value, deadline, v, r, s],
      }),
    };
  }

  async function signForwardRequest(
    signer: HDAccount,
    data: Hex,
    {
      nonce: given,
      ...changes
    }: {
      from?: Address;
      to?: Address;
      deadline?: number;
      gas?: bigint;
      value?: bigint;
      nonce?: bigint;
    } = {},
  ): Promise<ForwardRequest> {
    const nonce = given ?? (await forwarderNonceOf(changes.from ?? signer.address));
    const request = {
      from: signer.address,
      to: gateway,
      value: 0n,
      gas: 300_000n,
      deadline: (await now()) + 3600,
      data,
      ...changes,
    };
    const signature = await signer.signTypedData({
      domain: forwarderDomain(chainId, forwarder),
      types: forwardRequestTypes,
      primaryType: 'ForwardRequest',
      message: { ...request, nonce },
    });
    return { ...request, signature };
  }

  const payData = (terms: PaymentTerms): Hex =>
    encodeFunctionData({ abi: paymentGatewayAbi, functionName: 'pay', args: [terms] });
  const payCall = (from: Address, terms: PaymentTerms): Call => ({
    from,
    to: gateway,
    data: payData(terms),
  });
  const payWithPermitData = (terms: PaymentTerms, permit: Permit): Hex =>
    encodeFunctionData({
      abi: paymentGatewayAbi,
      functionName: 'payWithPermit',
      args: [terms, permit],
    });
  const payWithPermitCall = (from: Address, terms: PaymentTerms, permit: Permit): Call => ({
    from,
    to: gateway,
    data: payWithPermitData(terms, permit),
  });
  const executePaymentCall = (execution: PaymentExecution): Call => ({
    from: relayer,
    to: gateway,
    data: encodeFunctionData({
      abi: paymentGatewayAbi,
      functionName: 'executePayment',
      args: [execution],
    }),
  });
  const executePaymentsCall = (executions: PaymentExecution[]): Call => ({
    from: relayer,
    to: gateway,
    data: encodeFunctionData({
      abi: paymentGatewayAbi,
      functionName: 'executePayments',
      args: [executions],
    }),
  });
  const executeRefundCall = (execution: RefundExecution): Call => ({
    from: relayer,
    to: gateway,
    data: encodeFunctionData({
      abi: paymentGatewayAbi,
      functionName: 'executeRefund',
      args: [execution],
    }),
  });
  const executeRefundsCall = (executions: RefundExecution[]): Call => ({
    from: relayer,
    to: gateway,
    data: encodeFunctionData({
      abi: paymentGatewayAbi,
      functionName: 'executeRefunds',
      args: [executions],
    }),
  });
  const forwardCall = (request: ForwardRequest): Call => ({
    from: relayer,
    to: forwarder,
    value: request.value,
    data: encodeFunctionData({ abi: msqPayForwarderAbi, functionName: 'execute', args: [request] }),
  });
  const forwardWithPermitCall = (
    request: ForwardRequest,
    permitToken: Address,
    permit: Permit,
  ): Call => ({
    from: relayer,
    to: forwarder,
    value: request.value,
    data: encodeFunctionData({
      abi: msqPayForwarderAbi,
      functionName: 'executeWithPermit',
      args: [request, permitToken, permit],
    }),
  });
  const forwardBatchCall = (requests: ForwardRequest[], permits: BatchPermit[] = []): Call => ({
    from: relayer,
    to: forwarder,
    data: encodeFunctionData({
      abi: msqPayForwarderAbi,
      functionName: 'executeBatchWithPermits',
      args: [requests, permits],
    }),
  });

  const mint = (to: Address, amount = FUNDS, tokenToMint = tokenAddress) =>
    send({
      from: deployer.address,
      to: tokenToMint,
      data: encodeFunctionData({ abi: testTokenAbi, functionName: 'mint', args: [to, amount] }),
    });
  const approve = (owner: Address, amount = FUNDS, tokenToSpend = tokenAddress) =>
    send({
      from: owner,
      to: tokenToSpend,
      data: encodeFunctionData({
        abi: testTokenAbi,
        functionName: 'approve',
        args: [gateway, amount],
      }),
    });
  const balanceOf = (owner: Address, tokenToRead = tokenAddress) =>
    client.readContract({
      address: tokenToRead,
      abi: testTokenAbi,
      functionName: 'balanceOf',
      args: [owner],
    });
  const allowanceOf = (owner: Address, spender: Address = gateway) =>
    client.readContract({
      address: tokenAddress,
      abi: testTokenAbi,
      functionName: 'allowance',
      args: [owner, spender],
    });
  const isProcessed = (terms: PaymentTerms) =>
    client.readContract({
      address: gateway,
      abi: paymentGatewayAbi,
      functionName: 'processedPayments',
      args: [paymentIdOf(terms)],
    });
  const payerOf = (terms: PaymentTerms) =>
    client.readContract({
      address: gateway,
      abi: paymentGatewayAbi,
      functionName: 'payerOf',
      args: [paymentIdOf(terms)],
    });
  const refundedAmount = (terms: PaymentTerms) =>
    client.readContract({
      address: gateway,
      abi: paymentGatewayAbi,
      functionName: 'refundedAmount',
      args: [paymentIdOf(terms)],
    });
  const isRefundNonceUsed = (terms: PaymentTerms, nonce: bigint) =>
    client.readContract({
      address: gateway,
      abi: paymentGatewayAbi,
      functionName: 'isRefundNonceUsed',
      args: [paymentIdOf(terms), nonce],
    });
  const forwarderNonceOf = (owner: Address) =>
    client.readContract({
      address: forwarder,
      abi: msqPayForwarderAbi,
      functionName: 'nonces',
      args: [owner],
    });

  return {
    chain,
    chainId,
    client,
    gateway,
    forwarder,
    token: tokenAddress,
    relayer,
    merchant,
    now,
    send,
    deploy,
    makeTerms,
    paymentIdOf,
    authorize,
    authorizeRefund,
    signPermit,
    permitCall,
    signForwardRequest,
    payData,
    payCall,
    payWithPermitData,
    payWithPermitCall,
    executePaymentCall,
    executePaymentsCall,
    executeRefundCall,
    executeRefundsCall,
    forwardCall,
    forwardWithPermitCall,
    forwardBatchCall,
    mint,
    approve,
    balanceOf,
    allowanceOf,
    isProcessed,
    payerOf,
    refundedAmount,
    isRefundNonceUsed,
    forwarderNonceOf,
    close: () => chain.close(),
  };
}

/**
 * The chain's own accounts, all with ether: 0 deploys, 1 relays, 2 is the merchant, the others are
 * free.
 */
export function accountAt(index: number): HDAccount {
  if (index >= ACCOUNTS) throw new Error(`The chain has ${String(ACCOUNTS)} accounts`);
  return mnemonicToAccount(MNEMONIC, { addressIndex: index });
}
