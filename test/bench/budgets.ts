/** What is measured, against what, and what it may cost: the table of issue 5, row by row. Rows without a budget only inform. */
import type { Clock, Rounds } from './harness/timing';

/** How a row's figure comes from what was measured. */
export type Figure =
  /** candidate / base */
  | 'ratio'
  /** base / candidate */
  | 'faster'
  /** candidate - base */
  | 'difference'
  /** of the candidate alone */
  | 'value';

export interface Budget {
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** How it is measured; a part that is missing is the protocol's. */
export type Method =
  | { readonly by: 'time'; readonly clock?: Clock; readonly rounds?: Rounds; readonly processes?: number }
  | { readonly by: 'allocation' }
  | { readonly by: 'heap'; readonly count: number }
  | { readonly by: 'size' };

export interface Row {
  readonly name: string;
  readonly what: string;
  /** As in harness/child.ts. */
  readonly candidate: string;
  readonly base?: string;
  readonly method: Method;
  readonly figure: Figure;
  readonly unit: string;
  readonly budget?: Budget;
  /** Where the budget is from. */
  readonly source?: string;
}

const ISSUE = 'issue 5';
const time: Method = { by: 'time' };
/** Its samples take seconds. */
const long: Method = { by: 'time', clock: 'cpu', rounds: { warmUp: 1, measured: 3 }, processes: 3 };
const waiting: Method = { by: 'time', rounds: { warmUp: 2, measured: 7 } };
const allocation: Method = { by: 'allocation' };
const idle: Method = { by: 'heap', count: 10_000 };
const chats: Method = { by: 'heap', count: 1000 };

/** Candidate over base, at most so much. */
const row = (
  name: string,
  what: string,
  candidate: string,
  base: string,
  atMost?: number,
  method: Method = time,
): Row => ({
  ...{ name, what, candidate, base, method, figure: 'ratio', unit: 'x' },
  ...(atMost !== undefined && { budget: { atMost }, source: ISSUE }),
});

/** So many times faster than the base. */
const faster = (name: string, what: string, candidate: string, base: string, atLeast?: number): Row => ({
  ...{ name, what, candidate, base, method: time, figure: 'faster', unit: 'x faster' },
  ...(atLeast !== undefined && { budget: { atLeast }, source: ISSUE }),
});

const value = (name: string, what: string, candidate: string, method: Method, budget?: Budget): Row => ({
  ...{ name, what, candidate, method, figure: 'value', unit: 'B' },
  ...(budget && { budget, source: ISSUE }),
});

/** Bytes over those of the base. */
const added = (name: string, what: string, candidate: string, atMost?: number): Row => ({
  ...{ name, what, candidate, base: 'heap/base', method: idle, figure: 'difference', unit: 'B' },
  ...(atMost !== undefined && { budget: { atMost }, source: ISSUE }),
});

const sane = (it: Row, atLeast: number, atMost: number): Row => ({
  ...it,
  budget: { atLeast, atMost },
  source: 'the harness must find it',
});

const RESILIENT = 'tokens/resilient';

export const ROWS: readonly Row[] = [
  sane(row('harness/same', 'a thing against itself', 'harness/once', 'harness/once'), 0.95, 1.05),
  sane(row('harness/twice', 'twice the work', 'harness/twice', 'harness/once'), 1.85, 2.15),
  sane(row('harness/async', 'an await against itself', 'harness/asynchronous', 'harness/asynchronous'), 0.93, 1.07),
  sane(value('harness/allocation', 'bytes of { i }', 'harness/allocating', allocation), 31, 33),

  row('token/hop', 'token through resilient, against one hop', RESILIENT, 'tokens/hop', 1.3),
  faster('token/timeout', 'token: naive RxJS with timeout({ each })', RESILIENT, 'tokens/naiveWithTimeout', 30),
  row('token/piped', 'token through the five operators, against one hop', 'tokens/piped', 'tokens/hop', 2.5),
  row('token/chat', 'chat event through resilient, against one hop', 'tokens/resilientOfChat', 'tokens/hopOfChat'),
  row('token/tpm', 'the same with tokensPerMinute', 'tokens/resilientWithTokenRate', 'tokens/hop'),
  row('token/naive', 'peer: naive RxJS, against one hop', 'tokens/naive', 'tokens/hop'),
  row('token/naive-timeout', 'peer: naive RxJS with timeout, against one hop', 'tokens/naiveWithTimeout', 'tokens/hop'),
  row('token/backoff-rxjs', 'peer: backoff-rxjs alone, against one hop', 'tokens/backoffRxjs', 'tokens/hop'),

  value('bytes/token', 'allocated per token through resilient', RESILIENT, allocation, { atMost: 8 }),
  value('bytes/piped', 'allocated per token through the five operators', 'tokens/piped', allocation),
  value('bytes/timeout', 'peer: naive RxJS with timeout', 'tokens/naiveWithTimeout', allocation),

  row('generator', 'async generator: fromStream + resilient', 'generator/resilient', 'generator/raw', 1.6),
  row('generator/source', 'the same without resilient', 'generator/source', 'generator/raw'),
  row('generator/naive', 'peer: naive RxJS', 'generator/naive', 'generator/raw'),

  row(
    'client/bare',
    'bytes to chat events, operators or none',
    'responses/chatClient@network',
    'responses/bareClient@network',
    1.05,
  ),
  faster(
    'client/openai',
    'openai SDK, 1 to 4 KB chunks',
    'responses/chatClient@network',
    'responses/openai@network',
    3.5,
  ),
  faster(
    'client/openai-event',
    'openai SDK, an event per chunk',
    'responses/chatClient@event',
    'responses/openai@event',
    2.5,
  ),
  faster('client/openai-64k', 'openai SDK, 64 KB chunks', 'responses/chatClient@64k', 'responses/openai@64k', 5),
  faster(
    'client/anthropic',
    'Anthropic SDK, 1 to 4 KB chunks',
    'responses/chatClientOfAnthropic@network',
    'responses/anthropic@network',
    1.5,
  ),
  faster(
    'client/tanstack',
    'TanStack AI, 1 to 4 KB chunks',
    'responses/chatClient@network',
    'responses/tanstackAi@network',
    7,
  ),
  faster('client/ai-sdk', 'AI SDK, 1 to 4 KB chunks', 'responses/chatClient@network', 'responses/aiSdk@network', 15),

  row('call/cockatiel', 'stream of one token, against cockatiel', 'calls/resilient', 'calls/cockatiel', 0.15),
  row('call/effect', 'the same against Effect', 'calls/resilient', 'calls/effect', 0.3),
  row('call/p-retry', 'the same against p-retry', 'calls/resilient', 'calls/pRetry', 0.3),
  row('call/naive', 'the same against naive RxJS with timeout', 'calls/resilient', 'calls/naiveWithTimeout', 1.2),
  row('call/naive-bare', 'the same against naive RxJS without', 'calls/resilient', 'calls/naive'),
  row('call/observable', 'the same against a bare Observable', 'calls/resilient', 'calls/observable'),
  row('call/opossum', 'the same against opossum', 'calls/resilient', 'calls/opossum'),
  row('call/p-queue', 'the same against p-queue', 'calls/resilient', 'calls/pQueue'),
  row('call/bottleneck', 'the same against bottleneck', 'calls/resilient', 'calls/bottleneck', undefined, {
    ...{ by: 'time', rounds: { warmUp: 1, measured: 5 }, processes: 2 },
  }),

  added('heap/stream', 'an open idle stream adds', 'heap/resilient', 1024),
  added('heap/waiting', 'before its first content', 'heap/resilientBeforeContent'),
  value('heap/base', 'Observable + AbortController + timer', 'heap/base', idle),
  added('heap/naive', 'peer: naive RxJS', 'heap/naive'),
  added('heap/naive-timeout', 'peer: naive RxJS with timeout', 'heap/naiveWithTimeout'),
  value('heap/cockatiel', 'peer: cockatiel, in all', 'heap/cockatiel', idle),
  value('heap/effect', 'peer: Effect, in all', 'heap/effect', idle),
  value('heap/p-retry', 'peer: p-retry, in all', 'heap/pRetry', idle),
  value('heap/p-queue', 'peer: p-queue, in all', 'heap/pQueue', idle),
  value('heap/opossum', 'peer: opossum, in all', 'heap/opossum', idle),
  row(
    'heap/chat',
    'an open chat stream, against the openai SDK',
    'clientHeap/chatClient',
    'clientHeap/openai',
    0.9,
    chats,
  ),
  row(
    'heap/chat-bare',
    'the same against no operators',
    'clientHeap/chatClient',
    'clientHeap/bareClient',
    undefined,
    chats,
  ),
  row('heap/chat-ai-sdk', 'the same against the AI SDK', 'clientHeap/chatClient', 'clientHeap/aiSdk', undefined, chats),

  row('collecting', "token at 32 000 / at 500, resume: 'auto'", 'collecting/auto@32000', 'collecting/auto@500', 1.15),

  row('scale', 'CPU per stream at 100 000 / at 1 000', 'scale/resilient@100000', 'scale/resilient@1000', 1.2, long),
  row(
    'scale/bare',
    'at 100 000, against a bare Observable',
    'scale/resilient@100000',
    'scale/bare@100000',
    undefined,
    long,
  ),
  row(
    'scale/naive-timeout',
    'peer: naive RxJS with timeout, at 100 000 / at 1 000',
    'scale/naiveWithTimeout@100000',
    'scale/naiveWithTimeout@1000',
    undefined,
    long,
  ),
  row(
    'scale/cockatiel',
    'peer: cockatiel at 10 000 / at 1 000',
    'scale/cockatiel@10000',
    'scale/cockatiel@1000',
    undefined,
    long,
  ),

  row(
    'waiter/slot',
    'waiter for a slot at 100 000 / at 100',
    'waiters/concurrency@100000',
    'waiters/concurrency@100',
    1.5,
    waiting,
  ),
  row(
    'waiter/rate',
    'waiter for the bucket at 100 000 / at 100',
    'waiters/rate@100000',
    'waiters/rate@100',
    1.5,
    waiting,
  ),
  // No search: it would be a thousand times as much. What is left are cache misses (performance.md, goal 15).
  {
    ...row(
      'waiter/slot-left',
      'leaving the slots in any order, 100 000 / 100',
      'waiters/concurrencyLeft@100000',
      'waiters/concurrencyLeft@100',
      6,
      waiting,
    ),
    source: 'performance.md, goal 15',
  },
  {
    ...row(
      'waiter/rate-left',
      'leaving the bucket in any order, 100 000 / 100',
      'waiters/rateLeft@100000',
      'waiters/rateLeft@100',
      6,
      waiting,
    ),
    source: 'performance.md, goal 15',
  },
  row(
    'waiter/cockatiel',
    'peer: cockatiel at 100 000 / at 100',
    'waiters/cockatiel@100000',
    'waiters/cockatiel@100',
    undefined,
    long,
  ),
  row(
    'waiter/p-queue',
    'peer: p-queue at 100 000 / at 100',
    'waiters/pQueue@100000',
    'waiters/pQueue@100',
    undefined,
    waiting,
  ),

  row('signals/nobody', 'token with signals, nobody listening', 'signals/listeners@0', 'signals/none', 1.05),
  row('signals/ten', 'token with signals, 10 subscribers', 'signals/listeners@10', 'signals/none', 1.15),

  value('size/operators', './operators, minified + gzip', 'rx-weir/operators', { by: 'size' }, { atMost: 7000 }),
  value('size/all', '. , minified + gzip', 'rx-weir', { by: 'size' }, { atMost: 14_000 }),
];
