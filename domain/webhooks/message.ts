import { Webhook } from 'standardwebhooks';

import { toUnixSeconds } from '../../shared/clock.ts';
import type { StoreEvent } from '../events/model.ts';

/** What is sent, as Standard Webhooks 1.0.0 says. */

/** 24 to 64 are allowed. */
const SECRET_BYTES = 32;
const SECRET_PREFIX = 'whsec_';

export function newWebhookSecret(randomBytes: (size: number) => Buffer): string {
  return SECRET_PREFIX + randomBytes(SECRET_BYTES).toString('base64');
}

/**
 * The body depends on nothing but the event as it is stored, so every attempt sends the same bytes.
 */
export function buildEventBody(event: Pick<StoreEvent, 'type' | 'createdAt' | 'data'>): string {
  return JSON.stringify({
    type: event.type,
    timestamp: event.createdAt.toISOString(),
    data: event.data,
  });
}

/**
 * @param eventId the message's id, the same in every attempt: receivers recognise a repetition by
 *   it
 * @param sentAt of this attempt, see findSigningTime: receivers refuse old ones, so that nobody can
 *   replay what they overheard
 */
export function buildSignedHeaders(input: {
  secret: string;
  eventId: string;
  sentAt: Date;
  body: string;
}): Record<string, string> {
  return {
    'webhook-id': input.eventId,
    'webhook-timestamp': String(toUnixSeconds(input.sentAt)),
    'webhook-signature': new Webhook(input.secret).sign(input.eventId, input.sentAt, input.body),
  };
}
