import { AppError } from '../../../shared/errors.ts';
import { formatAmountUnits } from '../../../shared/money.ts';
import { CHAIN_ERRORS } from '../../chain/errors.ts';
import type { PaymentRefusal } from '../../chain/ports.ts';
import { PAYMENT_ERRORS } from '../../payments/errors.ts';
import { RELAY_ERRORS } from '../errors.ts';
import type { ExplainedRefusal } from './findRefusalOf.ts';
import type { RelayItem } from '../../chain/contractModel.ts';
import type { ApproveFirst } from './offerPermit.ts';

/**
 * The real reason, as the store is told. The tokens are taken from the payer, or for a refund from
 * the merchant.
 */
export function toRefusalError(
  refusal: ExplainedRefusal,
  item: Pick<RelayItem, 'signed' | 'terms'>,
): AppError {
  const isRefund = item.signed.rail === 'refund';
  const who = isRefund ? 'merchant' : 'payer';
  const amount = formatAmountUnits(
    item.signed.rail === 'refund' ? item.signed.refund.amount : item.terms.amount,
  );
  switch (refusal.kind) {
    case 'insufficientBalance':
      return new AppError(RELAY_ERRORS.insufficientBalance, {
        detail: `The ${who} holds ${refusal.balance} of the ${amount} that are needed.`,
      });
    case 'insufficientAllowance':
      return toAllowanceError(refusal, { who, amount, approveFirst: refusal.approveFirst });
    case 'alreadyProcessed':
      return new AppError(PAYMENT_ERRORS.alreadyProcessed, {
        detail: 'The chain shows that the payment was made.',
      });
    case 'expired':
      return new AppError(PAYMENT_ERRORS.expired, {
        detail: `The payment expired at ${item.terms.expiresAt.toISOString()}.`,
      });
    case 'other':
      return new AppError(CHAIN_ERRORS.wouldRevert, { detail: refusal.reason });
  }
}

/** Beside those of ApproveFirst: this very permit is refused, and another one may do. */
const PERMIT_REFUSED = 'permitRefused';

const WHY_APPROVE: Readonly<Record<ApproveFirst, string>> = {
  noPermit: 'the token has no permit',
  unusablePermit: 'the permit of this token does not work here',
  contractWallet: 'the permit of this token does not accept contract wallets',
};

/**
 * The token may accept contract wallets; then not with what only they make, for several owners for
 * instance.
 */
const NO_ROOM = 'a permit has room for one signature of 65 bytes and no other';

function toAllowanceError(
  {
    allowance,
    permitRefusal,
    isNoKeySignature,
  }: Extract<PaymentRefusal, { kind: 'insufficientAllowance' }>,
  of: {
    readonly who: string;
    readonly amount: string;
    readonly approveFirst: ApproveFirst | undefined;
  },
): AppError {
  const { who, amount, approveFirst } = of;
  const short = `The gateway may take ${allowance} of the ${amount} that are needed`;
  const refused =
    permitRefusal === undefined ? '' : `, and the token refuses the permit (${permitRefusal})`;
  const [reason, advice] =
    approveFirst !== undefined
      ? [
          approveFirst,
          `${isNoKeySignature && approveFirst === 'contractWallet' ? NO_ROOM : WHY_APPROVE[approveFirst]}: have the ${who} approve the gateway first.`,
        ]
      : permitRefusal === undefined
        ? [undefined, `have the ${who} approve it or sign the permit.`]
        : [PERMIT_REFUSED, `ask anew for what to sign, or have the ${who} approve the gateway.`];
  return new AppError(RELAY_ERRORS.approvalRefused, {
    detail: `${short}${refused}; ${advice}`,
    ...(reason === undefined ? {} : { reason }),
  });
}
