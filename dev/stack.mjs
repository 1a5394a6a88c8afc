// `npm run stack`: keeps what tests need running, for `npm test -- file` to begin at once.
import { bootstrap } from './bootstrap.mjs';

await bootstrap('dev/keepStack.ts', process.argv.slice(2));
