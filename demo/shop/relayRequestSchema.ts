import { z } from 'zod';

/**
 * What a browser hands over for the relay. Only its shape is checked here: the payment server
 * checks what it says, down to the signature.
 */
export const relayRequestSchema = z
  .strictObject({
    forwardRequest: z.strictObject({
      from: z.string(),
      to: z.string(),
      value: z.string(),
      gas: z.string(),
      nonce: z.string(),
      deadline: z.string(),
      data: z.string(),
    }),
    signature: z.string(),
    permit: z
      .strictObject({ value: z.string(), deadline: z.string(), signature: z.string() })
      .nullable(),
  })
  .transform(({ permit, ...request }) => (permit === null ? request : { ...request, permit }));
