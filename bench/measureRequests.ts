import autocannon from 'autocannon';

export interface RequestMeasurement {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface MeasuredRequest {
  readonly url: string;
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Asked for in turn, instead of the url's own path. */
  readonly paths?: readonly string[];
}

/** @throws Error when any answer was not 2xx: a figure for errors would be worthless */
export async function measureRequests(
  request: MeasuredRequest,
  connections: number,
  seconds: number,
): Promise<RequestMeasurement> {
  const result = await autocannon({
    url: request.url,
    method: request.method,
    headers: { ...request.headers },
    ...(request.body === undefined ? {} : { body: request.body }),
    ...(request.paths === undefined ? {} : { requests: request.paths.map((path) => ({ path })) }),
    connections,
    duration: seconds,
  });
  if (result.non2xx > 0 || result.errors > 0) {
    throw new Error(
      `${request.method} ${request.url}: ${result.non2xx} answers were not 2xx, ${result.errors} connections failed`,
    );
  }
  return {
    perSecond: result['2xx'] / result.duration,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
  };
}
