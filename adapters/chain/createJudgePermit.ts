import {
  decodeAbiParameters,
  decodeFunctionResult,
  encodeDeployData,
  encodeFunctionData,
  hashDomain,
  parseAbi,
  toHex,
} from 'viem';
import { privateKeyToAccount } from 'viem/accounts';

import { permitProbeAbi, permitProbeBytecode } from '../../contracts/generated/PermitProbe.ts';
import type { PermitFlaw, PermitVerdict } from '../../domain/chain/model.ts';
import type { ChainPort } from '../../domain/chain/ports.ts';
import type { ChainConfig } from '../../platform/config.ts';
import type { Logger } from '../../platform/logger.ts';
import type { Address, Hex } from '../../shared/hex.ts';
import { randomBytes } from '../../shared/randomBytes.ts';
import type { RpcClients, RpcQuestions } from './createRpcClients.ts';
import { NodeAnswerError } from './NodeAnswerError.ts';
import { describeRevert } from './reverts.ts';
import { splitSignature } from './signatures.ts';
import { gasForCall } from './simulationGas.ts';
import { EIP712_DOMAIN, PERMIT, type permitTypedData } from './typedData.ts';

/** What is read of a token. */
const NONCES = {
  abi: parseAbi(['function nonces(address owner) view returns (uint256)']),
  functionName: 'nonces',
} as const;
const SEPARATOR = {
  abi: parseAbi(['function DOMAIN_SEPARATOR() view returns (bytes32)']),
  functionName: 'DOMAIN_SEPARATOR',
} as const;
const TYPE_HASH = {
  abi: parseAbi(['function PERMIT_TYPEHASH() view returns (bytes32)']),
  functionName: 'PERMIT_TYPEHASH',
} as const;
/** EIP-5267. */
const DOMAIN = {
  abi: parseAbi([
    'function eip712Domain() view returns (bytes1 fields, string name, string version, uint256 chainId, address verifyingContract, bytes32 salt, uint256[] extensions)',
  ]),
  functionName: 'eip712Domain',
} as const;

/** PermitFindings of contracts/src/PermitProbe.sol. */
const FINDINGS = [
  {
    type: 'tuple',
    components: [
      { name: 'asKey', type: 'bool' },
      { name: 'reason', type: 'bytes' },
      { name: 'asContract', type: 'bool' },
    ],
  },
] as const;

/** keccak256 of EIP-2612's type of a permit. */
const PERMIT_TYPEHASH = '0x6e71edae12b1b97f4d1f60370fef10105fa2faae0126114a169c64845d6126c9';

/**
 * A token behind a proxy may be replaced without a trace in its own code: what works is tried again
 * after this time …
 */
const KEPT_MS = 10 * 60_000;
/** … and what does not, sooner: the token may only have been paused. */
const UNUSABLE_KEPT_MS = 60_000;
/** The chain did not answer: those who ask meanwhile need not wait for its silence as well. */
const UNKNOWN_KEPT_MS = 5_000;

/**
 * Twice what the probe gives a permit, and what its own creation, a second contract's and the
 * allowances take.
 */
const PROBE_GAS = 1_500_000n;
const NO_DEADLINE = 2 ** 48 - 1;

type Domain = Parameters<typeof permitTypedData>[0];
type Permits = Pick<ChainPort, 'judgePermit' | 'listPermitVerdicts'>;

interface Kept {
  readonly verdict: PermitVerdict;
  readonly until: number;
}

/**
 * Tries a token's permit out before any customer is asked to sign one: an account that nobody has
 * signs as the configuration says, and `eth_call` tells whether the token takes it
 * (PermitProbe.sol). Nothing is sent. A chain that does not answer is no verdict: the one before
 * stands. That a permit does not work is said only when every URL that answers says so: one whose
 * node is broken or behind reverts, or answers with nothing, where the others have a token.
 * @param now milliseconds
 */
export function createJudgePermit(
  chain: Pick<ChainConfig, 'chainId' | 'gateway' | 'dataGasPerRequest' | 'tokens'>,
  rpc: RpcClients,
  { log, now }: { readonly log: Logger; readonly now: () => number },
): Permits {
  const { chainId, gateway } = chain;
  const kept = new Map<Address, Kept>();
  const asking = new Map<Address, Promise<PermitVerdict>>();

  async function judge(
    token: Address,
    domain: { readonly name: string; readonly version: string },
  ): Promise<PermitVerdict> {
    const before = kept.get(token)?.verdict;
    const { verdict, keptMs } = await tryOutSurely(token, {
      ...domain,
      chainId,
      verifyingContract: token,
    }).then(
      (found) => ({ verdict: found, keptMs: found.kind === 'works' ? KEPT_MS : UNUSABLE_KEPT_MS }),
      (error: unknown) => {
        log.warn({ chainId, token, err: error }, 'a token’s permit could not be tried out');
        return { verdict: before ?? { kind: 'unknown' as const }, keptMs: UNKNOWN_KEPT_MS };
      },
    );
    kept.set(token, { verdict, until: now() + keptMs });
    return verdict;
  }

  return {
    async judgePermit(token) {
      const domain = chain.tokens.find(({ address }) => address === token)?.permit;
      if (domain === undefined) return { kind: 'absent' };
      const known = kept.get(token);
      if (known !== undefined && now() < known.until) return known.verdict;
      const current = asking.get(token) ?? judge(token, domain).finally(() => asking.delete(token));
      asking.set(token, current);
      return current;
    },
    listPermitVerdicts: () =>
      chain.tokens.map(({ address, permit }) => ({
        token: address,
        verdict:
          permit === undefined
            ? { kind: 'absent' }
            : (kept.get(address)?.verdict ?? { kind: 'unknown' }),
      })),
  };

  async function tryOutSurely(token: Address, domain: Domain): Promise<PermitVerdict> {
    const first = await tryOut(rpc, token, domain);
    if (first.kind !== 'unusable' || rpc.eachNode.length === 1) return first;
    const heard = await Promise.allSettled(rpc.eachNode.map((node) => tryOut(node, token, domain)));
    const verdicts = heard.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const works = verdicts.find(({ kind }) => kind === 'works');
    if (works === undefined) return first;
    log.warn(
      { chainId, token, ...first, urlsThatSay: verdicts.map(({ kind }) => kind) },
      'RPC URLs disagree about whether a token’s permit works',
    );
    return works;
  }

  async function tryOut(
    node: RpcQuestions,
    token: Address,
    domain: Domain,
  ): Promise<PermitVerdict> {
    const account = privateKeyToAccount(toHex(randomBytes(32)));
    const nonce = await read(
      node,
      token,
      encodeFunctionData({ ...NONCES, args: [account.address] }),
      (data) => decodeFunctionResult({ ...NONCES, data }),
    );
    if (nonce === undefined) return unusable('noPermit', 'The token has no nonces for permits.');
    const permit = {
      owner: account.address,
      spender: gateway,
      value: 1n,
      nonce,
      deadline: NO_DEADLINE,
    };
    const signature = await account.signTypedData({
      domain,
      types: { Permit: PERMIT },
      primaryType: 'Permit',
      message: { ...permit, deadline: BigInt(permit.deadline) },
    });
    const parts = splitSignature(signature);
    if (parts === undefined) throw new Error('a signature of ours has no parts');
    const encoded = { value: permit.value, deadline: BigInt(permit.deadline), ...parts };
    const data = encodeDeployData({
      abi: permitProbeAbi,
      bytecode: permitProbeBytecode,
      args: [token, gateway, account.address, encoded],
    });
    const [{ asKey, reason, asContract }] = await node.askOneNode(
      async (_client, _urlIndex, sure) => {
        const { data: answer } = await sure.call({
          data,
          gas: PROBE_GAS + BigInt(chain.dataGasPerRequest),
        });
        if (answer === undefined) throw new NodeAnswerError('eth_call', 'nothing, of a probe');
        return decodeAbiParameters(FINDINGS, answer);
      },
    );
    return asKey ? { kind: 'works', asContract } : explain(node, token, domain, reason);
  }

  /** Why a permit that was signed as configured did nothing. */
  async function explain(
    node: RpcQuestions,
    token: Address,
    domain: Domain,
    reason: Hex,
  ): Promise<PermitVerdict> {
    const [separator, typeHash, told] = await Promise.all([
      read(node, token, encodeFunctionData(SEPARATOR), (data) =>
        decodeFunctionResult({ ...SEPARATOR, data }),
      ),
      read(node, token, encodeFunctionData(TYPE_HASH), (data) =>
        decodeFunctionResult({ ...TYPE_HASH, data }),
      ),
      read(node, token, encodeFunctionData(DOMAIN), (data) =>
        decodeFunctionResult({ ...DOMAIN, data }),
      ),
    ]);
    if (separator === undefined)
      return unusable('noPermit', 'The token has no DOMAIN_SEPARATOR, and takes no permit.');
    if (typeHash !== undefined && typeHash !== PERMIT_TYPEHASH) {
      return unusable(
        'otherKind',
        'What is signed for a permit of the token is not what EIP-2612 says (but, for instance, as with DAI).',
      );
    }
    const configured = hashDomain({
      domain: { ...domain, chainId: BigInt(domain.chainId) },
      types: { EIP712Domain: [...EIP712_DOMAIN] },
    });
    if (separator !== configured) {
      const own =
        told === undefined
          ? ''
          : ` It says that its name is ${quote(told[1])} and its version ${quote(told[2])}.`;
      const detail = `DOMAIN_SEPARATOR of the token is ${separator}, of the configured name and version it would be ${configured}.`;
      return unusable('otherDomain', `${detail}${own}`);
    }
    return unusable(
      'refused',
      `The token refuses a permit that is signed for its own domain: ${describeRevert(reason)}.`,
    );
  }

  /** undefined: the token answers with a revert, or with something else. */
  async function read<T>(
    node: RpcQuestions,
    token: Address,
    data: Hex,
    decode: (answer: Hex) => T,
  ): Promise<T | undefined> {
    const answer = await node.attemptOneNode((_client, _urlIndex, sure) =>
      sure.call({ to: token, data, gas: gasForCall(data, chain) }),
    );
    if ('revertData' in answer || answer.value.data === undefined) return undefined;
    try {
      return decode(answer.value.data);
    } catch {
      return undefined;
    }
  }
}

function unusable(flaw: PermitFlaw, detail: string): PermitVerdict {
  return { kind: 'unusable', flaw, detail };
}

/** A token chooses the text itself. */
function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
