/**
 * The chain that all contract tests share; every test starts from the same state and leaves nothing
 * behind.
 */
import { expect } from 'chai';
import {
  BaseError,
  decodeErrorResult,
  decodeFunctionResult,
  parseEventLogs,
  type Address,
  type Hex,
  type Log,
  type TransactionReceipt,
} from 'viem';
import { msqPayForwarderAbi } from '../../contracts/generated/MSQPayForwarder.ts';
import { paymentGatewayAbi } from '../../contracts/generated/PaymentGateway.ts';
import {
  hostileTokenAbi,
  hostileTokenBytecode,
} from '../../contracts/generated/test/HostileToken.ts';
import { testTokenAbi } from '../../contracts/generated/TestToken.ts';
import {
  accountAt,
  createWorkbench,
  type Call,
  type Workbench,
} from '../../dev/contracts/createWorkbench.ts';

/** Has funds and has allowed the gateway to take them. */
export const payer = accountAt(3);
/** The same. */
export const secondPayer = accountAt(4);
/** Has funds, but has allowed nothing. */
export const newcomer = accountAt(5);
/** Has allowed everything, but has no funds. */
export const pauper = accountAt(6);
/** Has nothing but ether. */
export const stranger = accountAt(7);

export interface World extends Workbench {
  /** Misbehaves on demand; `payer` and `secondPayer` have it and have allowed it. */
  hostile: Address;
}

let shared: Promise<World> | undefined;

/** Call inside a `describe`. The result is usable in hooks and tests, not before. */
export function useContracts(): World {
  const world = {} as World;
  let snapshot: Hex | undefined;
  before(async function () {
    this.timeout(120_000);
    shared ??= createWorld();
    Object.assign(world, await shared);
  });
  beforeEach(async () => {
    snapshot = await world.client.snapshot();
  });
  afterEach(async () => {
    if (snapshot !== undefined) await world.client.revert({ id: snapshot });
    snapshot = undefined;
  });
  return world;
}

after(async () => {
  if (shared !== undefined) await (await shared).close();
});

async function createWorld(): Promise<World> {
  const bench = await createWorkbench();
  const hostile = await bench.deploy(hostileTokenAbi, hostileTokenBytecode);
  for (const { address } of [payer, secondPayer]) {
    await bench.mint(address);
    await bench.approve(address);
    await bench.mint(address, undefined, hostile);
    await bench.approve(address, undefined, hostile);
  }
  await bench.mint(newcomer.address);
  await bench.approve(pauper.address);
  return { ...bench, hostile };
}

export interface DecodedError {
  errorName: string;
  args: readonly unknown[];
}

const errorAbi = [
  ...paymentGatewayAbi,
  ...msqPayForwarderAbi,
  ...testTokenAbi,
  ...hostileTokenAbi,
].filter((item) => item.type === 'error');

export function decodeError(data: Hex): DecodedError {
  const { errorName, args } = decodeErrorResult({ abi: errorAbi, data });
  return { errorName, args: args ?? [] };
}

/** A call, or the creation of a contract when there is nobody it goes to. */
type Attempt = Omit<Call, 'to'> & { to?: Address };

/** What the call would revert with; fails if it would not revert. */
export async function findRevert(world: World, call: Attempt): Promise<DecodedError> {
  return decodeError(await findRevertData(world, call));
}

async function findRevertData(world: World, { from, ...attempt }: Attempt): Promise<Hex> {
  try {
    await world.client.call({ account: from, ...attempt });
  } catch (error) {
    const source =
      error instanceof BaseError
        ? error.walk((cause) => typeof (cause as { data?: unknown }).data === 'string')
        : undefined;
    if (source === null || source === undefined) throw error;
    return (source as unknown as { data: Hex }).data;
  }
  return expect.fail('The call did not revert');
}

/**
 * The call reverts with this error, both when simulated and when really sent, and the chain is as
 * before but for the fee.
 */
export async function expectRevert(
  world: World,
  call: Call,
  errorName: string,
  args: readonly unknown[],
): Promise<void> {
  expect(await findRevert(world, call)).to.deep.equal({ errorName, args });
  const receipt = await world.send({ gas: 3_000_000n, ...call });
  expect(receipt.status).to.equal('reverted');
  expect(receipt.logs).to.deep.equal([]);
}

/**
 * Mines the next block in this second exactly. The call is sent with enough gas, so that its
 * failure is in the receipt.
 */
export async function sendAt(
  world: World,
  timestamp: number,
  call: Call,
): Promise<TransactionReceipt> {
  await world.client.setNextBlockTimestamp({ timestamp: BigInt(timestamp) });
  const receipt = await world.send({ ...call, gas: 3_000_000n });
  expect(
    Number((await world.client.getBlock({ blockNumber: receipt.blockNumber })).timestamp),
  ).to.equal(timestamp);
  return receipt;
}

/** The chain's clock stands at this second from now on, for calls as for transactions. */
export async function travelTo(world: World, timestamp: number): Promise<void> {
  await world.client.setNextBlockTimestamp({ timestamp: BigInt(timestamp) });
  await world.client.mine({ blocks: 1 });
}

export function processedEvents(world: World, receipt: TransactionReceipt) {
  return parseEventLogs({
    abi: paymentGatewayAbi,
    eventName: 'PaymentProcessed',
    logs: ofGateway(world, receipt),
  }).map((log) => log.args);
}

/** `reason` is decoded, or undefined when it is empty. */
export function rejectedEvents(world: World, receipt: TransactionReceipt) {
  return parseEventLogs({
    abi: paymentGatewayAbi,
    eventName: 'PaymentRejected',
    logs: ofGateway(world, receipt),
  }).map(({ args }) => ({
    paymentId: args.paymentId,
    reason: args.reason === '0x' ? undefined : decodeError(args.reason),
  }));
}

export function refundedEvents(world: World, receipt: TransactionReceipt) {
  return parseEventLogs({
    abi: paymentGatewayAbi,
    eventName: 'RefundProcessed',
    logs: ofGateway(world, receipt),
  }).map((log) => log.args);
}

/** `reason` is decoded, or undefined when it is empty. */
export function rejectedRefundEvents(world: World, receipt: TransactionReceipt) {
  return parseEventLogs({
    abi: paymentGatewayAbi,
    eventName: 'RefundRejected',
    logs: ofGateway(world, receipt),
  }).map(({ args }) => ({
    paymentId: args.paymentId,
    nonce: args.nonce,
    reason: args.reason === '0x' ? undefined : decodeError(args.reason),
  }));
}

/**
 * What a simulation of a batch function answers for each item; `reason` is decoded, or undefined
 * when it is empty.
 */
export async function simulateBatch(
  world: World,
  { from, ...call }: Call,
): Promise<{ success: boolean; reason: DecodedError | undefined }[]> {
  return (await simulateRawBatch(world, { from, ...call })).map(({ success, reason }) => ({
    success,
    reason: reason === '0x' ? undefined : decodeError(reason),
  }));
}

export async function simulateRawBatch(world: World, { from, ...call }: Call) {
  const { data = '0x' } = await world.client.call({ account: from, ...call });
  // All batch functions answer alike.
  return decodeFunctionResult({ abi: paymentGatewayAbi, functionName: 'executePayments', data });
}

export const succeeded = { success: true, reason: undefined };
export const failed = (errorName: string, args: readonly unknown[]) => ({
  success: false,
  reason: { errorName, args },
});

export function ofGateway(world: World, receipt: TransactionReceipt): Log[] {
  return receipt.logs.filter((log) => log.address.toLowerCase() === world.gateway.toLowerCase());
}

/** The numbers of `enum Mode` in HostileToken.sol. */
export const hostileMode = {
  honest: 0,
  revertWithReason: 1,
  revertSilently: 2,
  returnFalse: 3,
  returnFalseAfterMoving: 4,
  returnNothing: 5,
  returnTrueWithoutMoving: 6,
  takeFee: 7,
  burnGas: 8,
  revertBomb: 9,
  returnBomb: 10,
  reenter: 11,
  permitBurnsGas: 12,
  permitBomb: 13,
  trustBurnsGas: 14,
} as const;
