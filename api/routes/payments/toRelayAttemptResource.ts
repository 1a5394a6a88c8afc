import { signerOf, type RelayAttempt } from '../../../domain/relay/model.ts';
import type { Bytes32 } from '../../../shared/hex.ts';
import type { components } from '../../generated/openapi.ts';
import type { ErrorCode } from '../../http/problem.ts';

export function toRelayAttemptResource(
  attempt: RelayAttempt & { readonly txHash: Bytes32 | null },
): components['schemas']['RelayAttempt'] {
  return {
    id: attempt.id,
    rail: attempt.signed.rail,
    status: attempt.status,
    priority: attempt.priority,
    payer: signerOf(attempt.signed),
    txHash: attempt.txHash,
    gasUsed: attempt.gasUsed.toString(),
    gasCost: attempt.gasCost.toString(),
    // Written from our own error kinds; what is not in the description fails the check of the
    // response.
    error:
      attempt.errorCode === null
        ? null
        : { code: attempt.errorCode as ErrorCode, detail: attempt.errorDetail ?? '' },
    createdAt: attempt.createdAt.toISOString(),
    updatedAt: attempt.updatedAt.toISOString(),
  };
}
