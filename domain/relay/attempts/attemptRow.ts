import { parseJsonColumn } from '../../../platform/db.ts';
import { asBytes32, asHex, type Address } from '../../../shared/hex.ts';
import { formatAmountUnits, parseAmountUnits } from '../../../shared/money.ts';
import type { RelayPriority } from '../../stores/model.ts';
import type { RelayAttempt, RelayAttemptStatus, RelayRail } from '../model.ts';
import type { Permit, SignedRequest } from '../../chain/contractModel.ts';

/** A row of relay_attempts, as ATTEMPT_COLUMNS reads it. */
export interface AttemptRow {
  readonly id: string;
  readonly payment_id: string;
  readonly refund_id: string | null;
  readonly store_id: string;
  readonly chain_id: string | number;
  readonly rail: RelayRail;
  readonly status: RelayAttemptStatus;
  readonly request: unknown;
  readonly signature: string;
  readonly permit: unknown;
  readonly runs_foreign_code: number | boolean;
  readonly priority: RelayPriority;
  readonly turn: string | number;
  readonly turn_step: string | number;
  readonly deadline: Date;
  readonly transaction_id: string | null;
  readonly batch_index: string | number | null;
  readonly sends: string | number;
  readonly batch_failures: string | number;
  readonly may_still_land: number | boolean;
  readonly reserved_gas: string | number;
  readonly reserved_cost: string;
  readonly gas_used: string | number;
  readonly gas_cost: string;
  readonly gas_charged_at: Date | null;
  readonly error_code: string | null;
  readonly error_detail: string | null;
  readonly created_at: Date;
  readonly updated_at: Date;
}

const COLUMN_NAMES = [
  ...[
    'id',
    'payment_id',
    'refund_id',
    'store_id',
    'chain_id',
    'rail',
    'status',
    'request',
    'signature',
    'permit',
    'deadline',
  ],
  ...[
    'runs_foreign_code',
    'priority',
    'turn',
    'turn_step',
    'transaction_id',
    'batch_index',
    'sends',
    'batch_failures',
    'may_still_land',
  ],
  ...['reserved_gas', 'reserved_cost', 'gas_used', 'gas_cost', 'gas_charged_at'],
  ...['error_code', 'error_detail', 'created_at', 'updated_at'],
];
/** Of the table as `a`. */
export const ATTEMPT_COLUMNS = COLUMN_NAMES.map((name) => `a.${name}`).join(', ');

/** JSON has no bigint: amounts and nonces are written as decimal strings. */
interface StoredForwardRequest {
  readonly from: Address;
  readonly to: Address;
  readonly value: string;
  readonly gas: string;
  readonly nonce: string;
  readonly deadline: number;
  readonly data: string;
}

interface StoredAuthorization {
  readonly payer: Address;
  readonly deadline: number;
}

interface StoredRefund {
  readonly merchant: Address;
  readonly amount: string;
  readonly nonce: string;
  readonly deadline: number;
}

interface StoredPermit {
  readonly value: string;
  readonly deadline: string;
  readonly signature: string;
}

export function toStoredRequest(
  signed: SignedRequest,
): StoredForwardRequest | StoredAuthorization | StoredRefund {
  switch (signed.rail) {
    case 'forwarder': {
      const { request } = signed;
      return {
        ...request,
        value: request.value.toString(),
        gas: request.gas.toString(),
        nonce: request.nonce.toString(),
      };
    }
    case 'authorization':
      return signed.authorization;
    case 'refund':
      return {
        ...signed.refund,
        amount: formatAmountUnits(signed.refund.amount),
        nonce: signed.refund.nonce.toString(),
      };
  }
}

function toSignedRequest(rail: RelayRail, column: unknown): SignedRequest {
  switch (rail) {
    case 'forwarder': {
      const stored = column as StoredForwardRequest;
      const request = {
        ...stored,
        value: BigInt(stored.value),
        gas: BigInt(stored.gas),
        nonce: BigInt(stored.nonce),
        data: asHex(stored.data),
      };
      return { rail, request };
    }
    case 'authorization':
      return { rail, authorization: column as StoredAuthorization };
    case 'refund': {
      const stored = column as StoredRefund;
      return {
        rail,
        refund: { ...stored, amount: parseAmountUnits(stored.amount), nonce: BigInt(stored.nonce) },
      };
    }
  }
}

export function toStoredPermit(permit: Permit): StoredPermit {
  return {
    value: permit.value.toString(),
    deadline: permit.deadline.toString(),
    signature: permit.signature,
  };
}

function toPermit(stored: StoredPermit): Permit {
  return {
    value: BigInt(stored.value),
    deadline: BigInt(stored.deadline),
    signature: asHex(stored.signature),
  };
}

export function toAttempt(row: AttemptRow): RelayAttempt {
  const permit = parseJsonColumn(row.permit) as StoredPermit | null;
  return {
    id: row.id,
    paymentId: asBytes32(row.payment_id),
    refundId: row.refund_id,
    storeId: row.store_id,
    chainId: Number(row.chain_id),
    status: row.status,
    signed: toSignedRequest(row.rail, parseJsonColumn(row.request)),
    signature: asHex(row.signature),
    permit: permit === null ? null : toPermit(permit),
    runsForeignCode: Boolean(row.runs_foreign_code),
    priority: row.priority,
    turn: BigInt(row.turn),
    turnStep: BigInt(row.turn_step),
    deadline: row.deadline,
    transactionId: row.transaction_id,
    batchIndex: row.batch_index === null ? null : Number(row.batch_index),
    sends: Number(row.sends),
    batchFailures: Number(row.batch_failures),
    mayStillLand: Boolean(row.may_still_land),
    reservedGas: BigInt(row.reserved_gas),
    reservedCost: BigInt(row.reserved_cost),
    gasUsed: BigInt(row.gas_used),
    gasCost: BigInt(row.gas_cost),
    gasChargedAt: row.gas_charged_at,
    errorCode: row.error_code,
    errorDetail: row.error_detail,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
