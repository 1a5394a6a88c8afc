import { EVENT_SINKS } from '../domain/modules.ts';
import { createContext } from '../platform/createContext.ts';
import { createQueues } from '../platform/queues.ts';
import { runProcess } from '../platform/runProcess.ts';
import { startServer } from './http/startServer.ts';

/** The API's process. Any number of them may run: all state is in the database and in Redis. */
await runProcess(async (config) => {
  const { ctx, close } = await createContext(config, { name: 'api', eventSinks: EVENT_SINKS });
  const queues = await createQueues(config);
  const server = await startServer(ctx, queues.all);
  ctx.log.info({ url: server.url }, 'the API listens');
  return {
    async stop() {
      ctx.log.info('stopping');
      await server.stop();
      await queues.close();
      await close();
    },
  };
});
