import type { Address } from '../../shared/hex.ts';

export interface Store {
  readonly id: string;
  readonly name: string;
  /**
   * Where payments go when the request names no merchant. Always one of the registered merchants.
   */
  readonly payoutAddress: Address;
}

/**
 * A store's share of the relayers, beside the others' weights: one of 200 has twice the turns of
 * one of 100, which is where a store begins.
 */
export const MAX_RELAY_WEIGHT = 10_000;

/**
 * The least first. Of a request: its place among those of its own store. Of a store: what it makes
 * of its weight.
 */
export const RELAY_PRIORITIES = ['low', 'normal', 'high'] as const;
export type RelayPriority = (typeof RELAY_PRIORITIES)[number];

/** How a store stands beside the others when they wait too: the operator's word. */
export interface RelayShare {
  readonly weight: number;
  readonly priority: RelayPriority;
}

export const API_KEY_ROLES = ['store', 'support', 'admin', 'super_admin'] as const;
export type ApiKeyRole = (typeof API_KEY_ROLES)[number];

/** What a request may do. openapi.yaml says of each operation which one it takes. */
export const PERMISSIONS = [
  'payments:read',
  'payments:write',
  'refunds:read',
  'refunds:write',
  'webhooks:read',
  'webhooks:write',
] as const;
export type Permission = (typeof PERMISSIONS)[number];

/** Support looks, and changes nothing. */
export const PERMISSIONS_OF_ROLE: Readonly<Record<ApiKeyRole, readonly Permission[]>> = {
  store: PERMISSIONS,
  support: ['payments:read', 'refunds:read', 'webhooks:read'],
  admin: PERMISSIONS,
  super_admin: PERMISSIONS,
};

/** The roles whose keys have this permission. */
export function rolesWith(permission: Permission): ApiKeyRole[] {
  return API_KEY_ROLES.filter((role) => PERMISSIONS_OF_ROLE[role].includes(permission));
}

/**
 * Who is asking: what an API key stands for. The key itself is known only to its holder; we keep
 * its SHA-256.
 */
export interface ApiKeyIdentity {
  readonly apiKeyId: string;
  readonly storeId: string;
  readonly role: ApiKeyRole;
}
