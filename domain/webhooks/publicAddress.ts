import ipaddr from 'ipaddr.js';

/**
 * Which addresses a webhook may be posted to. A store chooses the URL, so without this rule every
 * store could make our server talk to whatever it reaches and the store does not: databases, cloud
 * metadata, other machines of the network.
 */

/** NAT64 (RFC 6052): the IPv4 address is in the last four bytes. */
const NAT64_PREFIX = ipaddr.IPv6.parse('64:ff9b::');
/**
 * All of the IPv6 internet that has been handed out so far. Excludes `::127.0.0.1` too, which
 * ipaddr.js takes for an ordinary address.
 */
const GLOBAL_UNICAST_PREFIX = ipaddr.IPv6.parse('2000::');

/**
 * Whether an address belongs to the public internet: neither private, loopback, link-local,
 * multicast nor reserved, in whatever form it is written. An IPv4 address inside an IPv6 one counts
 * as itself.
 * @param address an IP address without brackets; anything else is not public
 */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.parse(address);
  if (parsed instanceof ipaddr.IPv4) return parsed.range() === 'unicast';
  if (parsed.isIPv4MappedAddress()) return parsed.toIPv4Address().range() === 'unicast';
  if (parsed.match(NAT64_PREFIX, 96))
    return new ipaddr.IPv4(parsed.toByteArray().slice(12)).range() === 'unicast';
  return parsed.range() === 'unicast' && parsed.match(GLOBAL_UNICAST_PREFIX, 3);
}

/**
 * Names that never leave the machine or its network (RFC 6761, RFC 6762, RFC 8375, and ICANN's
 * `internal`).
 */
export function isLocalHostName(hostname: string): boolean {
  return /(^|\.)(localhost|local|internal|home\.arpa)\.?$/i.test(hostname);
}
