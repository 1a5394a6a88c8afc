/** The map of ARCHITECTURE.md, as rules. */
const PURE =
  '^domain/.+/(model|contractModel|transitions|decide[A-Za-z]*|errors|ports|eventData|eventTypes|message|assertNumbersFit|assertRequestFits|publicAddress|placeLibrary|placeScripts|joinPromise)\\.ts$';
/**
 * What api, workers and programs may call in the domain. Everything else in there is a module's own
 * business.
 */
const ENTRY_POINTS =
  '^domain/[^/]+/(service|status|scanChain|allowWithdrawals|beginAnew|rescanBlocks|auditBlocks|checkCompletions|checkScans|expirePayment|findMissedPayment|findMissedRefunds|promiseExpiries|sweepOverduePayments|places|announceProcess|deliveryGate|attemptDelivery)\\.ts$';
/**
 * Of these modules the top-level files are public and the folders private, so that no list says what
 * may be called.
 */
const OPEN_MODULES = '^domain/(events|relay|relayers)/[^/]+\\.ts$';
/**
 * The modules of the domain, and which others each may import: a lower one never knows a higher one.
 * ARCHITECTURE.md shows the same table.
 */
const MODULES = {
  outbox: [],
  idempotency: [],
  stores: [],
  chain: ['outbox'],
  events: [],
  webhooks: ['chain', 'events', 'outbox', 'stores'],
  payments: ['chain', 'events', 'outbox', 'stores'],
  refunds: ['chain', 'events', 'payments'],
  scan: ['chain', 'outbox', 'payments', 'refunds'],
  relayers: ['chain'],
  relay: ['chain', 'outbox', 'payments', 'refunds', 'relayers', 'scan', 'stores'],
};
const PRODUCT = '^((api|workers|cli|domain|adapters|platform|shared|db)/|knexfile\\.ts$)';

module.exports = {
  forbidden: [
    ...Object.entries(MODULES).map(([module, lower]) => ({
      name: `${module}-knows-only-lower-modules`,
      severity: 'error',
      from: { path: `^domain/${module}/` },
      to: { path: `^domain/(?!(${[module, ...lower].join('|')})/)` },
    })),
    {
      name: 'every-module-is-in-the-table',
      severity: 'error',
      from: { path: `^domain/(?!(${Object.keys(MODULES).join('|')})/|modules\\.ts$)` },
      to: {},
    },
    {
      name: 'folders-of-a-module-are-its-own',
      severity: 'error',
      from: { path: '^domain/([^/]+)/' },
      to: { path: '^domain/[^/]+/[^/]+/', pathNot: '^domain/$1/' },
    },
    {
      name: 'folders-of-a-module-are-no-edge-of-it',
      severity: 'error',
      from: { pathNot: '^(domain|test)/' },
      to: { path: '^domain/[^/]+/[^/]+/' },
    },
    {
      name: 'stages-of-relay-are-strangers',
      comment:
        'accepting, sending and confirming share attempts, refusals and waste, and nothing else',
      severity: 'error',
      from: { path: '^domain/relay/(accept|send|confirm|attempts|refusals|waste)/' },
      to: { path: '^domain/relay/(accept|send|confirm)/', pathNot: '^domain/relay/$1/' },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'shared-imports-nothing-of-ours',
      severity: 'error',
      from: { path: '^shared/' },
      to: { path: '^(?!shared/|node_modules/)', dependencyTypesNot: ['core', 'npm'] },
    },
    {
      name: 'pure-stays-pure',
      comment: 'models, state tables, rules, errors and ports know no database, queue or network',
      severity: 'error',
      // A sink acts in the transaction that records events: its port names what that is.
      from: { path: PURE, pathNot: '^domain/events/ports\\.ts$' },
      to: { path: '^(api|workers|cli|adapters|platform|db|contracts|domain)/', pathNot: PURE },
    },
    {
      name: 'store-below-service',
      comment: 'several stores of one table share how its rows are read',
      severity: 'error',
      from: { path: '^domain/[^/]+/([a-z]+S|s)tore\\.ts$' },
      to: { path: '^domain/', pathNot: [PURE, '^domain/[^/]+/[a-z]+Row\\.ts$'] },
    },
    {
      name: 'domain-knows-only-the-context',
      severity: 'error',
      from: { path: '^domain/' },
      to: {
        path: '^(api|workers|cli|adapters|contracts|db)/|^platform/(?!context|db|unitOfWork|config|batches|errnoOf|groupCommit|insertRows|isDatabaseAway|lockInOrder|logger|secretBox|splitRows|storeTurns|updateRows)',
      },
    },
    {
      name: 'the-scan-moves-payments',
      comment: 'it writes what the chain shows of payments, and reaches for that into their module',
      severity: 'error',
      from: { path: '^domain/scan/' },
      to: {
        path: '^domain/',
        pathNot: [
          '^domain/scan/',
          '^domain/[^/]+/(service|model|contractModel|transitions|decide[A-Za-z]*|errors|ports|eventData)\\.ts$',
          '^domain/chain/store\\.ts$',
          '^domain/payments/(store|expiryStore|changePayments|observePayments|askWhoPaid)\\.ts$',
        ],
      },
    },
    {
      name: 'modules-meet-at-services',
      comment:
        'a module reaches into another only through its service, its pure files, or the chain cursor that the scanner moves',
      severity: 'error',
      from: { path: '^domain/([^/]+)/', pathNot: '^domain/scan/' },
      to: {
        path: '^domain/[^/]+/',
        pathNot: [
          '^domain/$1/',
          OPEN_MODULES,
          '^domain/[^/]+/(service|model|contractModel|transitions|decide[A-Za-z]*|errors|ports|eventData|joinPromise)\\.ts$',
          '^domain/chain/store\\.ts$',
          '^domain/scan/(?![a-zA-Z]*Store)[a-zA-Z]+\\.ts$',
        ],
      },
    },
    {
      name: 'only-createContext-knows-adapters',
      severity: 'error',
      from: { path: PRODUCT, pathNot: ['^platform/createContext\\.ts$', '^adapters/'] },
      to: { path: '^adapters/' },
    },
    {
      name: 'adapters-implement-ports',
      severity: 'error',
      from: { path: '^adapters/' },
      to: {
        path: '^(api|workers|cli|db|domain)/|^platform/(?!config|relayerKeys|logger|db)|^contracts/(?!generated/|typedData\\.ts$)',
        pathNot: PURE,
      },
    },
    {
      name: 'api-and-workers-are-strangers',
      severity: 'error',
      from: { path: '^(api|workers)/' },
      to: { path: '^(api|workers)/', pathNot: '^$1/' },
    },
    {
      name: 'edges-use-services',
      comment: 'the job runner is the one that ends an outbox row',
      severity: 'error',
      from: { path: '^(api|workers|cli)/', pathNot: '^workers/runOutboxJob\\.ts$' },
      to: {
        path: '^domain/',
        pathNot: [PURE, ENTRY_POINTS, OPEN_MODULES, '^domain/modules\\.ts$'],
      },
    },
    {
      name: 'platform-is-below',
      comment:
        'the context names the ports, the queues their jobs; nothing in the platform acts for the domain',
      severity: 'error',
      from: { path: '^platform/' },
      to: { path: '^(api|workers|cli|domain)/', pathNot: PURE },
    },
    {
      name: 'the-demo-shop-is-a-customer',
      comment: 'it shows what a store needs, which is the contract and nothing else of ours',
      severity: 'error',
      from: { path: '^demo/' },
      to: { path: '^(?!demo/|api/generated/)', dependencyTypesNot: ['core', 'npm', 'npm-dev'] },
    },
    {
      name: 'abis-stay-with-the-chain',
      severity: 'error',
      from: { path: PRODUCT, pathNot: '^adapters/chain/' },
      to: { path: '^contracts/' },
    },
    {
      name: 'product-needs-no-development',
      severity: 'error',
      from: { path: PRODUCT },
      to: { path: '^(dev|simulators|test|bench|demo)/' },
    },
    {
      name: 'contracts-are-below',
      comment: 'what is built and deployed needs no tests, no tools and none of the server',
      severity: 'error',
      from: { path: '^contracts/' },
      to: {
        path: '^(api|workers|cli|domain|adapters|db|dev|simulators|test|bench|demo)/',
      },
    },
    {
      name: 'no-development-packages',
      severity: 'error',
      from: { path: PRODUCT },
      to: { dependencyTypes: ['npm-dev'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'types', 'node', 'default'],
      extensions: ['.ts', '.mjs', '.js', '.json'],
    },
  },
};
