/**
 * RFC 3339, section 5.6. A plus sign that a client did not encode arrives as a space: nothing else
 * can be meant by it.
 */
const DATE_TIME =
  /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:[Zz]|([+ -])(\d{2}):(\d{2}))$/;

/** What the database's DATETIME can hold, and our payments can have. */
const EARLIEST = Date.UTC(1970, 0, 1);
const LATEST = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/**
 * The one reading of a moment in a request: the validator's format `date-time` asks it too, so that
 * what passes is a date.
 *
 * @returns undefined for what is no moment: another notation, 30 February, a leap second, a year
 *   that is out of reach
 */
export function parseMoment(text: string): Date | undefined {
  const parts = DATE_TIME.exec(text);
  if (parts === null) return undefined;
  const [year, month, day, hours, minutes, seconds] = parts.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const milliseconds = Number((parts[7] ?? '').padEnd(3, '0').slice(0, 3));
  const offsetHours = Number(parts[9] ?? 0);
  const offsetMinutes = Number(parts[10] ?? 0);
  if (hours > 23 || minutes > 59 || seconds > 59 || offsetHours > 23 || offsetMinutes > 59)
    return undefined;
  const local = new Date(Date.UTC(year, month - 1, day, hours, minutes, seconds, milliseconds));
  // Days that the month does not have run into the next one. Years below 100 mean others to
  // Date.UTC, and are out of reach.
  if (
    local.getUTCFullYear() !== year ||
    local.getUTCMonth() !== month - 1 ||
    local.getUTCDate() !== day
  )
    return undefined;
  const sign = parts[8] === '-' ? -1 : 1;
  const time = local.getTime() - sign * (offsetHours * 60 + offsetMinutes) * 60_000;
  return time >= EARLIEST && time <= LATEST ? new Date(time) : undefined;
}
