import type { Address, Bytes32, Hex } from '../../shared/hex.ts';
import type {
  PaymentProcessedLog,
  PaymentTerms,
  ForwardRequest,
  PaymentAuthorization,
  Permit,
  RefundAuthorization,
  RelayItem,
  SignedRequest,
  RefundProcessedLog,
} from './contractModel.ts';
import type { PermitVerdict } from './model.ts';

export interface Block {
  readonly number: bigint;
  readonly hash: Bytes32;
  readonly timestamp: Date;
}

/** A block that somebody has seen. Without a hash: any of that height. */
export interface KnownBlock {
  readonly number: bigint;
  readonly hash?: Bytes32;
}

/**
 * How many RPC URLs have a block, how many have another one at its height, and how many have none
 * there (yet), or were not heard and are not away.
 */
export interface BlockPoll {
  readonly stands: number;
  readonly replaced: number;
  readonly missing: number;
}

/**
 * An event of the gateway in the block that it was seen in: a payment's, or, with its nonce, a
 * refund's.
 */
export interface SeenEvent {
  readonly paymentId: Bytes32;
  readonly nonce?: bigint;
  readonly blockNumber: bigint;
  readonly blockHash: Bytes32;
}

/**
 * How many RPC URLs show an event as final, have no final block yet as late as its own, are final
 * beyond it without having it, and were not heard, though they are not away.
 */
export interface EventPoll {
  readonly final: number;
  readonly early: number;
  readonly absent: number;
  readonly unheard: number;
}

export interface Receipt {
  readonly hash: Bytes32;
  readonly blockNumber: bigint;
  readonly blockHash: Bytes32;
  /**
   * The transaction itself did not revert. Says nothing about the payments in it: those are in
   * `payments`.
   */
  readonly succeeded: boolean;
  readonly gasUsed: bigint;
  /**
   * What of `gasUsed` the chain took for the transaction's data on the layer below; undefined where
   * the receipt does not tell.
   */
  readonly dataGasUsed: bigint | undefined;
  /** Wei a gas unit. */
  readonly effectiveGasPrice: bigint;
  readonly payments: readonly PaymentProcessedLog[];
  readonly refunds: readonly RefundProcessedLog[];
  /**
   * Items of a batch that the contracts took up and refused. One that they did not even take up (a
   * forwarder nonce too early) is nowhere.
   */
  readonly refusals: readonly RelayRefusal[];
}

export interface GatewayLogs {
  readonly payments: readonly PaymentProcessedLog[];
  readonly refunds: readonly RefundProcessedLog[];
}

/**
 * The logs of a range of blocks, and the chain that they belong to: the header of the range's last
 * block, from the same node.
 */
export interface RangeLogs extends GatewayLogs {
  readonly last: Block;
}

/** One refused item of a batch, as its event tells it. */
export type RelayRefusal =
  | {
      readonly rail: 'forwarder';
      readonly payer: Address;
      readonly nonce: bigint;
      readonly reason: string;
    }
  | { readonly rail: 'authorization'; readonly paymentId: Bytes32; readonly reason: string }
  | {
      readonly rail: 'refund';
      readonly paymentId: Bytes32;
      readonly nonce: bigint;
      readonly reason: string;
    };

/** EIP-712 typed data as wallets take it (eth_signTypedData_v4): numbers are decimal strings. */
export interface TypedData {
  readonly domain: {
    readonly name: string;
    readonly version: string;
    readonly chainId: number;
    readonly verifyingContract: Address;
  };
  readonly types: Readonly<
    Record<string, readonly { readonly name: string; readonly type: string }[]>
  >;
  readonly primaryType: string;
  readonly message: Readonly<Record<string, string>>;
}

/** Why the chain would refuse a payment, found by simulating it. */
export type PaymentRefusal =
  | { readonly kind: 'insufficientBalance'; readonly balance: bigint }
  /**
   * `permitRefusal`: with which words the token refuses the permit that came along.
   * `isPermitEarly`: its nonce has not come, as far as the node knows. `isNoKeySignature`: the
   * permit's signature is not of the form that a key's has, and a permit has room for no other.
   */
  | {
      readonly kind: 'insufficientAllowance';
      readonly allowance: bigint;
      readonly permitRefusal?: string;
      readonly isPermitEarly?: true;
      readonly isNoKeySignature?: true;
    }
  | { readonly kind: 'alreadyProcessed' }
  | { readonly kind: 'expired' }
  | { readonly kind: 'other'; readonly reason: string };

/** A call that a relayer sends for us. */
export interface RelayCall {
  readonly to: Address;
  readonly data: Hex;
}

/**
 * What the chain would make of a call now: of each item in it, or (`refused`) of nothing, since it
 * would revert as a whole.
 */
export type RelaySimulation =
  | {
      readonly kind: 'ran';
      readonly outcomes: readonly { readonly succeeds: boolean; readonly reason: string }[];
    }
  | { readonly kind: 'refused'; readonly reason: string };

export type GasEstimate =
  | { readonly kind: 'estimated'; readonly gasLimit: bigint }
  | { readonly kind: 'refused'; readonly reason: string };

/**
 * One chain with our contracts on it. Every method that asks the chain throws AppError
 * `CHAIN_ERRORS.unavailable` when no RPC URL answers. The only implementation is adapters/chain;
 * nothing else knows an ABI.
 *
 * Most answers are one RPC URL's word, which may lag, be on a fork, or lie. Where a "no" would end
 * something, it is asked for with `since`: blocks that are known to be the chain's. Only a URL that
 * has all of them can say no, and only while none says yes that is not stuck. Absent: any can. A
 * URL's own head, and what it says of it, gives it no more weight than the others have.
 *
 * A URL that has failed is unheard: it may contradict, so nothing ends and nothing counts as
 * received by what the others say, unless more of them agree than that. One that has failed for a
 * minute is away, and counts no more until it answers.
 */
export interface ChainPort {
  readonly chainId: number;
  /** The id that the gateway computes for these terms. Pure. */
  paymentIdOf(terms: PaymentTerms): Bytes32;
  /** Calldata of the gateway's `pay(terms)`. Pure. */
  encodePay(terms: PaymentTerms): Hex;

  /**
   * The RPC URLs that answer for another chain, as this process last saw it, by their place in the
   * configuration: they are asked nothing else.
   */
  listOtherChainUrls(): readonly number[];
  /**
   * The RPC URLs that are away, for some kind of question at least that has a say of each, as this
   * process last saw it, by their place in the configuration.
   */
  listAwayUrls(): readonly number[];
  /**
   * How many answers of each RPC URL could not be read, in this process, by its place in the
   * configuration.
   */
  countBadAnswers(): readonly number[];

  /**
   * Of several URLs, none whose head is further ahead of the others, or of our time, than it can
   * be.
   */
  getHead(): Promise<Block>;
  /**
   * The newest block that the chain calls final: as one URL says that has it. Throws like every
   * question, with the reason as the cause, where the chain calls none so.
   */
  getFinalizedNumber(): Promise<bigint>;
  /**
   * What each RPC URL calls final that answers within so long, and which of them are late, by their
   * place in the configuration: for what is noticed and decides nothing.
   */
  listFinalNumbers(
    patienceMs: number,
  ): Promise<{ readonly numbers: readonly bigint[]; readonly late: readonly number[] }>;
  /** How many RPC URLs are asked. */
  readonly urlCount: number;
  /**
   * The newest block, up to this one, that is final to more than half of the RPC URLs that have a
   * say or were not heard, with a time that as many have reached by it: for what ends by the
   * chain's clock. undefined: so many do not have the same block there. Of a single URL, its own
   * word.
   */
  findAgreedFinal(upTo: bigint): Promise<Block | undefined>;
  /** undefined: there is no such block (yet, or any more). */
  findBlock(number: bigint): Promise<Block | undefined>;
  /**
   * The block at this height of the chain that has this head. One node shows both, in one answer:
   * behind a URL there may be several, of which one gave the head and another one is on a branch
   * that was left. (Of a URL that takes no two questions in one request, or a proxy that shares one
   * request out over several, both are two nodes' words perhaps.) `otherBranch`: those that answer
   * have another block, or none, at the height of the head; what they have elsewhere says nothing.
   */
  findBlockUnder(
    head: Pick<Block, 'number' | 'hash'>,
    number: bigint,
  ): Promise<Block | 'otherBranch' | undefined>;
  /**
   * What the RPC URLs say of blocks that are not stuck, in the order of the blocks: for what is too
   * much for one URL's word. Nothing is asked where there is only one URL: nobody is counted then.
   * Not for many blocks at once: each is a question to each URL.
   */
  pollBlocks(blocks: readonly Pick<Block, 'number' | 'hash'>[]): Promise<readonly BlockPoll[]>;
  /**
   * What the RPC URLs say of events, at most 100, that are not stuck, in the order of the events:
   * whether they are in the gateway's storage as of what is final by their own heads. Where there
   * is only one URL nothing is asked: it counts as showing them, since it did.
   */
  pollEvents(events: readonly SeenEvent[]): Promise<readonly EventPoll[]>;
  /**
   * The gateway's events of the blocks from..to, both included, in chain order. One node answers
   * all of it, and each event's block is the one that the node shows at that height. Whether the
   * node's chain is the one that the caller means, `last` tells.
   */
  listGatewayLogs(range: {
    readonly fromBlock: bigint;
    readonly toBlock: bigint;
    /**
     * Blocks that the scanner has passed, perhaps long ago: what a node refuses of them says
     * nothing about new ones. Absent: false.
     */
    readonly again?: boolean;
  }): Promise<RangeLogs>;
  /**
   * How many blocks' logs that RPC URL gives at once that gave some last: more take several
   * requests. undefined: no limit is known.
   */
  getLogLimit(): bigint | undefined;
  findReceipt(hash: Bytes32): Promise<Receipt | undefined>;
  /** What a transaction calls. undefined: the node does not have it. */
  findCall(hash: Bytes32): Promise<(RelayCall & { readonly gasLimit: bigint }) | undefined>;
  /**
   * Who paid this id, as the gateway's storage says at the head. With `since`, that nobody has is
   * what all URLs say, one of which has these blocks. `unknown`: nobody, but none of them has all
   * of these, or one was not heard.
   * @param notBefore with `since`: the head of each of them has to be as late as this, else it is
   *   `unknown`
   */
  findPayer(
    paymentId: Bytes32,
    since?: readonly KnownBlock[],
    notBefore?: Date,
  ): Promise<Address | 'unknown' | undefined>;
  /**
   * The same of many, by id, as of the end of `block`, the lowest head of those that are not stuck.
   * Whom it does not show as paid, no URL does, however far it is. undefined: one was not heard,
   * and may show more.
   */
  findPayers(
    paymentIds: readonly Bytes32[],
  ): Promise<{ readonly block: Block | undefined; readonly payers: ReadonlyMap<Bytes32, Address> }>;
  /**
   * The event of a payment, found by its id, in the blocks of these times, both included. It stands
   * in a block that the same node has there. undefined: none of the URLs that answer shows it,
   * which may be their fault.
   */
  findPaymentLog(input: {
    readonly paymentId: Bytes32;
    readonly since: Date;
    readonly until: Date;
  }): Promise<PaymentProcessedLog | undefined>;
  /** The same of a refund, by its payment and nonce, in the blocks from this time to the head. */
  findRefundLog(input: {
    readonly paymentId: Bytes32;
    readonly nonce: bigint;
    readonly since: Date;
  }): Promise<RefundProcessedLog | undefined>;

  getAllowance(token: Address, owner: Address): Promise<bigint>;
  /**
   * Where no URL that answers has the blocks of `since`, it throws as if none answered: the nonce
   * may be one that is used.
   */
  getForwarderNonce(owner: Address, since?: readonly KnownBlock[]): Promise<bigint>;
  /**
   * Whether the permit that the configuration promises of a token works, as it was tried out within
   * the last minutes. Never throws for a chain that is away.
   */
  judgePermit(token: Address): Promise<PermitVerdict>;
  /**
   * Whether a permit was signed by its owner's key with the nonce that comes next at the token, as
   * of a URL that has the blocks of `since`. False as well where that cannot be told.
   */
  isPermitNext(
    input: { readonly token: Address; readonly owner: Address; readonly permit: Permit },
    since: readonly KnownBlock[],
  ): Promise<boolean>;
  /** What this process knows of every configured token's permit; nothing is asked. */
  listPermitVerdicts(): readonly { readonly token: Address; readonly verdict: PermitVerdict }[];
  /**
   * Whether a contract is there that answers for its signatures itself: not an account of a key, be
   * it with code of its choice (EIP-7702). Every URL that answers soon has to say so: its owner
   * would be sent to pay for an approval.
   */
  isContract(owner: Address): Promise<boolean>;
  /**
   * undefined: the token has no EIP-2612 permit in the configuration, or no nonces. Spender is the
   * gateway.
   */
  buildPermitTypedData(input: {
    token: Address;
    owner: Address;
    value: bigint;
    deadline: number;
  }): Promise<TypedData | undefined>;
  /** Pure. */
  buildForwardRequestTypedData(request: ForwardRequest): TypedData;
  /** Pure. */
  buildAuthorizationTypedData(input: {
    paymentId: Bytes32;
    terms: PaymentTerms;
    authorization: PaymentAuthorization;
  }): TypedData;
  /** Pure. */
  buildRefundTypedData(input: { paymentId: Bytes32; refund: RefundAuthorization }): TypedData;
  /**
   * The signature in the form that the contracts take, or undefined when they would not take it as
   * its signer's. Payers of the authorization rail and merchants may be contracts (ERC-1271), which
   * the chain is asked about: one URL that finds it good is enough, since it is judged again before
   * it is sent, and others may not have the contract yet. Nonces and deadlines are not judged.
   */
  verifySignature(input: {
    signed: SignedRequest;
    paymentId: Bytes32;
    terms: PaymentTerms;
    signature: Hex;
  }): Promise<Hex | undefined>;
  /**
   * Whether carrying it runs code that is neither the contracts' nor the token's: its signature was
   * not made by the signer's key, so the signer's contract is asked; or its permit is of an account
   * with code, which some tokens ask.
   */
  runsForeignCode(item: RelayItem): Promise<boolean>;
  /**
   * Would the gateway take this payment from this payer now? With a permit, as if the permit had
   * been applied.
   * @param input.since what is refused for want of tokens, an approval or a nonce is put to every
   *   URL then, and counts when all say so that answer soon and are not stuck, one of which has
   *   these blocks. Where none has them, it throws as if none answered
   */
  findRefusal(input: {
    terms: PaymentTerms;
    payer: Address;
    permit: Permit | null;
    since?: readonly KnownBlock[] | undefined;
  }): Promise<PaymentRefusal | undefined>;
  /**
   * Would the gateway make this refund now? Its item must be of the rail `refund`. @param since see
   * findRefusal
   */
  findRefundRefusal(
    item: RelayItem,
    since?: readonly KnownBlock[],
  ): Promise<PaymentRefusal | undefined>;
  /**
   * Whether all URLs that are not stuck refuse this item as it would be sent by itself. Those that
   * do, while another one that has the blocks of `since` would take it, are asked last from then
   * on. `unknown`: nobody answers who has these blocks, or only one would take it that lacks some,
   * or one was not heard. Nothing is asked where there is only one URL: what it has said is all
   * there is.
   */
  isSurelyRefused(item: RelayItem, since: readonly KnownBlock[]): Promise<boolean | 'unknown'>;
  getRefundedAmount(paymentId: Bytes32): Promise<bigint>;
  /**
   * Whether the gateway has made this refund, as its storage says at the head. `unknown`: see
   * findPayer.
   */
  isRefunded(
    paymentId: Bytes32,
    nonce: bigint,
    since?: readonly KnownBlock[],
    notBefore?: Date,
  ): Promise<boolean | 'unknown'>;

  /** The one transaction for these items, all of one rail, in this order. Pure. */
  encodeRelay(items: readonly RelayItem[]): RelayCall;
  /** What each of them would come to. */
  simulateRelay(items: readonly RelayItem[]): Promise<RelaySimulation>;
  /**
   * Gas for all of them, with a margin, and with all that the contracts allow those whose accounts'
   * code may have a say.
   */
  estimateRelayGas(items: readonly RelayItem[]): Promise<GasEstimate>;

  /**
   * Wei; an account that has more than any chain has coins, has the widest amount that there is.
   * @param enough what is less is put to every URL: the most that one of them says counts. Absent:
   *   one URL's word will do
   */
  getBalance(owner: Address, enough?: bigint): Promise<bigint>;
  /** Wei a gas unit, as of now. */
  getGasPrice(): Promise<bigint>;
}
