/**
 * What came of a call to a provider that did not work. Made anew from what the HTTP client or the
 * SDK throws (the latter carries the API key after a failed login), which is never kept, not even
 * as a cause.
 */
export type CallFailure =
  /** The input was refused on our side. Nothing was sent. */
  | { readonly kind: 'invalid' }
  /**
   * No session: the login (or the renewal of a token that was refused) failed or took too long. The
   * request itself was not taken.
   */
  | { readonly kind: 'login' }
  /** The connection could not be established, so not a byte of the request got out. */
  | { readonly kind: 'unreachable' }
  /** The request went out and nothing that can be relied on came back. */
  | { readonly kind: 'noAnswer' }
  /** The provider answered with this status. */
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly retryAfterMs: number | undefined;
    };

export class RelayerCallError extends Error {
  override readonly name = 'RelayerCallError';
  readonly failure: CallFailure;

  /** @param message free of credentials */
  constructor(failure: CallFailure, message: string) {
    super(message);
    this.failure = failure;
  }
}
