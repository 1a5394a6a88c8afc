import type { RelayerAlert, RelayerStanding } from '../model.ts';

export function decideAlerts(input: {
  readonly standing: RelayerStanding;
  readonly balance: bigint | null;
  readonly lowBelow: bigint | null;
  readonly hasStuckNonce: boolean;
  readonly oldestInFlightMs: number | null;
  readonly stuckAfterMs: number;
}): RelayerAlert[] {
  const { standing, balance, oldestInFlightMs } = input;
  const alerts: RelayerAlert[] = [];
  if (
    standing === 'poor' ||
    (balance !== null && input.lowBelow !== null && balance < input.lowBelow)
  )
    alerts.push('relayer_balance_low');
  if (standing === 'paused') alerts.push('relayer_paused');
  if (standing === 'silent') alerts.push('relayer_silent');
  if (oldestInFlightMs !== null && oldestInFlightMs > input.stuckAfterMs)
    alerts.push('relayer_stuck');
  if (input.hasStuckNonce) alerts.push('relayer_stuck_nonce');
  return alerts;
}
