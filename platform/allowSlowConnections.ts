import { setDefaultAutoSelectFamilyAttemptTimeout } from 'node:net';

/**
 * Of a host with several addresses (an RPC URL, a database, a relayer), how long one is tried before the next. Node's own 250 ms are too few for a handshake
 * around the world: then such a host is never reached.
 */
const ADDRESS_TIMEOUT_MS = 3_000;

/** For the whole process: each of ours calls it before it connects to anything. */
export function allowSlowConnections(): void {
  setDefaultAutoSelectFamilyAttemptTimeout(ADDRESS_TIMEOUT_MS);
}
