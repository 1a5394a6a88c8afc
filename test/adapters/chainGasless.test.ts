import { expect } from 'chai';
import { generatePrivateKey, privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts';

import { testTokenAbi } from '../../contracts/generated/TestToken.ts';
import type { ForwardRequest } from '../../domain/chain/contractModel.ts';
import type { Hex } from '../../shared/hex.ts';
import { sign, split, startChainFixture, unixSeconds, type ChainFixture } from './chainFixture.ts';

describe('the chain adapter', () => {
  let on: ChainFixture;
  let payer: PrivateKeyAccount;

  before(async () => {
    on = await startChainFixture();
  });
  beforeEach(() => {
    payer = privateKeyToAccount(generatePrivateKey());
  });
  after(() => on.close());

  describe('a gasless payment', () => {
    it('goes from the port’s typed data over a signature and anybody’s transaction to the payment log', async () => {
      const terms = on.makeTerms();
      await on.mint(payer.address, terms.amount);
      await on.approve(payer, terms.amount);
      const request = await on.makeRequest(payer, terms);
      const typedData = on.port.buildForwardRequestTypedData(request);
      expect(JSON.parse(JSON.stringify(typedData))).to.deep.equal(typedData);
      const signature = await sign(payer, typedData);
      expect(await on.verify(request, signature)).to.equal(signature);

      const call = await on.buildCall({ request, signature, terms });
      expect(call.to).to.equal(on.config.forwarder);
      const hash = await on.mine(
        on.wallet.sendTransaction({
          to: call.to,
          data: call.data,
          gas: call.gasLimit,
          account: on.relayer,
        }),
      );
      const receipt = await on.port.findReceipt(hash);
      expect(receipt?.payments).to.have.length(1);
      expect(receipt?.payments[0]).to.include({
        paymentId: on.port.paymentIdOf(terms),
        payer: payer.address,
        amount: terms.amount,
      });
      expect(receipt?.gasUsed).to.satisfy((used: bigint) => used < call.gasLimit);
      expect(await on.port.getForwarderNonce(payer.address)).to.equal(1n);
    });

    it('needs no allowance and no coin of the payer’s with a permit, even when somebody applied the permit first', async () => {
      const terms = on.makeTerms();
      await on.mint(payer.address, terms.amount);
      const request = await on.makeRequest(payer, terms);
      const signature = await sign(payer, on.port.buildForwardRequestTypedData(request));
      const permit = await on.signPermit(payer, terms.amount);
      const call = await on.buildCall({ request, signature, permit, terms });
      const hash = await on.mine(
        on.wallet.sendTransaction({
          to: call.to,
          data: call.data,
          gas: call.gasLimit,
          account: on.relayer,
        }),
      );
      expect((await on.port.findReceipt(hash))?.payments[0]).to.include({
        paymentId: on.port.paymentIdOf(terms),
        payer: payer.address,
      });

      const again = on.makeTerms();
      await on.mint(payer.address, again.amount);
      const nextRequest = await on.makeRequest(payer, again);
      const nextSignature = await sign(payer, on.port.buildForwardRequestTypedData(nextRequest));
      const nextPermit = await on.signPermit(payer, again.amount);
      const nextCall = await on.buildCall({
        request: nextRequest,
        signature: nextSignature,
        permit: nextPermit,
        terms: again,
      });
      const { v, r, s } = split(nextPermit.signature);
      await on.mine(
        on.wallet.writeContract({
          abi: testTokenAbi,
          address: on.token,
          functionName: 'permit',
          args: [payer.address, on.config.gateway, nextPermit.value, nextPermit.deadline, v, r, s],
          account: on.deployer,
        }),
      );
      const nextHash = await on.mine(
        on.wallet.sendTransaction({
          to: nextCall.to,
          data: nextCall.data,
          gas: nextCall.gasLimit,
          account: on.relayer,
        }),
      );
      expect((await on.port.findReceipt(nextHash))?.payments).to.have.length(1);
    });

    it('offers no permit for a token without one', async () => {
      const input = {
        token: on.hostileToken,
        owner: payer.address,
        value: 1n,
        deadline: unixSeconds(60),
      };
      expect(await on.port.buildPermitTypedData(input)).to.equal(undefined);
    });

    it('takes the 0 or 1 that some wallets end a signature with', async () => {
      const terms = on.makeTerms();
      await on.mint(payer.address, terms.amount);
      await on.approve(payer, terms.amount);
      const request = await on.makeRequest(payer, terms);
      const signature = await sign(payer, on.port.buildForwardRequestTypedData(request));
      const short: Hex = `0x${signature.slice(2, 130)}0${Number.parseInt(signature.slice(130), 16) - 27}`;
      expect(await on.verify(request, short)).to.equal(signature);
    });

    it('is not signed by the payer when anything differs', async () => {
      const request = await on.makeRequest(payer, on.makeTerms());
      const signature = await sign(payer, on.port.buildForwardRequestTypedData(request));
      const { r, s, v } = split(signature);
      const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
      const malleated: Hex = `${r}${(order - BigInt(s)).toString(16).padStart(64, '0')}${v === 27 ? '1c' : '1b'}`;
      for (const [changed, signed] of [
        [{ ...request, nonce: request.nonce + 1n }, signature],
        [{ ...request, gas: 1n }, signature],
        [{ ...request, deadline: request.deadline + 1 }, signature],
        [{ ...request, data: '0x' as const }, signature],
        [{ ...request, from: on.relayer.address }, signature],
        [
          request,
          await sign(
            privateKeyToAccount(generatePrivateKey()),
            on.port.buildForwardRequestTypedData(request),
          ),
        ],
        [request, malleated],
        [request, '0x'],
        [request, `0x${'00'.repeat(65)}`],
      ] satisfies [ForwardRequest, Hex][]) {
        expect(await on.verify(changed, signed)).to.equal(undefined);
      }
    });

    it('is refused before it is sent when it would revert', async () => {
      const terms = on.makeTerms();
      const request = await on.makeRequest(payer, terms, { deadline: unixSeconds(-60) });
      const signature = await sign(payer, on.port.buildForwardRequestTypedData(request));
      const items = (signedRequest: ForwardRequest, itsSignature: Hex) => [
        on.toItem({ request: signedRequest, signature: itsSignature, terms }),
      ];
      const expired = await on.port.estimateRelayGas(items(request, signature));
      expect(expired).to.include({ kind: 'refused' });
      expect(expired).to.have.property('reason').that.contains('ERC2771ForwarderExpiredRequest');

      const unpayable = await on.makeRequest(payer, terms);
      const its = await sign(payer, on.port.buildForwardRequestTypedData(unpayable));
      expect(await on.port.estimateRelayGas(items(unpayable, its)))
        .to.have.property('reason')
        .that.contains('FailedCall');
      expect(await on.port.estimateRelayGas(items(unpayable, '0x12'))).to.include({
        kind: 'refused',
      });
    });
  });
});
