import type { Context } from '../../platform/context.ts';
import { startOfWasteWindow } from './waste/decideWaste.ts';
import { deleteWasteBefore } from './waste/wasteStore.ts';

const DELETE_CHUNK = 1_000;

/** In chunks, so that no statement holds many locks. @returns how many rows that count no more */
export async function deleteOldWaste(ctx: Context): Promise<number> {
  const before = startOfWasteWindow(ctx.clock.now());
  for (let total = 0; ;) {
    const deleted = await deleteWasteBefore(ctx.db, before, DELETE_CHUNK);
    total += deleted;
    if (deleted < DELETE_CHUNK) return total;
  }
}
