import { concat, NEVER, Observable, of, Subject, takeUntil, throwError } from 'rxjs';
import { describe, expect, it } from 'vitest';
import {
  Backpressure,
  circuitBreak,
  CircuitBreaker,
  fallbackTo,
  limitConcurrency,
  liveSignals,
  preflight,
  PreflightChecker,
  ProviderError,
  RateLimiter,
  resilient,
  ResilientExecutor,
  retryBackoff,
  throttleTokens,
  verifyComplete,
  type ChatEvent,
  type WeirEvent,
  WeirError,
} from 'rx-weir';
import { Time } from '../support/time';
import { see, VirtualTime } from '../support/virtual';

// Cases that an independent review found; each failed when it was written.
const broken = (): ProviderError => new ProviderError('broken', { httpStatus: 500 });
const fails = throwError(broken);

describe('admission', () => {
  it('gives back at the instant of leaving, however long a listener took: no bucket is filled twice', () => {
    const time = new Time();
    const rateLimiter = new RateLimiter({ requestsPerSecond: 10, burstSize: 10, clock: () => time.now() });
    for (let i = 0; i < 10; i++) rateLimiter.take({ requests: 1, tokens: 0 });
    time.advance(100);
    const stop = new Subject<void>();
    const own = { rateLimiter };
    const listen = rateLimiter.watch(() => {
      listen();
      time.jump(500);
      of(2)
        .pipe(resilient<number>(own, { scheduler: time }))
        .subscribe();
      stop.next();
    });
    of(1)
      .pipe(resilient<number>(own, { scheduler: time }), takeUntil(stop))
      .subscribe();
    expect(rateLimiter.snapshot().remaining).toBe(5);
  });

  it("counts the time to the first content from the source's opening, without that of listeners", () => {
    const time = new Time();
    const backpressure = new Backpressure({ maxInflight: 2 });
    const executor = new ResilientExecutor({ backpressure }, { scheduler: time });
    const listen = backpressure.watch(() => {
      listen();
      time.jump(300);
    });
    of(1).pipe(executor.protect()).subscribe();
    expect(executor.snapshot().streams.firstContentMs).toMatchObject({ last: 0 });
  });

  it('tells what it took of all parts, also where a listener of one throws', () => {
    const backpressure = new Backpressure({ maxInflight: 1 });
    const rateLimiter = new RateLimiter({ requestsPerSecond: 1 });
    const checker = new PreflightChecker({ rateLimiter, backpressure });
    rateLimiter.watch(() => {
      throw new Error('mine');
    });
    const told: number[] = [];
    backpressure.watch(() => told.push(backpressure.inUse));
    expect(() => checker.tryAdmit()).toThrow('mine');
    backpressure.take();
    expect(told).toEqual([1, 2]);
  });

  it('refuses those queued behind a probe that hangs, when the probe times out', () => {
    const time = new VirtualTime();
    const clock = (): number => time.now();
    const circuitBreaker = new CircuitBreaker({
      failureThreshold: 1,
      cooldownMs: 100,
      halfOpenMaxProbes: 2,
      probeTimeoutMs: 500,
      clock,
    });
    const executor = new ResilientExecutor({ circuitBreaker, backpressure: 1 }, { scheduler: time });
    see(fails.pipe(executor.protect()), time);
    time.advance(100);
    const probe = see(NEVER.pipe(executor.protect()), time);
    const queued = see(of(1).pipe(executor.protect()), time);
    time.advance(499);
    expect(queued.end).toBeUndefined();
    time.advance(1);
    expect(queued.error).toMatchObject({ name: 'CircuitOpenError' });
    probe.subscription.unsubscribe();
  });

  it('gives everything back to who is left by its own cost callback, or by a listener', () => {
    const time = new VirtualTime();
    const limiter = new RateLimiter({ requestsPerSecond: 1, burstSize: 5, tokensPerMinute: 1000 });
    const stop = new Subject<void>();
    const cost = (): { tokens: number } => {
      stop.next();
      return { tokens: 100 };
    };
    of(1)
      .pipe(throttleTokens(limiter, { scheduler: time, cost }), takeUntil(stop))
      .subscribe();
    expect(limiter.snapshot(time.now())).toMatchObject({ remaining: 5, tokensRemaining: 1000 });

    const executor = new ResilientExecutor(
      { rateLimiter: { requestsPerSecond: 1, burstSize: 1, tokensPerMinute: 1000 }, cost: { tokens: 100 } },
      { scheduler: time },
    );
    see(of(1).pipe(executor.protect()), time);
    const second = see(NEVER.pipe(executor.protect()), time);
    executor.events$.subscribe(({ type }) => type === 'wait.end' && second.subscription.unsubscribe());
    time.advance(1000);
    expect(executor.snapshot()).toMatchObject({ rateRemaining: 1, currentInflight: 0 });
  });

  it('lets nobody between the taking of one part and of the next', () => {
    const time = new VirtualTime();
    const parts = {
      backpressure: new Backpressure({ maxInflight: 5 }),
      rateLimiter: new RateLimiter({ requestsPerSecond: 1, burstSize: 1, clock: () => time.now() }),
    };
    let opened = 0;
    const source = new Observable<never>(() => {
      opened++;
    });
    const protect = preflight<never>(parts, { scheduler: time });
    const rush = (): void => void source.pipe(protect).subscribe({ error: () => undefined });
    let rushed = false;
    liveSignals(parts, { scheduler: time }).subscribe(({ inflight }) => {
      if (rushed || inflight?.inUse !== 1) return;
      rushed = true;
      rush();
    });
    rush();
    expect(rushed).toBe(true);
    expect(opened).toBe(1);
  });

  it('does not use up the patience with one part by waiting for the other', () => {
    const time = new VirtualTime();
    const slots = new Backpressure({ maxInflight: 1, maxWaitMs: 1000 });
    const executor = new ResilientExecutor(
      { rateLimiter: { requestsPerSecond: 0.2, burstSize: 1 }, backpressure: slots },
      { scheduler: time },
    );
    see(of(1).pipe(executor.protect()), time);
    const queued = see(of(2).pipe(executor.protect()), time);
    time.advance(4900);
    const other = see(NEVER.pipe(limitConcurrency(slots, { scheduler: time })), time);
    time.advance(300);
    expect(queued.end).toBeUndefined();
    other.subscription.unsubscribe();
    expect(queued.values).toEqual([2]);
  });
});

describe('events$', () => {
  it('tells that the cooldown is over when it is, with no call and no signals$ subscriber', () => {
    const time = new VirtualTime();
    const executor = new ResilientExecutor(
      { circuitBreaker: { failureThreshold: 1, cooldownMs: 100 } },
      { scheduler: time },
    );
    const circuits: unknown[] = [];
    const start = time.now();
    executor.events$.subscribe((event: WeirEvent) => {
      if (event.type === 'circuit') circuits.push([event.timestamp - start, event.to]);
    });
    see(fails.pipe(executor.protect()), time);
    time.advance(5000);
    expect(circuits).toEqual([
      [0, 'open'],
      [100, 'half_open'],
    ]);
  });

  it('tells once what becomes of partial output, and what really does', () => {
    const time = new VirtualTime();
    const text: ChatEvent = { type: 'text', text: 'a' };
    const partials = (attempts: Observable<ChatEvent>[]): unknown[] => {
      const executor = new ResilientExecutor(
        { retry: { initialDelayMs: 10, jitter: 'none' }, onPartial: 'rewind' },
        { scheduler: time },
      );
      const told: unknown[] = [];
      executor.events$.subscribe((event) => event.type === 'partial' && told.push(event.action));
      let nth = 0;
      const source = new Observable<ChatEvent>((subscriber) => attempts[nth++]!.subscribe(subscriber));
      see(source.pipe(executor.protect()), time);
      time.advance(1000);
      return told;
    };
    const bad = throwError(() => new ProviderError('bad', { httpStatus: 400 }));
    expect(partials([concat(of(text), bad)])).toEqual(['fail']);
    expect(partials([concat(of(text), fails), fails, of(text)])).toEqual(['rewind']);
  });
});

describe('options', () => {
  it('given beside an executor are heard', () => {
    const time = new VirtualTime();
    const executor = new ResilientExecutor({ retry: { initialDelayMs: 1, jitter: 'none' } }, { scheduler: time });
    let opened = 0;
    const source = new Observable<string>((subscriber) => {
      opened++;
      subscriber.next('preamble');
      subscriber.error(broken());
    });
    const seen = see(source.pipe(resilient(executor, { isContent: (value) => value !== 'preamble' })), time);
    time.advance(1000);
    expect(opened).toBe(4);
    expect(seen.values).toEqual([]);
  });

  it.each([
    ['retryBackoff', () => retryBackoff(null as never)],
    ['verifyComplete', () => verifyComplete(null as never)],
    ['preflight', () => preflight(undefined as never)],
    ['resilient', () => resilient(undefined as never)],
  ])('that are none are refused by name: %s', (name, call) => {
    expect(call).toThrow(new RegExp(`^${name} .*(null|undefined)`));
  });

  it('a retryOn that says nothing does not retry', () => {
    const time = new VirtualTime();
    const error = broken();
    const seen = see(
      throwError(() => error).pipe(retryBackoff({ retryOn: () => null as never }, { scheduler: time })),
      time,
    );
    expect(seen.error).toBe(error);
  });

  it('the default usage is read also where everything is content', () => {
    const limiter = new RateLimiter({ tokensPerMinute: 1000, clock: () => 0 });
    of<ChatEvent>({ type: 'usage', inputTokens: 300, outputTokens: 200 })
      .pipe(throttleTokens(limiter, { isContent: () => true, cost: { tokens: 100 }, scheduler: new VirtualTime() }))
      .subscribe();
    expect(limiter.snapshot().tokensRemaining).toBeCloseTo(500);
  });
});

describe('fallbackTo', () => {
  it('closes a target that is an async iterable or a stream when it is left, under a pending read', async () => {
    let returned = 0;
    const iterable: AsyncIterable<string> = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<never>(() => undefined),
        return: () => {
          returned++;
          return Promise.resolve({ done: true, value: undefined });
        },
      }),
    };
    let cancelled = 0;
    const stream = new ReadableStream<string>({
      cancel: () => {
        cancelled++;
      },
    });
    for (const target of [iterable, stream]) fails.pipe(fallbackTo<string>(target)).subscribe().unsubscribe();
    expect([returned, cancelled]).toEqual([1, 1]);
    const all = new ReadableStream<string>({
      start(controller) {
        for (const value of ['a', 'b']) controller.enqueue(value);
        controller.close();
      },
    });
    const seen: string[] = [];
    await new Promise<void>((complete) => {
      fails.pipe(fallbackTo<string>(all)).subscribe({ next: (value) => seen.push(value), complete });
    });
    expect(seen).toEqual(['a', 'b']);
  });

  it('exhausted by nothing but refusals is not counted by a breaker outside', () => {
    const isolated = new CircuitBreaker();
    isolated.isolate();
    const outer = new CircuitBreaker({ failureThreshold: 1 });
    const refused = of(1).pipe(circuitBreak(isolated));
    refused.pipe(fallbackTo(refused), circuitBreak(outer)).subscribe({ error: () => undefined });
    expect(outer.state).toBe('closed');
  });
});

describe('who is told of the first content, and makes the source say more', () => {
  it('by a circuit event', () => {
    const time = new Time();
    const source = new Subject<string>();
    const executor = new ResilientExecutor(
      { circuitBreaker: { failureThreshold: 1, cooldownMs: 10 }, retry: { maxRetries: 1 } },
      { scheduler: time },
    );
    throwError(() => new WeirError('down', { code: 'E2002' }))
      .pipe(executor.protect())
      .subscribe({ error: () => undefined });
    time.advance(20);
    const seen: string[] = [];
    executor.events$.subscribe((event) => event.type === 'circuit' && event.to === 'closed' && source.next('B'));
    const subscription = source.pipe(executor.protect()).subscribe((value) => seen.push(value));
    source.next('A');
    source.next('C');
    expect(seen).toEqual(['A', 'B', 'C']);
    subscription.unsubscribe();
  });

  it('by a snapshot, or makes it end', () => {
    for (const ends of [false, true]) {
      const source = new Subject<string>();
      const executor = new ResilientExecutor({ retry: {} }, { scheduler: new Time() });
      const seen: string[] = [];
      const subscription = source.pipe(executor.protect()).subscribe({
        next: (value) => seen.push(value),
        complete: () => seen.push('|'),
      });
      let told = false;
      executor.signals$.subscribe(({ streams }) => {
        if (!streams.firstContentMs || told) return;
        told = true;
        source.next('B');
        if (ends) source.complete();
      });
      source.next('A');
      expect(seen).toEqual(ends ? ['A', 'B', '|'] : ['A', 'B']);
      subscription.unsubscribe();
    }
  });
});
