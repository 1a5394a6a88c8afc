import { expect } from 'chai';
import {
  encodeFunctionData,
  parseEventLogs,
  type Address,
  type Hex,
  type TransactionReceipt,
} from 'viem';
import { msqPayForwarderAbi } from '../../contracts/generated/MSQPayForwarder.ts';
import {
  hostileTokenAbi,
  hostileTokenBytecode,
} from '../../contracts/generated/test/HostileToken.ts';
import {
  accountAt,
  FUNDS,
  type BatchPermit,
  type ForwardRequest,
} from '../../dev/contracts/createWorkbench.ts';
import {
  type DecodedError,
  expectRevert,
  failed,
  findRevert,
  hostileMode,
  newcomer,
  payer,
  pauper,
  processedEvents,
  secondPayer,
  sendAt,
  simulateBatch,
  simulateRawBatch,
  stranger,
  succeeded,
  useContracts,
} from './support.ts';

describe('MSQPayForwarder.executeBatchWithPermits', () => {
  const world = useContracts();

  const request = async (
    ...[signer, changes]: [typeof payer, Parameters<typeof world.signForwardRequest>[2]?]
  ) => world.signForwardRequest(signer, world.payData(await world.makeTerms()), changes);
  const good = () => request(secondPayer);
  const permitFor = async (
    requestIndex: number,
    owner = newcomer,
    changes: { value?: bigint; nonce?: bigint } = {},
  ): Promise<BatchPermit> => ({
    requestIndex: BigInt(requestIndex),
    token: world.token,
    permit: await world.signPermit({ owner, spender: world.gateway, ...changes }),
  });
  const outcomes = (receipt: TransactionReceipt) =>
    parseEventLogs({
      abi: msqPayForwarderAbi,
      eventName: 'ExecutedForwardRequest',
      logs: receipt.logs,
    }).map(({ args }) => [args.signer, args.nonce, args.success]);

  /** A token of its own, in this mode; `trusting` makes it a target that the forwarder accepts. */
  async function hostile(mode: number, trusting = false): Promise<Address> {
    const token = await world.deploy(hostileTokenAbi, hostileTokenBytecode);
    const tell = (data: Hex) => world.send({ from: stranger.address, to: token, data });
    await tell(encodeFunctionData({ abi: hostileTokenAbi, functionName: 'setMode', args: [mode] }));
    await tell(
      encodeFunctionData({
        abi: hostileTokenAbi,
        functionName: 'setTrustsEveryone',
        args: [trusting],
      }),
    );
    return token;
  }
  /** Calls `transferFrom` of a trusting hostile token. */
  const hostileRequest = async (mode: number, gas = 300_000n) =>
    world.signForwardRequest(payer, moveNothing, { to: await hostile(mode, true), gas });
  const moveNothing = encodeFunctionData({
    abi: hostileTokenAbi,
    functionName: 'transferFrom',
    args: [payer.address, stranger.address, 0n],
  });

  /**
   * Bad, then good: the good one is paid; the bad one has this reason, its nonce is unused and it
   * has no event.
   */
  async function expectOnlyInvalid(
    bad: ForwardRequest,
    reason: DecodedError,
    permits: BatchPermit[] = [],
  ) {
    const call = world.forwardBatchCall([bad, await good()], permits);
    expect(await simulateBatch(world, call)).to.deep.equal([{ success: false, reason }, succeeded]);
    const nonce = await world.forwarderNonceOf(bad.from);
    const nextNonce = await world.forwarderNonceOf(secondPayer.address);
    const receipt = await world.send(call);
    expect(outcomes(receipt)).to.deep.equal([[secondPayer.address, nextNonce, true]]);
    expect(processedEvents(world, receipt).map((event) => event.payer)).to.deep.equal([
      secondPayer.address,
    ]);
    expect(await world.forwarderNonceOf(bad.from)).to.equal(nonce);
    return receipt;
  }

  it('executes every request of the batch, each for its own signer', async () => {
    const call = world.forwardBatchCall([await request(payer), await request(secondPayer)]);
    expect(await simulateBatch(world, call)).to.deep.equal([succeeded, succeeded]);
    const receipt = await world.send({ ...call, from: stranger.address });
    expect(processedEvents(world, receipt).map((event) => event.payer)).to.deep.equal([
      payer.address,
      secondPayer.address,
    ]);
    expect(outcomes(receipt)).to.deep.equal([
      [payer.address, 0n, true],
      [secondPayer.address, 0n, true],
    ]);
    expect(await world.balanceOf(world.merchant)).to.equal(2_000_000n);
  });

  it('does nothing for an empty batch', async () => {
    expect(await simulateBatch(world, world.forwardBatchCall([]))).to.deep.equal([]);
    const receipt = await world.send(world.forwardBatchCall([]));
    expect(receipt.status).to.equal('success');
    expect(receipt.logs).to.deep.equal([]);
  });

  it('accepts no ether', async () => {
    const receipt = await world.send({
      ...world.forwardBatchCall([await good()]),
      value: 1n,
      gas: 1_000_000n,
    });
    expect(receipt.status).to.equal('reverted');
  });

  it('executes successive requests of one signer', async () => {
    const requests = [
      await request(payer),
      await request(payer, { nonce: 1n }),
      await good(),
      await request(payer, { nonce: 2n }),
    ];
    const call = world.forwardBatchCall(requests);
    expect(await simulateBatch(world, call)).to.deep.equal([
      succeeded,
      succeeded,
      succeeded,
      succeeded,
    ]);
    expect(outcomes(await world.send(call))).to.deep.equal([
      [payer.address, 0n, true],
      [payer.address, 1n, true],
      [secondPayer.address, 0n, true],
      [payer.address, 2n, true],
    ]);
    expect(await world.balanceOf(payer.address)).to.equal(FUNDS - 3_000_000n);
  });

  it('goes on with the next request of a signer after one that failed, since that one has used its nonce', async () => {
    const call = world.forwardBatchCall(
      [await request(newcomer), await request(newcomer, { nonce: 1n })],
      [await permitFor(1)],
    );
    expect(await simulateBatch(world, call)).to.deep.equal([
      failed('ERC20InsufficientAllowance', [world.gateway, 0n, 1_000_000n]),
      succeeded,
    ]);
    expect(outcomes(await world.send(call))).to.deep.equal([
      [newcomer.address, 0n, false],
      [newcomer.address, 1n, true],
    ]);
  });

  describe('with permits', () => {
    it('lets payers without an allowance and without ether pay by two signatures', async () => {
      await world.client.setBalance({ address: newcomer.address, value: 0n });
      const call = world.forwardBatchCall(
        [await good(), await request(newcomer)],
        [await permitFor(1)],
      );
      expect(await simulateBatch(world, call)).to.deep.equal([succeeded, succeeded]);
      const receipt = await world.send(call);
      expect(processedEvents(world, receipt).map((event) => event.payer)).to.deep.equal([
        secondPayer.address,
        newcomer.address,
      ]);
      expect(await world.balanceOf(newcomer.address)).to.equal(FUNDS - 1_000_000n);
    });

    it('applies each before its own request, any number for one', async () => {
      const exactly = { value: 1_000_000n };
      const requests = [
        await request(newcomer),
        await good(),
        await request(newcomer, { nonce: 1n }),
      ];
      const permits = [
        await permitFor(0, newcomer, { value: 5n }),
        await permitFor(0, newcomer, { ...exactly, nonce: 1n }),
        await permitFor(2, newcomer, { ...exactly, nonce: 2n }),
      ];
      const call = world.forwardBatchCall(requests, permits);
      expect(await simulateBatch(world, call)).to.deep.equal([succeeded, succeeded, succeeded]);
      await world.send(call);
      expect(await world.allowanceOf(newcomer.address)).to.equal(0n);
      expect(await world.balanceOf(newcomer.address)).to.equal(FUNDS - 2_000_000n);
    });

    it('executes all the same when somebody applied the permit first', async () => {
      const permit = await permitFor(0);
      const call = world.forwardBatchCall([await request(newcomer)], [permit]);
      expect(
        (await world.send(world.permitCall(newcomer.address, world.gateway, permit.permit))).status,
      ).to.equal('success');
      expect(await simulateBatch(world, call)).to.deep.equal([succeeded]);
      expect(outcomes(await world.send(call))).to.deep.equal([[newcomer.address, 0n, true]]);
    });

    it('gives the permit of one payer to no other', async () => {
      const call = world.forwardBatchCall(
        [await request(newcomer)],
        [await permitFor(0, secondPayer)],
      );
      expect(await simulateBatch(world, call)).to.deep.equal([
        failed('ERC20InsufficientAllowance', [world.gateway, 0n, 1_000_000n]),
      ]);
      expect(outcomes(await world.send(call))).to.deep.equal([[newcomer.address, 0n, false]]);
    });

    it('ignores one that fails, burns its gas, bombs, or is for an address without code', async () => {
      const { permit } = await permitFor(0);
      for (const token of [
        await hostile(hostileMode.honest),
        await hostile(hostileMode.permitBurnsGas),
        await hostile(hostileMode.permitBomb),
        stranger.address,
      ]) {
        const call = world.forwardBatchCall([await good()], [{ requestIndex: 0n, token, permit }]);
        expect(await simulateBatch(world, call)).to.deep.equal([succeeded]);
        const receipt = await world.send(call);
        expect(processedEvents(world, receipt)).to.have.length(1);
        expect(receipt.gasUsed < 400_000n).to.equal(true);
      }
    });

    it('lets a token that burns the gas of its permits take nothing from the other requests', async () => {
      const token = await hostile(hostileMode.permitBurnsGas);
      const { permit } = await permitFor(0);
      const permits = [0n, 0n, 0n].map((requestIndex) => ({ requestIndex, token, permit }));
      const call = world.forwardBatchCall([await request(payer), await good()], permits);
      const gas = await world.client.estimateGas({
        account: call.from,
        to: call.to,
        data: call.data,
      });
      expect(outcomes(await world.send({ ...call, gas }))).to.deep.equal([
        [payer.address, 0n, true],
        [secondPayer.address, 0n, true],
      ]);
    });

    it('skips only the request with one for a token that would believe the forwarder, or does not say in time', async () => {
      const { permit } = await permitFor(0);
      for (const token of [
        world.gateway,
        await hostile(hostileMode.honest, true),
        await hostile(hostileMode.trustBurnsGas),
      ]) {
        const reason = { errorName: 'MSQPayForwarderTokenTrustsForwarder', args: [token] };
        const receipt = await expectOnlyInvalid(await request(payer), reason, [
          { requestIndex: 0n, token, permit },
        ]);
        expect(receipt.gasUsed < 300_000n).to.equal(true);
        await expectRevert(
          world,
          world.forwardWithPermitCall(await request(payer), token, permit),
          reason.errorName,
          reason.args,
        );
      }
    });

    it('reverts when they are out of order or for a request that is not there', async () => {
      const attempt = async (...indexes: number[]) =>
        world.forwardBatchCall(
          [await request(payer), await good()],
          await Promise.all(indexes.map((index) => permitFor(index))),
        );
      await expectRevert(world, await attempt(1, 0), 'MSQPayForwarderPermitOutOfOrder', [1n, 0n]);
      await expectRevert(world, await attempt(0, 1, 0, 1), 'MSQPayForwarderPermitOutOfOrder', [
        2n,
        0n,
      ]);
      await expectRevert(world, await attempt(0, 2), 'MSQPayForwarderPermitOutOfOrder', [1n, 2n]);
      expect(await world.balanceOf(world.merchant)).to.equal(0n);
    });
  });

  describe('skips only the request, whose nonce stays unused,', () => {
    it('that somebody else signed', async () => {
      await expectOnlyInvalid(await request(stranger, { from: payer.address }), {
        errorName: 'ERC2771ForwarderInvalidSigner',
        args: [stranger.address, payer.address],
      });
    });

    it('that has no signature at all', async () => {
      const unsigned = { ...(await request(payer)), signature: '0x' as const };
      const reason = await findRevert(world, world.forwardCall(unsigned));
      expect(reason.errorName).to.equal('ERC2771ForwarderInvalidSigner');
      await expectOnlyInvalid(unsigned, reason);
    });

    it('that has another nonce than the next', async () => {
      for (const nonce of [1n, 5n]) {
        const bad = await request(payer, { nonce });
        const reason = await findRevert(world, world.forwardCall(bad));
        expect(reason.errorName).to.equal('ERC2771ForwarderInvalidSigner');
        await expectOnlyInvalid(bad, reason);
      }
    });

    it('that was executed before', async () => {
      const bad = await request(payer);
      await world.send(world.forwardCall(bad));
      await expectOnlyInvalid(bad, await findRevert(world, world.forwardCall(bad)));
    });

    it('whose target does not trust the forwarder', async () => {
      for (const to of [world.token, stranger.address]) {
        await expectOnlyInvalid(await request(payer, { to }), {
          errorName: 'ERC2771UntrustfulTarget',
          args: [to, world.forwarder],
        });
      }
    });

    it('whose target burns the gas in which it should say so', async () => {
      const to = await hostile(hostileMode.trustBurnsGas);
      const receipt = await expectOnlyInvalid(await request(payer, { to }), {
        errorName: 'ERC2771UntrustfulTarget',
        args: [to, world.forwarder],
      });
      expect(receipt.gasUsed < 300_000n).to.equal(true);
    });

    it('that carries ether', async () => {
      await expectOnlyInvalid(await request(payer, { value: 7n }), {
        errorName: 'ERC2771ForwarderMismatchedValue',
        args: [7n, 0n],
      });
    });

    it('that is out of date, and executes one in the second of its deadline', async () => {
      const deadline = (await world.now()) + 600;
      const call = world.forwardBatchCall([
        await request(payer, { deadline }),
        await request(secondPayer, { deadline: deadline + 1 }),
      ]);
      const snapshot = await world.client.snapshot();
      expect(outcomes(await sendAt(world, deadline, call))).to.have.length(2);
      await world.client.revert({ id: snapshot });
      expect(outcomes(await sendAt(world, deadline + 1, call))).to.deep.equal([
        [secondPayer.address, 0n, true],
      ]);
      await expectOnlyInvalid(await request(payer, { deadline }), {
        errorName: 'ERC2771ForwarderExpiredRequest',
        args: [deadline],
      });
    });

    it('that is in the batch twice, the second time', async () => {
      const twice = await request(payer);
      const call = world.forwardBatchCall([twice, twice]);
      const [first, second] = await simulateBatch(world, call);
      expect(first).to.deep.equal(succeeded);
      expect(second?.reason?.errorName).to.equal('ERC2771ForwarderInvalidSigner');
      expect(outcomes(await world.send(call))).to.deep.equal([[payer.address, 0n, true]]);
      expect(await world.balanceOf(world.merchant)).to.equal(1_000_000n);
    });
  });

  describe('gives the reason of a call that reverted, whose nonce is used,', () => {
    async function expectOnlyFailed(bad: ForwardRequest, reason: DecodedError | undefined) {
      const call = world.forwardBatchCall([bad, await good()]);
      expect(await simulateBatch(world, call)).to.deep.equal([
        { success: false, reason },
        succeeded,
      ]);
      const gas = await world.client.estimateGas({
        account: call.from,
        to: call.to,
        data: call.data,
      });
      const receipt = await world.send({ ...call, gas });
      expect(outcomes(receipt)).to.deep.equal([
        [bad.from, 0n, false],
        [secondPayer.address, 0n, true],
      ]);
      return receipt;
    }

    it('as the gateway gave it', async () => {
      const paid = await world.makeTerms();
      await world.send(world.payCall(secondPayer.address, paid));
      await expectOnlyFailed(await world.signForwardRequest(payer, world.payData(paid)), {
        errorName: 'PaymentAlreadyProcessed',
        args: [world.paymentIdOf(paid), secondPayer.address],
      });
    });

    it('as the token gave it', async () => {
      await expectOnlyFailed(await request(pauper), {
        errorName: 'ERC20InsufficientBalance',
        args: [pauper.address, 0n, 1_000_000n],
      });
    });

    it('as nothing when there was none', async () => {
      await expectOnlyFailed(await hostileRequest(hostileMode.revertSilently), undefined);
    });

    it('as nothing when the call ran out of its gas, of which it gets what was signed', async () => {
      const receipt = await expectOnlyFailed(
        await hostileRequest(hostileMode.burnGas, 250_000n),
        undefined,
      );
      expect(receipt.gasUsed > 250_000n && receipt.gasUsed < 500_000n).to.equal(true);
    });

    it('as its beginning when it is enormous', async () => {
      const call = world.forwardBatchCall([
        await hostileRequest(hostileMode.revertBomb),
        await good(),
      ]);
      const results = await simulateRawBatch(world, call);
      expect(
        results.map(({ success, reason }) => [success, (reason.length - 2) / 2]),
      ).to.deep.equal([
        [false, 256],
        [true, 0],
      ]);
      expect(outcomes(await world.send(call))).to.deep.equal([
        [payer.address, 0n, false],
        [secondPayer.address, 0n, true],
      ]);
    });
  });

  describe('for gas', () => {
    const gasOf = (call: { from: Address; to: Address; data: Hex }) =>
      world.client.estimateGas({ account: call.from, to: call.to, data: call.data });

    it('reverts as a whole rather than fail an item for too little, whatever the limit', async () => {
      const requests = [
        await request(newcomer),
        await request(payer),
        await request(payer, { nonce: 1n }),
      ];
      const call = world.forwardBatchCall(requests, [
        await permitFor(0),
        await permitFor(1, payer),
      ]);
      const enough = await gasOf(call);
      let reverted = 0;
      for (let gas = 80_000n; gas < enough + 40_000n; gas += 20_000n) {
        const snapshot = await world.client.snapshot();
        const receipt = await world.send({ ...call, gas });
        expect(
          outcomes(receipt).map(([, , success]) => success),
          `gas ${String(gas)}`,
        ).to.deep.equal(receipt.status === 'success' ? [true, true, true] : []);
        if (receipt.status === 'reverted') {
          reverted += 1;
          // Not all is burned: the batch says so itself before the forwarder would.
          if (gas > 250_000n) expect(receipt.gasUsed < gas, `gas ${String(gas)}`).to.equal(true);
        }
        await world.client.revert({ id: snapshot });
      }
      expect(reverted).to.be.greaterThan(5);
      expect(outcomes(await world.send({ ...call, gas: enough }))).to.have.length(3);
    });

    it('says which item it had too little for, and how much that would be', async () => {
      const call = world.forwardBatchCall(
        [await request(payer), await good()],
        [await permitFor(1, secondPayer)],
      );
      const first = await findRevert(world, { ...call, gas: 400_000n });
      expect(first.errorName).to.equal('BatchGasTooLow');
      const bytes = BigInt((world.payData(await world.makeTerms()).length - 2) / 2);
      const required = 300_000n + 300_000n / 63n + 80_000n + bytes;
      expect([first.args[0], first.args[2]]).to.deep.equal([0n, required]);
      expect((first.args[1] as bigint) < required).to.equal(true);

      const second = await findRevert(world, { ...call, gas: 500_000n });
      expect(second.errorName).to.equal('BatchGasTooLow');
      expect([second.args[0], second.args[2]]).to.deep.equal([
        1n,
        required + 150_000n + 150_000n / 63n + 40_000n,
      ]);
    });

    it('names a request that asks for more than there can be', async () => {
      const greatest = 2n ** 256n - 1n;
      const call = world.forwardBatchCall([await request(payer, { gas: greatest })]);
      const { errorName, args } = await findRevert(world, { ...call, gas: 1_000_000n });
      expect([errorName, args[0], args[2]]).to.deep.equal(['BatchGasTooLow', 0n, greatest]);
    });

    it('gives a call all it signed for, also with a first nonce, a burning permit before it and the least limit that runs', async () => {
      const burning = await hostile(hostileMode.permitBurnsGas);
      const { permit } = await permitFor(0);
      const call = world.forwardBatchCall(
        [await hostileRequest(hostileMode.burnGas)],
        [{ requestIndex: 0n, token: burning, permit }],
      );
      let [low, high] = [100_000n, 2_000_000n];
      while (high - low > 50n) {
        const gas = (low + high) / 2n;
        const fits = await world.client
          .call({ account: call.from, to: call.to, data: call.data, gas })
          .then(
            () => true,
            () => false,
          );
        if (fits) high = gas;
        else low = gas;
      }
      const receipt = await world.send({ ...call, gas: high });
      expect(outcomes(receipt)).to.deep.equal([[payer.address, 0n, false]]);
      expect(receipt.gasUsed > 450_000n).to.equal(true);
      expect((await findRevert(world, { ...call, gas: low - 50n })).errorName).to.equal(
        'BatchGasTooLow',
      );
    });

    it('pays in a batch of 50 from 50 payers with 50 permits, with what was estimated', async () => {
      const payers = Array.from({ length: 50 }, (_, index) => accountAt(20 + index));
      for (const { address } of payers) await world.mint(address);
      const requests = await Promise.all(payers.map((signer) => request(signer)));
      const permits = await Promise.all(payers.map((owner, index) => permitFor(index, owner)));
      const call = world.forwardBatchCall(requests, permits);
      const receipt = await world.send({ ...call, gas: await gasOf(call) });
      expect(processedEvents(world, receipt).map((event) => event.payer)).to.deep.equal(
        payers.map((account) => account.address),
      );
    });
  });

  it('executes each request once, even if the target of another one brings it meanwhile', async () => {
    const target = await hostile(hostileMode.honest, true);
    const calling = await world.signForwardRequest(payer, moveNothing, { to: target });
    const pending = await request(payer, { nonce: 1n });
    for (const brought of [pending, calling]) {
      const snapshot = await world.client.snapshot();
      const { to, data } = world.forwardCall(brought);
      const setReentry = encodeFunctionData({
        abi: hostileTokenAbi,
        functionName: 'setReentry',
        args: [to, data],
      });
      await world.send({ from: stranger.address, to: target, data: setReentry });
      const isPending = brought === pending;
      const call = world.forwardBatchCall([calling, pending]);
      const [first, second] = await simulateBatch(world, call);
      expect([first?.success, second?.success]).to.deep.equal([true, !isPending]);
      if (isPending) expect(second?.reason?.errorName).to.equal('ERC2771ForwarderInvalidSigner');
      const receipt = await world.send({ ...call, gas: 2_000_000n });
      const succeededInside = await world.client.readContract({
        address: target,
        abi: hostileTokenAbi,
        functionName: 'reentrySucceeded',
      });
      expect(succeededInside).to.equal(isPending);
      expect(processedEvents(world, receipt)).to.have.length(1);
      expect(await world.forwarderNonceOf(payer.address)).to.equal(2n);
      expect(await world.balanceOf(payer.address)).to.equal(FUNDS - 1_000_000n);
      await world.client.revert({ id: snapshot });
    }
  });
});
