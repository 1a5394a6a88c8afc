import { readFileSync } from 'node:fs';

/** Linux counts in hundredths of a second for whoever asks, whatever the kernel does inside. */
const TICKS_PER_SECOND = 100;

/**
 * How long the cores have worked for children of this process that have ended, and for theirs that
 * they waited for.
 * @returns undefined where the system does not tell, which only Linux does
 */
export function readReapedCpuSeconds(): number | undefined {
  let stat: string;
  try {
    stat = readFileSync('/proc/self/stat', 'utf8');
  } catch {
    return undefined;
  }
  // The second field is the program's name in brackets, which may hold anything. `cutime` and
  // `cstime` are the 16th and 17th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND;
}
