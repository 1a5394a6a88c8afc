import { z } from 'zod';

/** What the API refused, as its problem+json says it. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  /** The HTTP status. */
  readonly status: number;
  /**
   * `PAY_…`, stable: what a program decides by. Undefined when something else than the API
   * answered.
   */
  readonly code: string | undefined;
  /** To quote to the payment server's operator. */
  readonly requestId: string | undefined;

  constructor(
    status: number,
    problem: {
      code?: string | undefined;
      title?: string | undefined;
      detail?: string | undefined;
      requestId?: string | undefined;
    },
  ) {
    super(
      [problem.code, problem.detail ?? problem.title ?? `the payment server answered ${status}`]
        .filter(Boolean)
        .join(': '),
    );
    this.status = status;
    this.code = problem.code;
    this.requestId = problem.requestId;
  }
}

const problemSchema = z.object({
  code: z.string().optional(),
  title: z.string().optional(),
  detail: z.string().optional(),
  requestId: z.string().optional(),
});

interface Reply<Data> {
  readonly data?: Data;
  readonly error?: unknown;
  readonly response: Response;
}

/**
 * The data of a successful reply.
 * @throws ApiProblem when the API refused
 */
export function expectData<Data>(reply: Reply<Data>): Data {
  expectSuccess(reply);
  if (reply.data === undefined)
    throw new ApiProblem(reply.response.status, {
      title: 'the payment server answered without a body',
    });
  return reply.data;
}

/**
 * For replies that have no body.
 * @throws ApiProblem when the API refused
 */
export function expectSuccess({ error, response }: Reply<unknown>): void {
  if (response.ok) return;
  // A proxy in between may answer with anything.
  const problem = problemSchema.safeParse(error);
  throw new ApiProblem(response.status, problem.success ? problem.data : {});
}
