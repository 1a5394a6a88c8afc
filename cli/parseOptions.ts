import { getAddress, isAddress } from 'viem';

import {
  API_KEY_ROLES,
  MAX_RELAY_WEIGHT,
  RELAY_PRIORITIES,
  type ApiKeyRole,
  type RelayPriority,
} from '../domain/stores/model.ts';
import type { Address } from '../shared/hex.ts';

/** What the options of commands may say. Each throws UsageError for what could not be meant. */

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export function parseAddress(text: string): Address {
  if (!isAddress(text, { strict: true }))
    throw new UsageError(`${text} is not an address (or its checksum is wrong)`);
  return getAddress(text);
}

export function parseChainId(text: string): number {
  if (!/^[1-9][0-9]{0,15}$/.test(text))
    throw new UsageError(`--chain must be a chain id, not ${text}`);
  return Number(text);
}

export function parseCount(text: string): number {
  if (!/^[1-9][0-9]{0,8}$/.test(text))
    throw new UsageError(`--count must be a number from 1, not ${text}`);
  return Number(text);
}

export function parseWeight(text: string): number {
  const weight = Number(text);
  if (!/^[1-9][0-9]{0,4}$/.test(text) || weight > MAX_RELAY_WEIGHT) {
    throw new UsageError(`--weight must be a number from 1 to ${MAX_RELAY_WEIGHT}, not ${text}`);
  }
  return weight;
}

export function parseStoreId(text: string): string {
  if (/^st_[0-9A-Z]{26}$/.test(text)) return text;
  throw new UsageError(`--store must be the id of a store (st_ and 26 characters), not ${text}`);
}

export function parseKeyId(text: string): string {
  if (/^key_[0-9A-Z]{26}$/.test(text)) return text;
  throw new UsageError(`--key must be the id of an API key (key_ and 26 characters), not ${text}`);
}

/** Addresses are kept with their checksum, ids as they are shown. */
export function parseHolder(text: string): string {
  if (isAddress(text, { strict: false })) return getAddress(text);
  if (/^0x[0-9a-f]{64}$/.test(text) || /^(st|rfd)_[0-9A-Z]{26}$/.test(text)) return text;
  throw new UsageError(
    `--holder must be an address, or the id of a payment, refund or store, not ${text}`,
  );
}

export function parseRole(text: string): ApiKeyRole {
  const role = API_KEY_ROLES.find((candidate) => candidate === text);
  if (role === undefined) throw new UsageError(`--role must be one of ${API_KEY_ROLES.join(', ')}`);
  return role;
}

export function parsePriority(text: string): RelayPriority {
  const priority = RELAY_PRIORITIES.find((candidate) => candidate === text);
  if (priority === undefined)
    throw new UsageError(`--priority must be one of ${RELAY_PRIORITIES.join(', ')}, not ${text}`);
  return priority;
}
