/** What a client was told, as it can be told again. */
export interface Reply {
  readonly status: number;
  /** What JSON can say; absent when there is no body. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An Idempotency-Key and what it was sent with. */
export interface IdempotencyClaim {
  readonly storeId: string;
  readonly key: string;
  /**
   * SHA-256 over method, path and canonical body, hex: the same key with another request is
   * refused.
   */
  readonly requestHash: string;
}
