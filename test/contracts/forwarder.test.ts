import { expect } from 'chai';
import {
  concat,
  encodeDeployData,
  encodeFunctionData,
  parseEventLogs,
  zeroAddress,
  type Hex,
} from 'viem';
import { msqPayForwarderAbi } from '../../contracts/generated/MSQPayForwarder.ts';
import {
  paymentGatewayAbi,
  paymentGatewayBytecode,
} from '../../contracts/generated/PaymentGateway.ts';
import { FUNDS } from '../../dev/contracts/createWorkbench.ts';
import {
  expectRevert,
  findRevert,
  newcomer,
  payer,
  processedEvents,
  secondPayer,
  sendAt,
  stranger,
  useContracts,
} from './support.ts';

describe('Paying through the forwarder', () => {
  const world = useContracts();

  it('takes the tokens of the signer, while the sender pays the gas', async () => {
    const terms = await world.makeTerms();
    const ether = await world.client.getBalance({ address: payer.address });
    const request = await world.signForwardRequest(payer, world.payData(terms));
    const receipt = await world.send(world.forwardCall(request));
    expect(processedEvents(world, receipt).map((event) => event.payer)).to.deep.equal([
      payer.address,
    ]);
    expect(await world.balanceOf(payer.address)).to.equal(FUNDS - terms.amount);
    expect(await world.client.getBalance({ address: payer.address })).to.equal(ether);
    expect(await world.forwarderNonceOf(payer.address)).to.equal(1n);
  });

  it('forwards payWithPermit too', async () => {
    const terms = await world.makeTerms();
    const permit = await world.signPermit({
      owner: newcomer,
      spender: world.gateway,
      value: terms.amount,
    });
    const request = await world.signForwardRequest(
      newcomer,
      world.payWithPermitData(terms, permit),
    );
    await world.send(world.forwardCall(request));
    expect(await world.payerOf(terms)).to.equal(newcomer.address);
  });

  it('executes a request once', async () => {
    const request = await world.signForwardRequest(payer, world.payData(await world.makeTerms()));
    await world.send(world.forwardCall(request));
    const { errorName } = await findRevert(world, world.forwardCall(request));
    expect(errorName).to.equal('ERC2771ForwarderInvalidSigner');
    expect(await world.balanceOf(world.merchant)).to.equal(1_000_000n);
  });

  it('refuses a request signed by somebody else, naming who would have to sign', async () => {
    const terms = await world.makeTerms();
    const request = await world.signForwardRequest(stranger, world.payData(terms), {
      from: payer.address,
    });
    await expectRevert(world, world.forwardCall(request), 'ERC2771ForwarderInvalidSigner', [
      stranger.address,
      payer.address,
    ]);
  });

  it('refuses a request after its deadline', async () => {
    const deadline = (await world.now()) + 600;
    const terms = await world.makeTerms();
    const request = await world.signForwardRequest(payer, world.payData(terms), { deadline });
    expect((await sendAt(world, deadline + 1, world.forwardCall(request))).status).to.equal(
      'reverted',
    );
    await expectRevert(world, world.forwardCall(request), 'ERC2771ForwarderExpiredRequest', [
      deadline,
    ]);
  });

  it('refuses ether that the request does not carry', async () => {
    const request = await world.signForwardRequest(payer, world.payData(await world.makeTerms()));
    await expectRevert(
      world,
      { ...world.forwardCall(request), value: 5n },
      'ERC2771ForwarderMismatchedValue',
      [0n, 5n],
    );
  });

  it('refuses a target that does not trust it', async () => {
    const request = await world.signForwardRequest(payer, world.payData(await world.makeTerms()), {
      to: world.token,
    });
    await expectRevert(world, world.forwardCall(request), 'ERC2771UntrustfulTarget', [
      world.token,
      world.forwarder,
    ]);
  });

  it('keeps the nonce of a request whose payment failed', async () => {
    const terms = await world.makeTerms();
    const request = await world.signForwardRequest(newcomer, world.payData(terms));
    await expectRevert(world, world.forwardCall(request), 'FailedCall', []);
    expect(await world.forwarderNonceOf(newcomer.address)).to.equal(0n);
    await world.approve(newcomer.address);
    await world.send(world.forwardCall(request));
    expect(await world.payerOf(terms)).to.equal(newcomer.address);
  });

  it('brings many payments in one transaction, and tells which of them failed', async () => {
    const terms = [
      await world.makeTerms(),
      await world.makeTerms(),
      await world.makeTerms(),
    ] as const;
    const requests = [
      await world.signForwardRequest(payer, world.payData(terms[0])),
      await world.signForwardRequest(newcomer, world.payData(terms[1])),
      await world.signForwardRequest(secondPayer, world.payData(terms[2])),
    ];
    const data = encodeFunctionData({
      abi: msqPayForwarderAbi,
      functionName: 'executeBatch',
      args: [requests, world.relayer],
    });
    const receipt = await world.send({ from: world.relayer, to: world.forwarder, data });
    expect(processedEvents(world, receipt).map((event) => event.payer)).to.deep.equal([
      payer.address,
      secondPayer.address,
    ]);
    const outcomes = parseEventLogs({
      abi: msqPayForwarderAbi,
      eventName: 'ExecutedForwardRequest',
      logs: receipt.logs,
    });
    expect(outcomes.map((log) => [log.args.signer, log.args.success])).to.deep.equal([
      [payer.address, true],
      [newcomer.address, false],
      [secondPayer.address, true],
    ]);
  });

  it('is the only one believed about the sender: a payer appended to the call by anyone else is ignored', async () => {
    const terms = await world.makeTerms();
    const data = concat([world.payData(terms), payer.address]);
    await expectRevert(
      world,
      { from: stranger.address, to: world.gateway, data },
      'ERC20InsufficientAllowance',
      [world.gateway, 0n, terms.amount],
    );
    const receipt = await world.send({ from: secondPayer.address, to: world.gateway, data });
    expect(processedEvents(world, receipt).map((event) => event.payer)).to.deep.equal([
      secondPayer.address,
    ]);
    expect(await world.balanceOf(payer.address)).to.equal(FUNDS);
  });

  it('puts the signer after whatever the signed data ends with', async () => {
    const terms = await world.makeTerms();
    const request = await world.signForwardRequest(
      secondPayer,
      concat([world.payData(terms), payer.address]),
    );
    await world.send(world.forwardCall(request));
    expect(await world.payerOf(terms)).to.equal(secondPayer.address);
    expect(await world.balanceOf(payer.address)).to.equal(FUNDS);
  });

  it('is fixed when the gateway is made, and must be a contract', async () => {
    const trusts = (address: Hex) =>
      world.client.readContract({
        address: world.gateway,
        abi: paymentGatewayAbi,
        functionName: 'isTrustedForwarder',
        args: [address],
      });
    expect(await trusts(world.forwarder)).to.equal(true);
    expect(await trusts(stranger.address)).to.equal(false);
    for (const bad of [zeroAddress, stranger.address]) {
      const data = encodeDeployData({
        abi: paymentGatewayAbi,
        bytecode: paymentGatewayBytecode,
        args: [bad],
      });
      expect(await findRevert(world, { from: stranger.address, data })).to.deep.equal({
        errorName: 'InvalidForwarder',
        args: [bad],
      });
    }
  });
});
