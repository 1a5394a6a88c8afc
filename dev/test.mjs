// `npm test`: every check and test, against the same embedded stack that `npm start` uses.
import { bootstrap } from './bootstrap.mjs';

await bootstrap('dev/runTests.ts', process.argv.slice(2));
