import { getAddress } from 'viem';

import { AppError, COMMON_ERRORS } from '../../shared/errors.ts';
import type { Address } from '../../shared/hex.ts';

/**
 * An address in EIP-55 form. Mixed case is a checksum (EIP-55), so one that does not fit is a
 * typing error and refused; all lower or all upper case carries none.
 * @param path where it stands in the request, for the answer
 * @throws AppError `COMMON_ERRORS.validation`
 */
export function parseAddress(text: string, path: string): Address {
  const digits = text.slice(2);
  const address = getAddress(`0x${digits.toLowerCase()}`);
  if (text === address || digits === digits.toLowerCase() || digits === digits.toUpperCase())
    return address;
  throw new AppError(COMMON_ERRORS.validation, {
    fields: [{ path, message: 'has a wrong EIP-55 checksum' }],
  });
}
