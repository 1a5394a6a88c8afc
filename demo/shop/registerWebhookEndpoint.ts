import { randomUUID } from 'node:crypto';

import type { ApiClient } from './createClient.ts';
import { expectData, expectSuccess } from './expectData.ts';
import type { StateFile } from './openStateFile.ts';

/**
 * Tells the payment server where to send its webhooks, unless it knows already, and keeps the
 * secret, which is shown this once.
 * @param url where `receiveWebhook` listens, as the payment server reaches it
 */
export async function registerWebhookEndpoint(
  client: ApiClient,
  stateFile: StateFile,
  url: string,
): Promise<'created' | 'reused'> {
  const { data: endpoints } = expectData(await client.GET('/webhook-endpoints'));
  const known = stateFile.state.webhookEndpoint;
  const ours = endpoints.find((endpoint) => endpoint.id === known?.registered?.id);
  if (known?.url === url && ours?.status === 'enabled') return 'reused';

  const isUnanswered = known?.url === url && known.registered === null;
  if (known !== null && !isUnanswered) {
    for (const endpoint of endpoints)
      if (endpoint.id === known.registered?.id || endpoint.url === known.url)
        await removeEndpoint(client, endpoint.id);
  }
  const idempotencyKey = isUnanswered ? known.idempotencyKey : randomUUID();
  stateFile.update((state) => {
    state.webhookEndpoint = { url, idempotencyKey, registered: null };
  });
  const created = expectData(
    await client.POST('/webhook-endpoints', {
      params: { header: { 'Idempotency-Key': idempotencyKey } },
      body: { url },
    }),
  );
  stateFile.update((state) => {
    state.webhookEndpoint = {
      url,
      idempotencyKey,
      registered: { id: created.id, secret: created.secret },
    };
  });

  // Others at our address are from before the state file was lost: nobody has their secrets, so
  // their deliveries can only be refused.
  for (const endpoint of endpoints)
    if (endpoint.url === url && endpoint.id !== created.id)
      await removeEndpoint(client, endpoint.id);
  return 'created';
}

async function removeEndpoint(client: ApiClient, endpointId: string): Promise<void> {
  const reply = await client.DELETE('/webhook-endpoints/{endpointId}', {
    params: { path: { endpointId } },
  });
  // Gone is what we wanted.
  if (reply.response.status !== 404) expectSuccess(reply);
}
