import { isAddress, isHex } from 'viem';
import type { Hex } from 'viem';
import type { SendRequest } from '../relayer/createSender.ts';
import { ApiError } from '../relayer/startSimulator.ts';
import type { Speed } from '../relayer/transactionStore.ts';

const defaultValidityMs = 8 * 60 * 60 * 1000;

/** The body of a send. @throws ApiError */
export function parsePayload(body: unknown, chainId: number): SendRequest {
  const fields = fieldsOf(body);
  const refuse = (message: string): never => {
    throw new ApiError(400, message);
  };
  const payload: SendRequest = {
    gasLimit: parseNumber(fields['gasLimit'], 'gasLimit') ?? refuse('gasLimit is required'),
    validUntil: new Date(Date.now() + defaultValidityMs).toISOString(),
  };
  const { to, data, speed, validUntil, isPrivate } = fields;
  if (to !== undefined)
    payload.to =
      typeof to === 'string' && isAddress(to, { strict: false })
        ? to
        : refuse('to must be an address');
  if (data !== undefined) payload.data = isHex(data) ? data : refuse('data must be hexadecimal');
  if (to === undefined && (data === undefined || data === '0x'))
    refuse('Either to or data is required');
  if (fields['value'] !== undefined) payload.value = parseBigUint(fields['value'], 'value');
  if (validUntil !== undefined) {
    const time = typeof validUntil === 'string' ? Date.parse(validUntil) : Number.NaN;
    if (Number.isNaN(time)) refuse('validUntil must be a date');
    if (time <= Date.now()) refuse('validUntil must be in the future');
    payload.validUntil = new Date(time).toISOString();
  }
  if (isPrivate !== undefined) {
    if (isPrivate === true && chainId !== 1)
      refuse('Private transactions are not supported on this network');
    payload.isPrivate = isPrivate === true;
  }
  if (speed !== undefined)
    payload.speed = isSpeed(speed)
      ? speed
      : refuse('speed must be one of safeLow, average, fast, fastest');
  for (const name of ['gasPrice', 'maxFeePerGas', 'maxPriorityFeePerGas'] as const) {
    const price = parseNumber(fields[name], name);
    if (price !== undefined) payload[name] = price;
  }
  const { gasPrice, maxFeePerGas, maxPriorityFeePerGas } = payload;
  const isDynamic = maxFeePerGas !== undefined || maxPriorityFeePerGas !== undefined;
  if ([speed !== undefined, gasPrice !== undefined, isDynamic].filter(Boolean).length > 1)
    refuse('speed, gasPrice and maxFeePerGas/maxPriorityFeePerGas cannot be set at the same time');
  if (isDynamic && (maxFeePerGas === undefined || maxPriorityFeePerGas === undefined))
    refuse('maxFeePerGas and maxPriorityFeePerGas must both be set');
  if (
    maxFeePerGas !== undefined &&
    maxPriorityFeePerGas !== undefined &&
    maxFeePerGas < maxPriorityFeePerGas
  )
    refuse('maxFeePerGas must be greater or equal to maxPriorityFeePerGas');
  return payload;
}

/** @throws ApiError when it is no JSON object */
export function fieldsOf(body: unknown): Record<string, unknown> {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new ApiError(400, 'The body must be a JSON object');
  return body as Record<string, unknown>;
}

function parseBigUint(value: unknown, name: string): bigint {
  try {
    if ((typeof value === 'string' && value.trim() !== '') || typeof value === 'number') {
      const parsed = BigInt(value);
      if (parsed >= 0n) return parsed;
    }
  } catch {
    // BigInt throws on anything that is not a whole number; answered below like a negative one.
  }
  throw new ApiError(400, `${name} must be a non-negative whole number`);
}

function parseNumber(value: unknown, name: string): number | undefined {
  return value === undefined ? undefined : Number(parseBigUint(value, name));
}

function isSpeed(value: unknown): value is Speed {
  return typeof value === 'string' && ['safeLow', 'average', 'fast', 'fastest'].includes(value);
}

export function isHash(value: unknown): value is Hex {
  return isHex(value) && value.length === 66;
}
