import { AppError } from '../../shared/errors.ts';

/**
 * The error that a promise is refused with; fails when there is none, or one that was not thrown on
 * purpose.
 */
export async function expectRefusal(promise: Promise<unknown>): Promise<AppError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error('expected a refusal, but it was accepted');
}
