/**
 * Token amounts: whole numbers of the token's smallest unit, as branded bigints inside and decimal
 * strings outside. This file is the only place where one becomes the other; no float ever touches
 * an amount.
 */

/**
 * An amount in the token's smallest unit, > 0 and at most 65 digits (the widest DECIMAL that MySQL
 * and MariaDB have).
 */
export type AmountUnits = bigint & { readonly __brand: 'AmountUnits' };

/**
 * The wire form: no sign, no leading zero, no exponent, at most 65 digits. Mirrors the pattern in
 * openapi.yaml.
 */
const AMOUNT_PATTERN = /^[1-9][0-9]{0,64}$/;

/**
 * The contract holds amounts as uint256; 65 digits stay far below its 78, so every amount that
 * parses fits.
 */
export function parseAmountUnits(text: string): AmountUnits {
  if (!AMOUNT_PATTERN.test(text))
    throw new RangeError(
      'an amount is a positive whole number of at most 65 digits, without leading zeros',
    );
  return BigInt(text) as AmountUnits;
}

export function formatAmountUnits(amount: AmountUnits): string {
  return amount.toString(10);
}

/**
 * The amount as a person reads it: `formatDecimal(1500000n, 6)` is "1.5".
 * @param decimals the token's decimals, 0 to 77
 */
export function formatDecimal(amount: AmountUnits, decimals: number): string {
  const digits = amount.toString(10).padStart(decimals + 1, '0');
  const whole = digits.slice(0, digits.length - decimals);
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, '');
  return fraction === '' ? whole : `${whole}.${fraction}`;
}
