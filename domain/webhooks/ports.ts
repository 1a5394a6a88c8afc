/** What one POST to a merchant's endpoint came to. Never throws: a failure is an outcome. */
export interface WebhookPostOutcome {
  /**
   * null: no answer; `error` says why. With a status, `error` says why the rest of the answer is
   * missing.
   */
  readonly statusCode: number | null;
  /**
   * Short and safe to show to the store: `timeout`, `connection refused`, `address not allowed`.
   */
  readonly error: string | null;
  readonly latencyMs: number;
  /** The start of the answer's body, at most 20 kB. */
  readonly responseBody: string | null;
  readonly retryAfterSeconds: number | null;
}

export interface WebhookSenderPort {
  post(input: {
    url: string;
    headers: Readonly<Record<string, string>>;
    body: string;
    timeoutMs: number;
  }): Promise<WebhookPostOutcome>;
}
