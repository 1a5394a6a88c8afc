/**
 * Byte strings as the chain writes them. Addresses are kept in EIP-55 form, hashes in lower case,
 * so that equality is `===`.
 */

export type Hex = `0x${string}`;
/** 20 bytes, EIP-55 checksummed. */
export type Address = Hex;
/** 32 bytes, lower case. */
export type Bytes32 = Hex;

const BYTES32_PATTERN = /^0x[0-9a-f]{64}$/;

export function isBytes32(text: string): text is Bytes32 {
  return BYTES32_PATTERN.test(text);
}

/**
 * For text that a database column or a library already guarantees. Throws when the guarantee is
 * broken.
 */
export function asBytes32(text: string): Bytes32 {
  if (!isBytes32(text)) throw new TypeError('expected 32 bytes of lower-case hex');
  return text;
}

export function asHex(text: string): Hex {
  if (!/^0x[0-9a-fA-F]*$/.test(text)) throw new TypeError('expected a hex string');
  return text as Hex;
}
