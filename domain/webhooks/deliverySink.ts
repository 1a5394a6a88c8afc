import type { EventSink } from '../events/ports.ts';
import { createDeliveries } from './createDeliveries.ts';
import { listListeningEndpoints } from './store.ts';

/** Makes a delivery of each event for each endpoint that wants it. */
export const DELIVERY_SINK: EventSink = {
  async findListeners(_ctx, db, storeIds) {
    const endpoints = await listListeningEndpoints(db, storeIds);
    return (ctx, unit, events) => createDeliveries(ctx, unit, events, endpoints);
  },
};
