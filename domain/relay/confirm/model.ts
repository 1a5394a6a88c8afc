import type { ProviderTransaction } from '../../relayers/ports.ts';

/**
 * `unknown`: the provider does not have it. `silent`: it does not answer, and the chain has to do.
 * `gone`: it is not configured any more.
 */
export type ProviderAnswer = ProviderTransaction | 'unknown' | 'silent' | 'gone';
