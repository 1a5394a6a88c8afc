import { expect } from 'chai';
import { encodeFunctionData } from 'viem';
import { hostileTokenAbi } from '../../contracts/generated/test/HostileToken.ts';
import { FUNDS } from '../../dev/contracts/createWorkbench.ts';
import {
  expectRevert,
  findRevert,
  hostileMode,
  newcomer,
  payer,
  processedEvents,
  secondPayer,
  sendAt,
  stranger,
  useContracts,
} from './support.ts';

describe('MSQPayForwarder.executeWithPermit', () => {
  const world = useContracts();

  it('lets a payer without an allowance and without ether pay by two signatures', async () => {
    await world.client.setBalance({ address: newcomer.address, value: 0n });
    const terms = await world.makeTerms();
    const permit = await world.signPermit({
      owner: newcomer,
      spender: world.gateway,
      value: terms.amount,
    });
    const request = await world.signForwardRequest(newcomer, world.payData(terms));
    const receipt = await world.send(world.forwardWithPermitCall(request, world.token, permit));
    expect(processedEvents(world, receipt).map((event) => event.payer)).to.deep.equal([
      newcomer.address,
    ]);
    expect(await world.balanceOf(newcomer.address)).to.equal(FUNDS - terms.amount);
    expect(await world.balanceOf(world.merchant)).to.equal(terms.amount);
    expect(await world.forwarderNonceOf(newcomer.address)).to.equal(1n);
  });

  it('executes all the same when somebody applied the permit first', async () => {
    const terms = await world.makeTerms();
    const permit = await world.signPermit({
      owner: newcomer,
      spender: world.gateway,
      value: terms.amount,
    });
    const request = await world.signForwardRequest(newcomer, world.payData(terms));
    expect(
      (await world.send(world.permitCall(newcomer.address, world.gateway, permit))).status,
    ).to.equal('success');
    await world.send(world.forwardWithPermitCall(request, world.token, permit));
    expect(await world.payerOf(terms)).to.equal(newcomer.address);
  });

  it('fails with a wrong permit when there is no allowance, and keeps the nonce', async () => {
    const terms = await world.makeTerms();
    const permit = await world.signPermit({ owner: secondPayer, spender: world.gateway });
    const request = await world.signForwardRequest(newcomer, world.payData(terms));
    await expectRevert(
      world,
      world.forwardWithPermitCall(request, world.token, permit),
      'FailedCall',
      [],
    );
    expect(await world.forwarderNonceOf(newcomer.address)).to.equal(0n);
    // The reason, as the forwarder's call meets it.
    const inner = {
      from: world.forwarder,
      to: world.gateway,
      data: `${world.payData(terms)}${newcomer.address.slice(2)}` as const,
    };
    expect(await findRevert(world, inner)).to.deep.equal({
      errorName: 'ERC20InsufficientAllowance',
      args: [world.gateway, 0n, terms.amount],
    });
  });

  it('executes with a wrong permit when the allowance is there', async () => {
    const terms = await world.makeTerms();
    const permit = await world.signPermit({ owner: secondPayer, spender: world.gateway });
    const request = await world.signForwardRequest(payer, world.payData(terms));
    await world.send(world.forwardWithPermitCall(request, world.token, permit));
    expect(await world.payerOf(terms)).to.equal(payer.address);
  });

  it('does not care for an address without code as token', async () => {
    const terms = await world.makeTerms();
    const permit = await world.signPermit({ owner: payer, spender: world.gateway });
    const request = await world.signForwardRequest(payer, world.payData(terms));
    await world.send(world.forwardWithPermitCall(request, stranger.address, permit));
    expect(await world.payerOf(terms)).to.equal(payer.address);
  });

  it("refuses the request's target as token, and whatever else would believe the forwarder", async () => {
    const terms = await world.makeTerms();
    const permit = await world.signPermit({ owner: payer, spender: world.gateway });
    const request = await world.signForwardRequest(payer, world.payData(terms));
    await expectRevert(
      world,
      world.forwardWithPermitCall(request, world.gateway, permit),
      'MSQPayForwarderTokenTrustsForwarder',
      [world.gateway],
    );
    const trustEveryone = encodeFunctionData({
      abi: hostileTokenAbi,
      functionName: 'setTrustsEveryone',
      args: [true],
    });
    await world.send({ from: stranger.address, to: world.hostile, data: trustEveryone });
    await expectRevert(
      world,
      world.forwardWithPermitCall(request, world.hostile, permit),
      'MSQPayForwarderTokenTrustsForwarder',
      [world.hostile],
    );
    expect(await world.isProcessed(terms)).to.equal(false);
  });

  it('gives a hostile token nothing but its own failed permit', async () => {
    const terms = await world.makeTerms();
    const permit = await world.signPermit({ owner: payer, spender: world.gateway });
    const request = await world.signForwardRequest(payer, world.payData(terms));
    const setMode = encodeFunctionData({
      abi: hostileTokenAbi,
      functionName: 'setMode',
      args: [hostileMode.permitBomb],
    });
    await world.send({ from: stranger.address, to: world.hostile, data: setMode });
    await world.send(world.forwardWithPermitCall(request, world.hostile, permit));
    expect(await world.payerOf(terms)).to.equal(payer.address);
    expect(await world.balanceOf(payer.address)).to.equal(FUNDS - terms.amount);
  });

  it('checks the request as execute does', async () => {
    const terms = await world.makeTerms();
    const permit = await world.signPermit({ owner: payer, spender: world.gateway });
    const attempt = async (
      ...[signer, data, changes]: Parameters<typeof world.signForwardRequest>
    ) =>
      world.forwardWithPermitCall(
        await world.signForwardRequest(signer, data, changes),
        world.token,
        permit,
      );
    await expectRevert(
      world,
      await attempt(stranger, world.payData(terms), { from: payer.address }),
      'ERC2771ForwarderInvalidSigner',
      [stranger.address, payer.address],
    );
    await expectRevert(
      world,
      await attempt(payer, world.payData(terms), { to: world.hostile }),
      'ERC2771UntrustfulTarget',
      [world.hostile, world.forwarder],
    );
    const withEther = { ...(await attempt(payer, world.payData(terms))), value: 3n };
    await expectRevert(world, withEther, 'ERC2771ForwarderMismatchedValue', [0n, 3n]);
    const deadline = (await world.now()) + 600;
    const late = await attempt(payer, world.payData(terms), { deadline });
    expect((await sendAt(world, deadline + 1, late)).status).to.equal('reverted');
    await expectRevert(world, late, 'ERC2771ForwarderExpiredRequest', [deadline]);
  });
});
