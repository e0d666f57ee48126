import { Observable, type MonoTypeOperatorFunction } from 'rxjs';
import {
  Backpressure,
  circuitBreak,
  CircuitBreaker,
  limitConcurrency,
  liveSignals,
  RateLimiter,
  resilient,
  ResilientExecutor,
  retryBackoff,
  throttleTokens,
  timeoutStream,
} from 'rx-weir';
import type { Case, Subject } from '../harness/Case';
import { naiveStack } from './naive';
import { allParts, executor } from './protection';

/** A token through an operator, from a synchronous source: one stream of as many tokens as there are operations. */
function through<T>(operator: MonoTypeOperatorFunction<T>, token: T): Subject {
  let received = 0;
  return {
    run(operations) {
      received = 0;
      new Observable<T>((subscriber) => {
        for (let i = 0; i < operations; i++) subscriber.next(token);
        subscriber.complete();
      })
        .pipe(operator)
        .subscribe({ next: () => received++ });
      if (received !== operations) throw new Error(`${received} of ${operations} tokens came through`);
    },
  };
}

const TOKEN = ' token';
const CHAT = { type: 'text', text: TOKEN } as const;

/** One pass-through operator, written with what RxJS has for the public. */
const hop = <T>(source: Observable<T>): Observable<T> =>
  new Observable<T>((subscriber) =>
    source.subscribe({
      next: (value) => subscriber.next(value),
      error: (error: unknown) => subscriber.error(error),
      complete: () => subscriber.complete(),
    }),
  );

/** The five operators one by one, as the README has it. */
function piped(): MonoTypeOperatorFunction<string> {
  const { backpressure, circuitBreaker, rateLimiter, retry, timeout } = allParts();
  const slots = new Backpressure(backpressure);
  const breaker = new CircuitBreaker(circuitBreaker);
  const limiter = new RateLimiter(rateLimiter);
  liveSignals({ circuitBreaker: breaker, rateLimiter: limiter, backpressure: slots }).subscribe();
  return (source) =>
    source.pipe(
      timeoutStream({ firstMs: timeout.firstMs, idleMs: timeout.idleMs }),
      limitConcurrency(slots),
      throttleTokens(limiter),
      circuitBreak(breaker),
      retryBackoff(retry),
    );
}

const withTokenRate = (): ResilientExecutor => {
  const made = new ResilientExecutor({ ...allParts(), rateLimiter: { requestsPerSecond: 1e9, tokensPerMinute: 1e12 } });
  made.signals$.subscribe();
  return made;
};

export const cases: Readonly<Record<string, Case>> = {
  hop: () => through(hop, TOKEN),
  hopOfChat: () => through(hop, CHAT),
  resilient: () => through(resilient<string>(executor()), TOKEN),
  resilientWithTokenRate: () => through(resilient<string>(withTokenRate()), TOKEN),
  resilientOfChat: () => through(resilient<typeof CHAT>(executor()), CHAT),
  piped: () => through(piped(), TOKEN),
  naive: () => through(naiveStack(false), TOKEN),
  naiveWithTimeout: () => through(naiveStack(true), TOKEN),
  backoffRxjs: async () => {
    const { retryBackoff: backoff } = await import('backoff-rxjs');
    return through(backoff({ initialInterval: 1000, maxRetries: 3 }), TOKEN);
  },
};
