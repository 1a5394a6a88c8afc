import { isIP } from 'node:net';

import { addMs } from '../../shared/clock.ts';
import type { EventType } from '../events/model.ts';
import type { WebhookPostOutcome } from './ports.ts';
import { isLocalHostName, isPublicAddress } from './publicAddress.ts';

/** Deliveries that failed together must not come back together. */
const JITTER = 0.2;
/** A receiver may ask for patience, not make us forget the event. */
const MAX_RETRY_AFTER_MS = 24 * 3600 * 1000;
/** For a receiver that answers that it is overloaded. */
const SLOW_DOWN_FACTOR = 2;

/**
 * What Standard Webhooks asks senders to slow down for: too many requests, and a gateway in front
 * of a receiver that cannot keep up.
 */
const OVERLOAD_STATUS_CODES = new Set([429, 502, 504]);

export function isSuccess(statusCode: number | null): boolean {
  return statusCode !== null && statusCode >= 200 && statusCode <= 299;
}

export function isOverload(statusCode: number | null): boolean {
  return statusCode !== null && OVERLOAD_STATUS_CODES.has(statusCode);
}

export type DeliveryDecision =
  | { readonly kind: 'succeeded' }
  | { readonly kind: 'retry'; readonly at: Date }
  /** The schedule is used up. */
  | { readonly kind: 'failed' }
  /** 410: the receiver wants nothing any more, so its endpoint is disabled. */
  | { readonly kind: 'endpointGone' };

/**
 * What becomes of a delivery after an attempt. Only 2xx is success: a redirect is not followed (it
 * would carry the event to an address that nobody has registered), so 3xx is a failure like any
 * other.
 */
export function decideDelivery(input: {
  readonly outcome: Pick<WebhookPostOutcome, 'statusCode' | 'retryAfterSeconds'>;
  /** Of the attempt that was made, from 1. */
  readonly number: number;
  /** Seconds before each attempt, the first one's included. */
  readonly scheduleSeconds: readonly number[];
  readonly now: Date;
  /** 0 ≤ n < 1. */
  readonly random: number;
}): DeliveryDecision {
  const { statusCode, retryAfterSeconds } = input.outcome;
  if (isSuccess(statusCode)) return { kind: 'succeeded' };
  if (statusCode === 410) return { kind: 'endpointGone' };

  const scheduledSeconds = input.scheduleSeconds[input.number];
  if (scheduledSeconds === undefined) return { kind: 'failed' };
  const delayMs = jitter(
    isOverload(statusCode) ? slowDown(scheduledSeconds * 1000) : scheduledSeconds * 1000,
    input.random,
  );
  const askedMs = Math.min((retryAfterSeconds ?? 0) * 1000, MAX_RETRY_AFTER_MS);
  return { kind: 'retry', at: addMs(input.now, Math.max(delayMs, askedMs)) };
}

/** When the first attempt is due. */
export function decideFirstAttemptAt(input: {
  readonly scheduleSeconds: readonly number[];
  readonly now: Date;
  readonly random: number;
}): Date {
  return addMs(input.now, jitter((input.scheduleSeconds[0] ?? 0) * 1000, input.random));
}

/**
 * Whether a delivery that finds no place is given up: its endpoint has failed for as long as the
 * whole schedule takes, and it has been there that long. Each attempt needs a place, and an
 * endpoint that never answers frees few: those of many deliveries would take years.
 */
export function isScheduleOver(input: {
  readonly createdAt: Date;
  /** For how long its endpoint has answered nothing with 2xx. */
  readonly failingMs: number;
  readonly scheduleSeconds: readonly number[];
  readonly now: Date;
}): boolean {
  const longestMs =
    input.scheduleSeconds.reduce((sum, seconds) => sum + seconds, 0) * 1000 * (1 + JITTER);
  return input.failingMs > longestMs && input.now.getTime() - input.createdAt.getTime() > longestMs;
}

function slowDown(delayMs: number): number {
  return Math.max(delayMs, Math.min(delayMs * SLOW_DOWN_FACTOR, MAX_RETRY_AFTER_MS));
}

function jitter(delayMs: number, random: number): number {
  return Math.round(delayMs * (1 - JITTER + 2 * JITTER * random));
}

export function wantsEvent(
  endpoint: { readonly eventTypes: readonly EventType[] | null },
  type: EventType,
): boolean {
  return endpoint.eventTypes === null || endpoint.eventTypes.includes(type);
}

/**
 * Why webhooks are not sent to this URL, as a sentence for the store; undefined when they are. This
 * tells the store of a mistake while it can still see it. What a host name means is known only when
 * it is resolved, so the sender checks the address again at every connection.
 */
export function findUrlRefusal(
  text: string,
  rules: { readonly allowPrivateNetworks: boolean; readonly requireHttps: boolean },
): string | undefined {
  if (!URL.canParse(text)) return 'This is not a URL.';
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    return 'Only http and https URLs are accepted.';
  if (url.username !== '' || url.password !== '')
    return 'The URL must not contain a user name or password.';
  if (rules.allowPrivateNetworks) return undefined;
  if (url.protocol === 'http:' && rules.requireHttps) return 'Only https URLs are accepted.';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const isRefused = isIP(host) === 0 ? isLocalHostName(host) : !isPublicAddress(host);
  return isRefused
    ? 'The URL must not point to a loopback, private or reserved address.'
    : undefined;
}
