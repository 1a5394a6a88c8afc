/**
 * Misbehaviour on demand. Each kind is a row of `faultTable`: which requests it concerns by
 * default, whether their work is done, what happens to the transaction, and how the request is
 * answered. The server reads the rows; no other place knows the kinds. What an answer looks like on
 * the wire, and which operations there are, is the protocol's.
 */

/** What is different about a transaction from its birth on. */
export interface TransactionTwist {
  /** Accepted without being signed; sent only after this many milliseconds. */
  intentForMs?: number;
  /**
   * Replaced after this many milliseconds by the same one with a higher fee, unless it is mined by
   * then.
   */
  bumpAfterMs?: number;
  /** Signed and answered, but never given to the chain. `dropped` was given to it and then lost. */
  broadcast?: 'never' | 'dropped';
  /** Its nonce is given to the next transaction, so that those behind it are not stuck. */
  releaseNonce?: boolean;
}

type Answer = { status: number; message: string } | 'paused' | 'none' | 'reset' | 'normal';

interface FaultRow {
  /**
   * Requests concerned unless the fault names an operation. `api`: all but those that open a
   * session.
   */
  matches: 'api' | 'send';
  /** `skipped`: the request has no effect. */
  work: 'done' | 'skipped';
  answer: (fault: FaultDetails) => Answer;
  twist?: (fault: FaultDetails) => TransactionTwist;
  /** Applied before anything else; the request then goes on to the next fault, if there is one. */
  delaysOnly?: true;
}

const httpMessages: Record<number, string> = {
  500: 'Internal server error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Endpoint request timed out',
};

const serverError = (fault: FaultDetails): Answer => {
  const status = fault.status ?? 500;
  return { status, message: httpMessages[status] ?? 'Internal server error' };
};
const normal = (): Answer => 'normal';

export const faultTable = {
  unauthorized: {
    matches: 'api',
    work: 'skipped',
    answer: () => ({ status: 401, message: 'Unauthorized' }),
  },
  rateLimited: {
    matches: 'api',
    work: 'skipped',
    answer: () => ({ status: 429, message: 'Too Many Requests' }),
  },
  serverError: { matches: 'api', work: 'skipped', answer: serverError },
  serverErrorAfterSend: { matches: 'send', work: 'done', answer: serverError },
  timeoutBeforeSend: { matches: 'send', work: 'skipped', answer: () => 'none' },
  timeoutAfterSend: { matches: 'send', work: 'done', answer: () => 'none' },
  resetBeforeSend: { matches: 'send', work: 'skipped', answer: () => 'reset' },
  resetAfterSend: { matches: 'send', work: 'done', answer: () => 'reset' },
  intent: {
    matches: 'send',
    work: 'done',
    answer: normal,
    twist: (fault) => ({ intentForMs: fault.delayMs ?? 1000 }),
  },
  gasBump: {
    matches: 'send',
    work: 'done',
    answer: normal,
    twist: (fault) => ({ bumpAfterMs: fault.delayMs ?? 500 }),
  },
  neverMine: {
    matches: 'send',
    work: 'done',
    answer: normal,
    twist: (fault) => ({ broadcast: 'never', releaseNonce: fault.releaseNonce ?? false }),
  },
  dropAfterSend: {
    matches: 'send',
    work: 'done',
    answer: normal,
    twist: (fault) => ({ broadcast: 'dropped', releaseNonce: fault.releaseNonce ?? false }),
  },
  paused: { matches: 'send', work: 'skipped', answer: () => 'paused' },
  latencyMs: { matches: 'api', work: 'done', answer: normal, delaysOnly: true },
} satisfies Record<string, FaultRow>;

export type FaultKind = keyof typeof faultTable;
export const faultKinds = Object.keys(faultTable) as FaultKind[];

interface FaultDetails {
  kind: FaultKind;
  /**
   * How many matching requests it concerns; -1: all, until the faults are cleared. 1 unless told.
   */
  count?: number;
  /** serverError, serverErrorAfterSend: 500 (default), 502, 503 or 504. */
  status?: number;
  /** rateLimited: when to come back, in seconds. 1 unless told. */
  retryAfterSeconds?: number;
  /**
   * latencyMs: how long; intent: until it is sent (1000); gasBump: until the fee is raised (500).
   */
  delayMs?: number;
  /**
   * neverMine, dropAfterSend: let the next transaction have the nonce, so that it is not stuck
   * behind this one.
   */
  releaseNonce?: boolean;
}

export interface Fault<Operation extends string> extends FaultDetails {
  /** Only requests of this operation, instead of those that the kind concerns by default. */
  operation?: Operation;
}

/** What is to be done differently with one request. */
export interface AppliedFaults {
  delayMs: number;
  work: 'done' | 'skipped';
  answer: Answer;
  twist: TransactionTwist;
  retryAfterSeconds: number | undefined;
}

export interface FaultList<Operation extends string> {
  add(fault: Fault<Operation>): void;
  clear(): void;
  list(): Fault<Operation>[];
  isPaused(): boolean;
  /**
   * Finds what concerns this request and counts it: of each sort the oldest that matches, and every
   * latency.
   */
  take(operation: Operation): AppliedFaults;
}

/**
 * @param opensSession whether requests of this operation are left alone by faults that concern all
 */
export function createFaultList<Operation extends string>(
  opensSession: (operation: Operation) => boolean,
): FaultList<Operation> {
  type Counted = Fault<Operation> & { count: number };
  let faults: Counted[] = [];
  const isConcerned = (fault: Counted, operation: Operation): boolean => {
    if (fault.operation !== undefined) return fault.operation === operation;
    return rowOf(fault).matches === 'send'
      ? operation === 'sendTransaction'
      : !opensSession(operation);
  };
  const use = (fault: Counted): void => {
    if (fault.count > 0) fault.count -= 1;
    if (fault.count === 0) faults = faults.filter((other) => other !== fault);
  };
  return {
    add: (fault) => faults.push({ count: 1, ...fault }),
    clear: () => {
      faults = [];
    },
    list: () => faults.map((fault) => ({ ...fault })),
    isPaused: () => faults.some((fault) => fault.kind === 'paused'),
    take(operation) {
      const applied: AppliedFaults = {
        delayMs: 0,
        work: 'done',
        answer: 'normal',
        twist: {},
        retryAfterSeconds: undefined,
      };
      const matching = faults.filter((fault) => isConcerned(fault, operation));
      for (const fault of matching.filter((candidate) => rowOf(candidate).delaysOnly)) {
        applied.delayMs += fault.delayMs ?? 0;
        use(fault);
      }
      // One that changes the answer and one that changes the transaction go together: "sent, never
      // mined, and the answer lost".
      const answering = matching.find(
        (candidate) => !rowOf(candidate).delaysOnly && rowOf(candidate).twist === undefined,
      );
      if (answering !== undefined) {
        applied.work = rowOf(answering).work;
        applied.answer = rowOf(answering).answer(answering);
        if (answering.kind === 'rateLimited')
          applied.retryAfterSeconds = answering.retryAfterSeconds ?? 1;
        use(answering);
      }
      const twisting =
        applied.work === 'done'
          ? matching.find((candidate) => rowOf(candidate).twist !== undefined)
          : undefined;
      if (twisting !== undefined) {
        applied.twist = rowOf(twisting).twist?.(twisting) ?? {};
        use(twisting);
      }
      return applied;
    },
  };
}

/** Checks what came in over the control endpoint. @throws Error saying what is wrong */
export function parseFault<Operation extends string>(
  value: unknown,
  operations: readonly Operation[],
): Fault<Operation> {
  if (typeof value !== 'object' || value === null)
    throw new Error('A fault is an object with a kind');
  const input = value as Record<string, unknown>;
  const kind = faultKinds.find((known) => known === input['kind']);
  if (kind === undefined) throw new Error(`Unknown kind; one of ${faultKinds.join(', ')}`);
  const fault: Fault<Operation> = { kind };
  // The kind and its only number have the same name: {"kind": "latencyMs", "latencyMs": 200} is
  // what one would write.
  const delay = input['delayMs'] ?? input['latencyMs'];
  for (const [name, given] of Object.entries({ ...input, delayMs: delay })) {
    if (given === undefined || name === 'kind' || name === 'latencyMs') continue;
    if (name === 'operation') {
      const operation = operations.find((known) => known === given);
      if (operation === undefined)
        throw new Error(`Unknown operation; one of ${operations.join(', ')}`);
      fault.operation = operation;
    } else if (name === 'releaseNonce' && typeof given === 'boolean') {
      fault.releaseNonce = given;
    } else if (
      name === 'count' &&
      (given === 'forever' || (Number.isInteger(given) && Number(given) >= -1 && given !== 0))
    ) {
      fault.count = given === 'forever' ? -1 : Number(given);
    } else if (
      (name === 'status' || name === 'retryAfterSeconds' || name === 'delayMs') &&
      typeof given === 'number' &&
      given >= 0
    ) {
      fault[name] = given;
    } else {
      throw new Error(`Unknown or wrong: ${name}`);
    }
  }
  return fault;
}

function rowOf(fault: FaultDetails): FaultRow {
  return faultTable[fault.kind];
}
