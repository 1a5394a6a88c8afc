/**
 * Lets processes go on that may have been stopped: before that they cannot end. One that has died
 * has ended.
 */
export function letGoOn(processes: readonly { readonly pid: number }[]): void {
  for (const { pid } of processes) {
    try {
      process.kill(pid, 'SIGCONT');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}
