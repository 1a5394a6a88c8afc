import type { Handler } from '../../http/handler.ts';
import { checkDependencies } from './checkDependencies.ts';

export const getReadiness: Handler<'getReadiness'> = async (ctx) => {
  const dependencies = await checkDependencies(ctx);
  const isDown = (name?: string) =>
    dependencies.some((one) => one.status === 'down' && (name === undefined || one.name === name));
  if (isDown('database'))
    return {
      status: 503,
      headers: { 'Retry-After': '2' },
      body: { status: 'unavailable', dependencies },
    };
  return { status: 200, body: { status: isDown() ? 'degraded' : 'ready', dependencies } };
};
