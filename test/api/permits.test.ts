import { expect } from 'chai';
import { createWalletClient, http, type Abi } from 'viem';
import type { PrivateKeyAccount } from 'viem/accounts';

import type { components } from '../../api/generated/openapi.ts';
import { daiTokenAbi, daiTokenBytecode } from '../../contracts/generated/test/DaiToken.ts';
import { testWalletAbi, testWalletBytecode } from '../../contracts/generated/test/TestWallet.ts';
import { usdtTokenAbi, usdtTokenBytecode } from '../../contracts/generated/test/UsdtToken.ts';
import {
  walletPermitTokenAbi,
  walletPermitTokenBytecode,
} from '../../contracts/generated/test/WalletPermitToken.ts';
import { testTokenAbi, testTokenBytecode } from '../../contracts/generated/TestToken.ts';
import { checkPermits } from '../../domain/relay/checkPermits.ts';
import type { ChainConfig } from '../../platform/config.ts';
import type { Address } from '../../shared/hex.ts';
import { deployToken, withTokens } from '../support/deployToken.ts';
import { signTypedData } from '../support/gasless.ts';
import { createTestChain, type ChainHome } from '../support/harness.ts';
import { getStack } from '../support/stack.ts';
import {
  readProblem,
  startTestApi,
  type Payment,
  type Problem,
  type TestApi,
} from './startTestApi.ts';

type AuthorizationRequest = components['schemas']['AuthorizationRequest'];
type Readiness = components['schemas']['Readiness'];
type Typed = Parameters<typeof signTypedData>[1];

describe('permits that cannot work', function () {
  this.timeout(60_000);

  let api: TestApi;
  let home: ChainHome;
  /** By what is wrong with it. */
  let tokens: Record<
    'otherDomain' | 'otherKind' | 'noPermit' | 'notListed' | 'asksContracts',
    Address
  >;

  before(async function () {
    this.timeout(120_000);
    const stack = await getStack();
    home = { stack, chain: createTestChain(stack) };
    tokens = {
      otherDomain: await deployToken(home, testTokenAbi, testTokenBytecode, [
        'Real Name',
        'OTHER',
        6,
      ]),
      otherKind: await deployToken(home, daiTokenAbi, daiTokenBytecode),
      noPermit: await deployToken(home, usdtTokenAbi, usdtTokenBytecode, [6]),
      notListed: await deployToken(home, usdtTokenAbi, usdtTokenBytecode, [6]),
      asksContracts: await deployToken(home, walletPermitTokenAbi, walletPermitTokenBytecode),
    };
    const listed = (name: keyof typeof tokens, permit?: string): ChainConfig['tokens'][number] => ({
      ...{ address: tokens[name], symbol: name.slice(0, 16), decimals: 6 },
      ...(permit === undefined ? {} : { permit: { name: permit, version: '1' } }),
    });
    api = await startTestApi({
      config: withTokens([
        listed('otherDomain', 'Wrong Name'),
        listed('otherKind', 'Dai-like'),
        listed('noPermit', 'Tether-like'),
        listed('notListed'),
        listed('asksContracts', 'Wallet Dollar'),
      ]),
    });
  });
  after(() => api.close());

  async function ask(payment: Payment, customerAddress: Address): Promise<AuthorizationRequest> {
    const response = await api.call(
      `/payments/${payment.paymentId}/authorization?customerAddress=${customerAddress}`,
    );
    expect(response.status).to.equal(200);
    return (await response.json()) as AuthorizationRequest;
  }

  async function execute(payment: Payment, json: unknown): Promise<Response> {
    return api.call(`/payments/${payment.paymentId}/execute`, { json });
  }
  const refuse = async (
    response: Promise<Response>,
  ): Promise<Pick<Problem, 'status' | 'code' | 'reason' | 'detail'>> => {
    const { status, code, reason, detail } = await readProblem(await response);
    return {
      status,
      code,
      ...(reason === undefined ? {} : { reason }),
      ...(detail === undefined ? {} : { detail }),
    };
  };

  async function createContractWallet(
    token: Address,
  ): Promise<{ address: Address; owner: PrivateKeyAccount }> {
    const owner = await api.chain.createCustomer({});
    const address = await deployToken(home, testWalletAbi, testWalletBytecode, [owner.address]);
    await write(token, testTokenAbi, 'mint', [address, 10n ** 12n]);
    return { address, owner };
  }
  async function write(
    address: Address,
    abi: Abi,
    functionName: string,
    args: readonly unknown[],
  ): Promise<void> {
    const account = await api.chain.createCustomer({});
    const wallet = createWalletClient({ account, transport: http(api.stack.chain.rpcUrl) });
    const hash = await wallet.writeContract({
      address,
      abi,
      functionName,
      args,
      chain: api.chain.publicClient.chain,
    });
    await api.chain.publicClient.waitForTransactionReceipt({ hash });
  }

  for (const [token, approveFirst] of [
    ['otherDomain', 'unusablePermit'],
    ['otherKind', 'unusablePermit'],
    ['noPermit', 'unusablePermit'],
    ['notListed', 'noPermit'],
  ] as const) {
    it(`are not offered, and the answer says so at once (${token}); signed all the same, they are refused with the reason`, async () => {
      const customer = await api.chain.createCustomer({ token: tokens[token], approve: false });
      const payment = await api.createPayment({ token: tokens[token] });
      const request = await ask(payment, customer.address);
      expect(request).to.deep.include({ permit: null, approveFirst });
      const gasless = await api.call(
        `/payments/${payment.paymentId}/gasless?userAddress=${customer.address}`,
      );
      expect(await gasless.json()).to.deep.include({ permit: null, approveFirst });

      const signature = await signTypedData(customer, request.typedData as Typed);
      const signed = { customerAddress: customer.address, signature };
      const without = await refuse(execute(payment, signed));
      expect(without).to.include({ status: 422, code: 'PAY_002', reason: approveFirst });
      expect(without.detail)
        .to.match(/: have the payer approve the gateway first\.$/)
        .and.not.match(/sign the permit/);
      const permit = {
        value: payment.amount,
        deadline: request.deadline,
        signature: `0x${'11'.repeat(64)}1b`,
      };
      const withPermit = await refuse(execute(payment, { ...signed, permit }));
      expect(withPermit).to.include({ status: 422, code: 'PAY_002', reason: approveFirst });
      expect(withPermit.detail).to.match(/the token refuses the permit \(/);
    });
  }

  it('of contract wallets are not offered where the token asks keys only, and are refused with that reason', async () => {
    const { address, owner } = await createContractWallet(api.tokens.TUSD);
    const payment = await api.createPayment();
    const request = await ask(payment, address);
    expect(request).to.deep.include({ permit: null, approveFirst: 'contractWallet' });
    const signature = await signTypedData(owner, request.typedData as Typed);
    // What is signed for a customer with a key; the wallet's owner signs it for the wallet.
    const permit = { value: payment.amount, deadline: request.deadline, signature };
    const refused = await refuse(execute(payment, { customerAddress: address, signature, permit }));
    expect(refused).to.include({ status: 422, code: 'PAY_002', reason: 'contractWallet' });
    expect(refused.detail).to.match(
      /the permit of this token does not accept contract wallets: have the payer approve the gateway first\.$/,
    );
  });

  it('and those of contract wallets that the token asks are offered, and taken', async () => {
    const { address, owner } = await createContractWallet(tokens.asksContracts);
    const payment = await api.createPayment({ token: tokens.asksContracts });
    const { typedData, permit, approveFirst, deadline } = await ask(payment, address);
    expect(approveFirst).to.equal(null);
    if (permit === null) return expect.fail('no permit was offered');
    const signed = {
      customerAddress: address,
      signature: await signTypedData(owner, typedData as Typed),
      permit: {
        value: permit.value,
        deadline,
        signature: await signTypedData(owner, permit.typedData as Typed),
      },
    };
    expect((await execute(payment, signed)).status).to.equal(202);
  });

  for (const [what, signature] of [
    ['none, for what the wallet signed on the chain', '0x'],
    ['those of several owners', `0x${'11'.repeat(130)}`],
  ] as const) {
    it(`of contract wallets are refused, and an approval asked for, when their signature is no key’s: ${what}`, async () => {
      for (const token of [api.tokens.TUSD, tokens.asksContracts]) {
        const { address, owner } = await createContractWallet(token);
        const payment = await api.createPayment({ token });
        const { typedData, deadline } = await ask(payment, address);
        const permit = { value: payment.amount, deadline, signature };
        const signed = {
          customerAddress: address,
          signature: await signTypedData(owner, typedData as Typed),
          permit,
        };
        const refused = await refuse(execute(payment, signed));
        expect(refused).to.include({ status: 422, code: 'PAY_002', reason: 'contractWallet' });
        expect(refused.detail).to.match(
          /not one of 65 bytes \(r, s, v\)\); a permit has room for one .+: have the payer approve the gateway first\.$/,
        );
      }
    });
  }

  it('of a customer with a key, whose signature is no key’s, are to be signed anew', async () => {
    const customer = await api.chain.createCustomer({
      token: tokens.asksContracts,
      approve: false,
    });
    const payment = await api.createPayment({ token: tokens.asksContracts });
    const { typedData, deadline } = await ask(payment, customer.address);
    const permit = { value: payment.amount, deadline, signature: `0x${'11'.repeat(130)}` };
    const signed = {
      customerAddress: customer.address,
      signature: await signTypedData(customer, typedData as Typed),
      permit,
    };
    const refused = await refuse(execute(payment, signed));
    expect(refused).to.include({ status: 422, code: 'PAY_002', reason: 'permitRefused' });
    expect(refused.detail).to.match(
      /; ask anew for what to sign, or have the payer approve the gateway\.$/,
    );
  });

  it('a refused permit of a token whose permits work is told in the token’s words', async () => {
    const customer = await api.chain.createCustomer({ token: api.tokens.TUSD, approve: false });
    const payment = await api.createPayment();
    const { typedData, deadline, approveFirst } = await ask(payment, customer.address);
    expect(approveFirst).to.equal(null);
    const signature = await signTypedData(customer, typedData as Typed);
    const permit = { value: payment.amount, deadline, signature };
    const refused = await refuse(
      execute(payment, { customerAddress: customer.address, signature, permit }),
    );
    expect(refused).to.include({ status: 422, code: 'PAY_002', reason: 'permitRefused' });
    expect(refused.detail).to.match(
      /the token refuses the permit \(ERC2612InvalidSigner\(0x\w{40}, 0x\w{40}\)\)/,
    );
  });

  it('are an alert in the workers’ log, in the metrics, in readiness, and missing in the list of tokens', async () => {
    const lines: Record<string, unknown>[] = [];
    const log = Object.assign(Object.create(api.ctx.log) as typeof api.ctx.log, {
      error: (fields: Record<string, unknown>) => void lines.push(fields),
    });
    await checkPermits({ ...api.ctx, log });
    const flaws = {
      otherDomain: 'otherDomain',
      otherKind: 'otherKind',
      noPermit: 'noPermit',
    } as const;
    const alerts = lines
      .filter(({ alert }) => alert === 'permit_unusable')
      .map(({ token, flaw }) => [token, flaw]);
    expect(alerts).to.have.deep.members(
      Object.entries(flaws).map(([name, flaw]) => [tokens[name as keyof typeof flaws], flaw]),
    );

    const login = Buffer.from(`${api.config.admin.user}:${api.config.admin.password}`).toString(
      'base64',
    );
    const metrics = await (
      await fetch(`${api.url}/metrics`, { headers: { authorization: `Basic ${login}` } })
    ).text();
    const shown = metrics.split('\n').filter((line) => line.startsWith('msqpay_permit_unusable{'));
    expect(shown).to.have.length(3);
    expect(shown.join('\n')).to.include(`token="${tokens.otherDomain}",flaw="otherDomain"} 1`);

    const readiness = (await (await fetch(`${api.url}/readyz`)).json()) as Readiness;
    const down = readiness.dependencies
      .filter(({ status }) => status === 'down')
      .map(({ name }) => name);
    expect(down).to.include.members(api.config.chains.map(({ chainId }) => `permits:${chainId}`));

    const listed = (await api.client().GET('/tokens')).data?.data ?? [];
    const withPermit = listed.filter(({ permit }) => permit).map(({ address }) => address);
    expect(withPermit).to.have.members([api.tokens.TUSD, api.tokens.TEUR, tokens.asksContracts]);
  });
});
