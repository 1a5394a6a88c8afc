const MAX_WAIT_SECONDS = 60;
const WAIT_PREFERENCE = /^wait\s*=\s*"?([0-9]{1,9})"?$/i;

/**
 * Seconds of `Prefer: wait=N` (RFC 7240), cut to what we offer. A preference that we do not
 * understand is passed over, as that RFC asks.
 */
export function parsePreferWait(header: string | undefined): number | undefined {
  for (const preference of header?.split(',') ?? []) {
    const seconds = WAIT_PREFERENCE.exec(preference.trim())?.[1];
    if (seconds !== undefined) return Math.min(Number(seconds), MAX_WAIT_SECONDS);
  }
  return undefined;
}
