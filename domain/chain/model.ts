/**
 * Why blocks that the scanner had passed were read again:
 *
 *   audit    maintenance looks at old blocks at random
 *   missed   the gateway's storage, or a receipt, shows a payment or refund as made whose event was
 *            not seen
 *   rescan   an operator asked for it
 */
export const REREAD_REASONS = ['audit', 'missed', 'rescan'] as const;
export type RereadReason = (typeof REREAD_REASONS)[number];

/**
 * What is wrong with the permit that the configuration promises of a token.
 *
 *   noPermit     the token has none: no nonces, or a call of `permit` does nothing
 *   otherDomain  its EIP-712 domain is not the configured one
 *   otherKind    its permit is older than EIP-2612 (DAI: holder, spender, nonce, expiry, allowed)
 *   refused      a permit that is signed as configured is refused all the same, for instance while
 *                the token is paused
 */
export type PermitFlaw = 'noPermit' | 'otherDomain' | 'otherKind' | 'refused';

/**
 * What became of trying a token's permit out.
 *
 *   absent    the configuration promises none
 *   works     `asContract`: of contract accounts, too, whose code is asked (ERC-1271)
 *   unusable  no permit of anybody would be taken; `detail` says what was found, for the operator
 *   unknown   the chain did not answer yet
 */
export type PermitVerdict =
  | { readonly kind: 'absent' }
  | { readonly kind: 'works'; readonly asContract: boolean }
  | { readonly kind: 'unusable'; readonly flaw: PermitFlaw; readonly detail: string }
  | { readonly kind: 'unknown' };
