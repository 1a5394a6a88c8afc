import { setDefaultAutoSelectFamilyAttemptTimeout } from 'node:net';

import { ADDRESS_TIMEOUT_MS } from '../shared/addressTimeout.ts';

/** For the whole process: each of ours calls it before it connects to anything. */
export function allowSlowConnections(): void {
  setDefaultAutoSelectFamilyAttemptTimeout(ADDRESS_TIMEOUT_MS);
}
