import dns from 'node:dns';
import type { LookupFunction } from 'node:net';

import { ADDRESS_TIMEOUT_MS } from '../shared/addressTimeout.ts';

/** For `net.connect` and `tls.connect`. */
export interface AddressOptions {
  readonly autoSelectFamily: true;
  readonly autoSelectFamilyAttemptTimeout: number;
  readonly lookup: LookupFunction;
}

/**
 * The addresses of a host are tried one after the other, always in the same order. Where the first
 * ones are dead, a connection with a limit of its own must come to the last one within it: each
 * gets an equal part of it, of as many as there were at the last connection, and no more than
 * ADDRESS_TIMEOUT_MS.
 * @param limitMs of the whole connection
 * @returns what each connection to that host is made with
 */
export function createAddressLimits(limitMs: number): (host: string) => AddressOptions {
  const counts = new Map<string, number>();
  return (host) => ({
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: Math.min(
      ADDRESS_TIMEOUT_MS,
      Math.floor(limitMs / (counts.get(host) ?? 1)),
    ),
    lookup: (name, options, done) => {
      dns.lookup(name, options, (error, found, family) => {
        if (error === null && Array.isArray(found)) counts.set(host, found.length);
        done(error, found, family);
      });
    },
  });
}
