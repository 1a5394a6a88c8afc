import { AppError, COMMON_ERRORS } from '../../../shared/errors.ts';
import type { Permit } from '../../chain/contractModel.ts';

/** For assertNumbersFit. */
export function permitNumbers(
  permit: Permit | null,
): (readonly [path: string, value: bigint, bits: bigint])[] {
  if (permit === null) return [];
  return [
    ['/body/permit/value', permit.value, 256n],
    ['/body/permit/deadline', permit.deadline, 256n],
  ];
}

/**
 * Decimal strings may say more than the contracts' types hold; nothing can be hashed or encoded
 * then. @throws AppError validation
 */
export function assertNumbersFit(
  numbers: readonly (readonly [path: string, value: bigint, bits: bigint])[],
): void {
  const fields = numbers.flatMap(([path, value, bits]) =>
    value < 2n ** bits ? [] : [{ path, message: `must be less than 2^${bits}` }],
  );
  if (fields.length > 0) throw new AppError(COMMON_ERRORS.validation, { fields });
}
