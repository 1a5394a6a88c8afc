// `npm start`: the whole product on this machine, from nothing.
import { bootstrap } from './bootstrap.mjs';

await bootstrap('dev/main.ts', process.argv.slice(2));
