import type { IncomingMessage } from 'node:http';
import ipaddr from 'ipaddr.js';

/** `192.0.2.1:1234` and `[2001:db8::1]:1234`, as some proxies write it into `X-Forwarded-For`. */
const WITH_PORT = /^(?:(\d{1,3}(?:\.\d{1,3}){3})|\[([0-9a-fA-F:.]+)\])(?::\d{1,5})?$/;

/**
 * Who is calling, as far as the trusted proxies say: an IP address in its usual form, without a
 * port. What a proxy put there that is none counts as the address of the proxy: a caller must not
 * choose under which name it is counted.
 */
export function clientAddressOf(req: {
  readonly ip?: string | undefined;
  readonly socket: IncomingMessage['socket'];
}): string {
  return normalize(req.ip) ?? normalize(req.socket.remoteAddress) ?? '0.0.0.0';
}

function normalize(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const parts = WITH_PORT.exec(text.trim());
  const address = parts?.[1] ?? parts?.[2] ?? text.trim();
  // IPv4 in four decimal parts only: ipaddr.js takes 0x7f.1 for an address too.
  if (
    !ipaddr.isValid(address) ||
    (!address.includes(':') && !ipaddr.IPv4.isValidFourPartDecimal(address))
  )
    return undefined;
  return ipaddr.process(address).toString();
}
