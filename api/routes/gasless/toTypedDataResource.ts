import type { AuthorizationRequest } from '../../../domain/relay/getAuthorizationRequest.ts';
import type { components } from '../../generated/openapi.ts';

type TypedData = AuthorizationRequest['typedData'];
type PermitOffer = Pick<AuthorizationRequest, 'permit' | 'approveFirst'>;

export function toTypedDataResource({
  domain,
  types,
  primaryType,
  message,
}: TypedData): components['schemas']['TypedData'] {
  return { domain: { ...domain }, types: { ...types }, primaryType, message: { ...message } };
}

/** How the gateway may come to take the tokens, where it may not yet. */
export function toPermitOfferResource({
  permit,
  approveFirst,
}: PermitOffer): Pick<components['schemas']['AuthorizationRequest'], 'permit' | 'approveFirst'> {
  const request = permit && {
    value: permit.value.toString(),
    deadline: String(permit.deadline),
    typedData: toTypedDataResource(permit.typedData),
  };
  return { permit: request, approveFirst };
}
