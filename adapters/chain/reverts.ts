import { decodeErrorResult, parseAbi } from 'viem';

import { msqPayForwarderAbi } from '../../contracts/generated/MSQPayForwarder.ts';
import { paymentGatewayAbi } from '../../contracts/generated/PaymentGateway.ts';
import type { Hex } from '../../shared/hex.ts';

/** ERC-6093, as OpenZeppelin's tokens revert since 5.0, and what their permits revert with. */
const TOKEN_ERRORS = parseAbi([
  'error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed)',
  'error ERC20InsufficientAllowance(address spender, uint256 allowance, uint256 needed)',
  'error ERC20InvalidSender(address sender)',
  'error ERC20InvalidReceiver(address receiver)',
  'error ERC20InvalidApprover(address approver)',
  'error ERC20InvalidSpender(address spender)',
  'error ERC2612ExpiredSignature(uint256 deadline)',
  'error ERC2612InvalidSigner(address signer, address owner)',
]);

/** What `revert("text")` and failed assertions of the language itself give. */
const LANGUAGE_ERRORS = parseAbi(['error Error(string reason)', 'error Panic(uint256 code)']);

const ERRORS = [
  ...paymentGatewayAbi.filter((item) => item.type === 'error'),
  ...msqPayForwarderAbi.filter((item) => item.type === 'error'),
  ...TOKEN_ERRORS,
  ...LANGUAGE_ERRORS,
];

export type Revert = ReturnType<typeof decode>;

/** undefined: none of the errors that we know, nor a text (`Error`) or a `Panic`. */
export function decodeRevert(data: Hex): Revert | undefined {
  try {
    return decode(data);
  } catch {
    return undefined;
  }
}

/** For people, as everything here. */
export const NO_REASON = 'no reason given';

/** For people. A token chooses the text itself, so it is cut and stripped. */
export function describeRevert(data: Hex): string {
  if (data === '0x') return NO_REASON;
  const revert = decodeRevert(data);
  if (revert === undefined) return `unknown error ${data.slice(0, 10)}`;
  // Absent for an error without parameters, whatever its type says.
  const args = ((revert.args as readonly unknown[] | undefined) ?? []).map(String).join(', ');
  const text = revert.errorName === 'Error' ? args : `${revert.errorName}(${args})`;
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
}

function decode(data: Hex) {
  return decodeErrorResult({ abi: ERRORS, data });
}
