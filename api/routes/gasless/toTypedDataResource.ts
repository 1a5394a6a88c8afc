import type { AuthorizationRequest } from '../../../domain/relay/service.ts';
import type { components } from '../../generated/openapi.ts';

type TypedData = AuthorizationRequest['typedData'];
type PermitRequest = AuthorizationRequest['permit'];

export function toTypedDataResource({ domain, types, primaryType, message }: TypedData): components['schemas']['TypedData'] {
  return { domain: { ...domain }, types: { ...types }, primaryType, message: { ...message } };
}

export function toPermitRequestResource(permit: PermitRequest): components['schemas']['PermitRequest'] {
  if (permit === null) return null;
  return { value: permit.value.toString(), deadline: String(permit.deadline), typedData: toTypedDataResource(permit.typedData) };
}
