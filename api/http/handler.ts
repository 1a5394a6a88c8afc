import type { IdempotencyClaim } from '../../domain/idempotency/model.ts';
import type { ApiKeyIdentity } from '../../domain/stores/model.ts';
import type { Context } from '../../platform/context.ts';
import type { operations } from '../generated/openapi.ts';

/**
 * What a handler gets and gives, as openapi.yaml says it. By the time a handler runs the request
 * has been checked against the document, so these types hold.
 */

/** The document's operations; those called `on…` are our outgoing webhooks. */
export type OperationId = Exclude<keyof operations, `on${Capitalize<string>}`>;
/** `x-permission: none` in the document. */
export const PUBLIC_OPERATIONS = ['getHealth', 'getReadiness'] as const satisfies OperationId[];
type PublicOperationId = (typeof PUBLIC_OPERATIONS)[number];

type Parameters<Id extends OperationId, Place extends 'path' | 'query'> =
  operations[Id]['parameters'] extends Readonly<Record<Place, infer P>>
    ? P
    : OptionalParameters<operations[Id]['parameters'], Place>;
type OptionalParameters<All, Place extends 'path' | 'query'> = All extends {
  [P in Place]?: infer P;
}
  ? [P] extends [undefined]
    ? object
    : NonNullable<P>
  : object;

type BodyOf<Id extends OperationId> = operations[Id] extends {
  requestBody: { content: { 'application/json': infer Body } };
}
  ? Body
  : undefined;

export interface OperationRequest<Id extends OperationId> {
  /** Whose API key it is; null where none is asked for. */
  readonly identity: Id extends PublicOperationId ? null : ApiKeyIdentity;
  readonly params: Parameters<Id, 'path'>;
  readonly query: Parameters<Id, 'query'>;
  readonly body: BodyOf<Id>;
  /** null: sent without an Idempotency-Key, or to an operation that takes none. */
  readonly claim: IdempotencyClaim | null;
  /** Any header, by its lower-case name. */
  header(name: string): string | undefined;
  /** Aborted when the caller is gone or this process is about to end: answer now. */
  readonly signal: AbortSignal;
}

type Responses<Id extends OperationId> = operations[Id]['responses'];
type JsonReply<Status, Response> = Response extends { content: { 'application/json': infer Body } }
  ? {
      readonly status: Status;
      readonly body: Body;
      readonly headers?: Readonly<Record<string, string>>;
    }
  : Response extends { content?: never }
    ? { readonly status: Status; readonly headers?: Readonly<Record<string, string>> }
    : never;
/** One of the replies that the document knows for this operation. Errors are thrown. */
export type ReplyOf<Id extends OperationId> = {
  [Status in keyof Responses<Id>]: JsonReply<Status, Responses<Id>[Status]>;
}[keyof Responses<Id>];

/** `replayed`: it is the stored reply to an earlier request with the same Idempotency-Key. */
export type HandlerReply<Id extends OperationId> = ReplyOf<Id> & { readonly replayed?: boolean };

export type Handler<Id extends OperationId> = (
  ctx: Context,
  request: OperationRequest<Id>,
) => Promise<HandlerReply<Id>>;
