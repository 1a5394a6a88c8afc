import { createKeccak } from 'hash-wasm';

import type { Bytes32 } from './hex.ts';

/**
 * WebAssembly, and set up once: every new payment needs three of these, and in plain JavaScript
 * they were an eighth of the whole request.
 */
const hasher = await createKeccak(256);

/** keccak-256 of the bytes, as the chain computes it. */
export function keccak256(bytes: Uint8Array): Bytes32 {
  return `0x${hasher.init().update(bytes).digest('hex')}`;
}
