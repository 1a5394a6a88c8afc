import type { Permit } from '../../../domain/chain/contractModel.ts';
import { asHex } from '../../../shared/hex.ts';
import type { components } from '../../generated/openapi.ts';

export function parsePermit(permit: components['schemas']['Permit'] | undefined): Permit | null {
  return permit === undefined
    ? null
    : {
        value: BigInt(permit.value),
        deadline: BigInt(permit.deadline),
        signature: asHex(permit.signature),
      };
}
