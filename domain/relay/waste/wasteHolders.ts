import type { Blame, WasteHolder, WasteRule } from './decideWaste.ts';
import { signerOf, type RelayAttempt } from '../model.ts';

type Request = Pick<RelayAttempt, 'signed' | 'paymentId' | 'refundId' | 'storeId'>;

/** Whose failures speak against a request. */
export function wasteHoldersOf(request: Request): WasteHolder[] {
  const signer = signerOf(request.signed);
  return [
    { rule: 'signer', holder: signer },
    { rule: 'late', holder: lateHolderOf(signer) },
    { rule: 'subject', holder: request.refundId ?? request.paymentId },
    { rule: 'store', holder: request.storeId },
  ];
}

/**
 * Under this a signer's lateness is counted: apart from other failures, since it is forgiven
 * longer.
 */
export function lateHolderOf(signer: string): string {
  return `late:${signer}`;
}

const COUNTED: Readonly<Record<Blame, readonly WasteRule[]>> = {
  nobody: [],
  subject: ['subject', 'store'],
  signer: ['signer', 'subject', 'store'],
  late: ['late', 'store'],
};

/** Those that a request is counted against. */
export function wasteHoldersFor(request: Request, blame: Blame): WasteHolder[] {
  return wasteHoldersOf(request).filter(({ rule }) => COUNTED[blame].includes(rule));
}
