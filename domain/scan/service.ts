export { listRereads } from './rereadStore.ts';
