import createOpenApiClient, { type Client } from 'openapi-fetch';

import type { paths } from '../../api/generated/openapi.ts';
import { fetchWithRetries } from './fetchWithRetries.ts';

/** Every path, parameter and reply of it is typed by openapi.yaml. */
export type ApiClient = Client<paths>;

/**
 * @param apiUrl with the version, `http://127.0.0.1:3000/api/v1`
 * @param apiKey `sk_test_…` or `sk_live_…`. It belongs on the store's server, never in a browser.
 */
export function createClient({
  apiUrl,
  apiKey,
}: {
  readonly apiUrl: string;
  readonly apiKey: string;
}): ApiClient {
  return createOpenApiClient<paths>({
    baseUrl: apiUrl.replace(/\/+$/, ''),
    headers: { 'x-api-key': apiKey },
    fetch: (request) => fetchWithRetries(request),
  });
}
