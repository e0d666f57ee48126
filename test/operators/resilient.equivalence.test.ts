import fc from 'fast-check';
import { take, type MonoTypeOperatorFunction } from 'rxjs';
import { describe, expect, it } from 'vitest';
import {
  Backpressure,
  circuitBreak,
  CircuitBreaker,
  fallbackTo,
  limitConcurrency,
  RateLimiter,
  resilient,
  retryBackoff,
  RetryBudget,
  throttleTokens,
  timeoutStream,
  type BackpressureConfig,
  type ChatEvent,
  type CircuitBreakerConfig,
  type RateLimiterConfig,
  type RetryConfig,
  type TimeoutConfig,
} from 'rx-weir';
import { chance, plain, play, scripts, type Scripts } from '../support/scripts';
import { VirtualTime } from '../support/virtual';

/** What is piped, as data: each run makes its own policies. */
interface Config {
  retry?: RetryConfig<ChatEvent> | undefined;
  budget?: boolean | undefined;
  circuitBreaker?: CircuitBreakerConfig | undefined;
  rateLimiter?: RateLimiterConfig | undefined;
  backpressure?: BackpressureConfig | undefined;
  timeout: TimeoutConfig;
  fallback?: readonly Scripts[] | undefined;
  onPartial: 'fail' | 'rewind' | 'skip';
  /** Whether all attempts say the same text, so that one can be gone on with where another was cut. */
  same: boolean;
  tokens: number;
}

interface Stream {
  /** When it is subscribed; in a series, how long after the one before has ended. */
  at: number;
  scripts: Scripts;
  leaveAfter: number | undefined;
  take: number | undefined;
}

const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined });

const retry = fc.record({
  maxRetries: fc.nat(3),
  initialDelayMs: fc.constantFrom(0, 10, 40),
  jitter: fc.constantFrom('none' as const, 'full' as const, 'decorrelated' as const),
  maxElapsedMs: fc.constantFrom(Infinity, 100),
  maxRetryAfterMs: fc.constantFrom(50, 100_000),
});
const circuitBreaker = fc.oneof(
  fc.record({
    failureThreshold: fc.integer({ min: 1, max: 3 }),
    cooldownMs: fc.constantFrom(0, 20, 100),
    probeVerdict: fc.constantFrom('first' as const, 'complete' as const),
    countRateLimits: fc.boolean(),
  }),
  fc.record({
    window: fc.constantFrom({ type: 'count' as const, size: 4 }, { type: 'time' as const, sizeMs: 200 }),
    failureRate: fc.constantFrom(0.3, 0.6),
    minimumCalls: fc.constantFrom(2, 3),
    cooldownMs: fc.constantFrom(20, 100),
  }),
);
const rateLimiter = fc.record({
  requestsPerSecond: fc.constantFrom(5, 50),
  tokensPerMinute: fc.constantFrom(600, 60_000),
  maxWaitMs: fc.constantFrom(Infinity, 0, 300),
});
const backpressure = fc.record({
  maxInflight: fc.integer({ min: 1, max: 3 }),
  maxQueue: fc.constantFrom(Infinity, 0, 1),
  maxWaitMs: fc.constantFrom(Infinity, 30),
});
const timeout = fc.record({
  firstMs: fc.constantFrom(Infinity, 20, 25),
  idleMs: fc.constantFrom(Infinity, 16, 60),
  // Without an end to all of it a stall would never end.
  totalMs: fc.constantFrom(80, 150, 1000),
});
const rest = {
  timeout,
  fallback: maybe(fc.array(scripts, { minLength: 1, maxLength: 2 })),
  onPartial: fc.constantFrom('fail' as const, 'rewind' as const, 'skip' as const, 'skip' as const),
  same: fc.boolean(),
  tokens: fc.constantFrom(0, 20),
  retry: maybe(retry),
  budget: fc.boolean(),
};
const streams = fc.array(
  fc.record({
    at: fc.constantFrom(0, 0, 5, 20, 100),
    scripts,
    leaveAfter: maybe(fc.nat(120)),
    take: maybe(fc.integer({ min: 1, max: 4 })),
  }),
  { minLength: 1, maxLength: 6 },
);

type Way = 'composed' | 'piped';

function run(way: Way, config: Config, plan: readonly Stream[], parallel: boolean): unknown {
  const time = new VirtualTime();
  const options = { scheduler: time, random: chance() };
  const clock = (): number => time.now();
  const { timeout, onPartial, same: alike } = config;
  const breaker = config.circuitBreaker && new CircuitBreaker({ clock, ...config.circuitBreaker });
  const limiter = config.rateLimiter && new RateLimiter({ clock, ...config.rateLimiter });
  const slots = config.backpressure && new Backpressure(config.backpressure);
  const budget = config.budget ? new RetryBudget({ maxTokens: 4 }) : undefined;
  const retrying = config.retry && { ...config.retry, ...(budget && { budget }) };
  const targets = config.fallback?.map((target, i) => ({
    name: `target ${i}`,
    ...play(target, time, `f${i}:`, alike),
  }));
  const cost = { tokens: config.tokens };

  const same: MonoTypeOperatorFunction<ChatEvent> = (source) => source;
  const protect: MonoTypeOperatorFunction<ChatEvent> =
    way === 'composed'
      ? resilient<ChatEvent>(
          {
            timeout,
            onPartial,
            cost,
            ...(retrying && { retry: retrying }),
            ...(breaker && { circuitBreaker: breaker }),
            ...(limiter && { rateLimiter: limiter }),
            ...(slots && { backpressure: slots }),
            ...(targets && { fallback: targets }),
          },
          options,
        )
      : (source) =>
          source.pipe(
            timeoutStream({ firstMs: timeout.firstMs!, idleMs: timeout.idleMs! }, options),
            slots ? limitConcurrency(slots, options) : same,
            limiter ? throttleTokens(limiter, { cost, ...options }) : same,
            breaker ? circuitBreak(breaker, options) : same,
            retrying ? retryBackoff<ChatEvent>({ ...retrying, onPartial }, options) : same,
            targets
              ? fallbackTo<ChatEvent>(...targets, {
                  onPartial,
                  maxElapsedMs: config.retry?.maxElapsedMs ?? Infinity,
                  ...options,
                })
              : same,
            timeoutStream({ totalMs: timeout.totalMs! }, options),
          );

  // By stream: whose turn it is within one instant is nobody's business.
  const notifications: unknown[][] = plan.map(() => []);
  const sources = plan.map(({ scripts: script }, i) => play(script, time, `s${i}:`, alike));
  const start = ({ leaveAfter, take: count }: Stream, i: number): void => {
    const note = (...what: unknown[]): void => void notifications[i]!.push([time.elapsed, ...what]);
    const source = sources[i]!.source.pipe(protect);
    const subscription = (count === undefined ? source : source.pipe(take(count))).subscribe({
      next: (value) => note('next', value),
      error: (error: unknown) => note('error', plain(error)),
      complete: () => note('complete'),
    });
    if (leaveAfter !== undefined && !subscription.closed) {
      subscription.add(time.schedule(() => subscription.unsubscribe(), leaveAfter));
    }
  };
  if (parallel) {
    plan.forEach((stream, i) => time.schedule(() => start(stream, i), stream.at));
    time.flush();
  } else {
    plan.forEach((stream, i) => {
      time.advance(stream.at);
      start(stream, i);
      time.flush();
    });
  }
  expect(time.timers).toBe(0);
  return {
    notifications,
    end: time.elapsed,
    sources: [...sources, ...(targets ?? [])].map(({ script }) => script.subscriptions),
    circuit: breaker?.snapshot(),
    rate: limiter?.snapshot(),
    slots: slots?.snapshot(),
    budget: budget?.tokens,
  };
}

const behaveAlike = (config: fc.Arbitrary<Config>, parallel: boolean, numRuns: number): void =>
  fc.assert(
    fc.property(config, streams, (parts, plan) => {
      expect(run('composed', parts, plan, parallel)).toEqual(run('piped', parts, plan, parallel));
    }),
    { numRuns },
  );

// Where streams queue for several things at once, the composed pipeline is meant to differ: it never holds one while it
// waits for the other, takes a probe only when it starts, and refuses those queued when the circuit opens.
describe('resilient behaves as the operators piped in its order', () => {
  it('with every part, stream by stream', () => {
    behaveAlike(
      fc.record({
        ...rest,
        circuitBreaker: maybe(circuitBreaker),
        rateLimiter: maybe(rateLimiter),
        backpressure: maybe(backpressure),
      }),
      false,
      80,
    );
  });

  it('with a breaker, a budget and slots for all, many streams at once', () => {
    behaveAlike(fc.record({ ...rest, circuitBreaker, backpressure: fc.constant({ maxInflight: 100 }) }), true, 80);
  });

  it('with a queue for slots, many streams at once', () => {
    behaveAlike(fc.record({ ...rest, backpressure }), true, 60);
  });

  it('with a queue for the bucket, many streams at once', () => {
    behaveAlike(fc.record({ ...rest, rateLimiter }), true, 60);
  });

  it('where all attempts say the same, and only the rest is forwarded', () => {
    const skipping = { onPartial: fc.constant('skip' as const), same: fc.constant(true), retry };
    behaveAlike(fc.record({ ...rest, ...skipping, backpressure: maybe(backpressure) }), true, 80);
  });
});
