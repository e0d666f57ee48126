import fc from 'fast-check';
import { defer, NEVER, Observable, of, Subject, take, throwError } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { ResilientExecutor, WeirError, type ChatEvent, type Outcome, type WeirEvent } from 'rx-weir';
import { scriptedStream } from 'rx-weir/testing';
import { unhandled } from '../support/unhandled';
import { see, START, VirtualTime } from '../support/virtual';

type Config = ConstructorParameters<typeof ResilientExecutor>[0];

function setup(config: Config = {}) {
  const time = new VirtualTime();
  const executor = new ResilientExecutor(config, { scheduler: time });
  return { time, executor, events: see(executor.events$, time).values };
}

const overloaded = new WeirError('overloaded', { code: 'E3002' });
const retry = { jitter: 'none', initialDelayMs: 100 } as const;

describe('events$', () => {
  it('tell of each attempt, when, of which stream and the how manieth', () => {
    const { time, executor, events } = setup({ retry: { ...retry, maxRetries: 1 } });
    time.advance(7);
    const source = scriptedStream.attempts<string>([{ error: overloaded, after: 5 }], ['a'], { scheduler: time });
    see(source.pipe(executor.protect()), time);
    time.flush();
    expect(events).toEqual([
      { type: 'attempt.start', timestamp: START + 7, stream: 1, attempt: 1 },
      { type: 'attempt.end', outcome: 'failure', error: overloaded, timestamp: START + 12, stream: 1, attempt: 1 },
      { type: 'retry.scheduled', delayMs: 100, error: overloaded, timestamp: START + 12, stream: 1, attempt: 1 },
      { type: 'attempt.start', timestamp: START + 112, stream: 1, attempt: 2 },
      { type: 'attempt.end', outcome: 'success', timestamp: START + 112, stream: 1, attempt: 2 },
    ]);
  });

  it('tell of fallbacks, with the names of the targets', () => {
    const { time, executor, events } = setup({
      fallback: [throwError(() => overloaded), { name: 'claude', source: of('b') }],
    });
    see(throwError(() => overloaded).pipe(executor.protect<string>()), time);
    expect(events.filter(({ type }) => type === 'fallback')).toEqual([
      {
        type: 'fallback',
        from: 'primary',
        to: 'fallback 1',
        error: overloaded,
        timestamp: START,
        stream: 1,
        attempt: 1,
      },
      {
        type: 'fallback',
        from: 'fallback 1',
        to: 'claude',
        error: overloaded,
        timestamp: START,
        stream: 1,
        attempt: 2,
      },
    ]);
    expect(events.at(-1)).toMatchObject({ type: 'attempt.end', outcome: 'success', attempt: 3 });
  });

  it('tell of the circuit, and of what it refuses', () => {
    const { time, executor, events } = setup({ circuitBreaker: { failureThreshold: 1 } });
    see(throwError(() => overloaded).pipe(executor.protect()), time);
    const refused = see(of('a').pipe(executor.protect()), time);
    expect(events.map(({ type }) => type)).toEqual([
      'attempt.start',
      'circuit',
      'attempt.end',
      'attempt.start',
      'rejected',
      'attempt.end',
    ]);
    expect(events[1]).toEqual({
      type: 'circuit',
      from: 'closed',
      to: 'open',
      reason: expect.any(String) as string,
      timestamp: START,
    });
    expect(events[4]).toMatchObject({
      type: 'rejected',
      component: 'circuitBreaker',
      error: refused.error,
      stream: 2,
      attempt: 1,
    });
    expect(events[5]).toMatchObject({ type: 'attempt.end', outcome: 'rejected', stream: 2 });
  });

  it('name the component that refused', () => {
    const { time, executor, events } = setup({
      backpressure: { maxInflight: 1, maxQueue: 0 },
      rateLimiter: { requestsPerSecond: 2, maxWaitMs: 0 },
    });
    const running = see(NEVER.pipe(executor.protect()), time);
    see(NEVER.pipe(executor.protect()), time);
    running.subscription.unsubscribe();
    see(of('a').pipe(executor.protect()), time);
    see(of('a').pipe(executor.protect()), time);
    expect(events.flatMap((e) => (e.type === 'rejected' ? e.component : []))).toEqual(['backpressure', 'rateLimiter']);
  });

  it('tell how long a stream has waited to be admitted', () => {
    const { time, executor, events } = setup({ rateLimiter: { requestsPerSecond: 1 } });
    see(of('a').pipe(executor.protect()), time);
    see(of('b').pipe(executor.protect()), time);
    time.flush();
    expect(events.filter(({ type }) => type === 'wait.end')).toEqual([
      { type: 'wait.end', component: 'rateLimiter', waitedMs: 1000, timestamp: START + 1000, stream: 2, attempt: 1 },
    ]);
  });

  it.each(['fail', 'rewind'] as const)('tell what is done about partial output: %s', (onPartial) => {
    const { time, executor, events } = setup({ retry, onPartial, rewindValue: () => '<' });
    const source = scriptedStream.attempts<string>(['a', 'b', { error: overloaded }], ['c'], { scheduler: time });
    const seen = see(source.pipe(executor.protect()), time);
    time.flush();
    expect(seen.values).toEqual(onPartial === 'fail' ? ['a', 'b'] : ['a', 'b', '<', 'c']);
    expect(events.filter(({ type }) => type === 'partial')).toMatchObject([
      { emitted: 2, action: onPartial, stream: 1, attempt: 1 },
    ]);
  });

  const text: ChatEvent = { type: 'text', text: 'a' };
  const start: ChatEvent = { type: 'start', provider: 'p', model: 'm' };
  const outcomes: [how: string, source: Observable<ChatEvent>, outcome: Outcome][] = [
    ['left after its first content', scriptedStream<ChatEvent>([{ value: text }, { stall: true }]), 'success'],
    ['left before its first content', scriptedStream<ChatEvent>([{ value: start }, { stall: true }]), 'ignored'],
    ['that says nothing of the provider', throwError(() => new WeirError('no', { code: 'E1001' })), 'ignored'],
    ['that failed', throwError(() => overloaded), 'failure'],
    ['that completed with no content', of(start), 'success'],
  ];
  it.each(outcomes)('give the outcome of an attempt %s', (_, source, outcome) => {
    const { time, executor, events } = setup({ circuitBreaker: {} });
    const seen = see(source.pipe(executor.protect<ChatEvent>()), time);
    seen.subscription.unsubscribe();
    expect(events.at(-1)).toMatchObject({ type: 'attempt.end', outcome });
  });

  it('give the outcome success also where a synchronous source was left after its first content', () => {
    const { time, executor, events } = setup({ circuitBreaker: {}, retry: {} });
    see(of('a', 'b', 'c').pipe(executor.protect<string>(), take(1)), time);
    expect(events).toMatchObject([{ type: 'attempt.start' }, { type: 'attempt.end', outcome: 'success' }]);
  });

  it('show the same order to all, also when one of them acts on what it sees, and one throws', async () => {
    const { time, executor, events } = setup();
    let more = 2;
    executor.events$.subscribe(({ type }) => {
      if (type === 'attempt.end' && more-- > 0) see(of('a').pipe(executor.protect()), time);
      throw new Error('mine');
    });
    const last = see(executor.events$, time).values;
    see(of('a').pipe(executor.protect()), time);
    const story = (list: readonly WeirEvent[]): string[] =>
      list.map((e) => `${e.type} ${'stream' in e ? e.stream : ''}`);
    expect(story(events)).toEqual([1, 2, 3].flatMap((n) => [`attempt.start ${n}`, `attempt.end ${n}`]));
    expect(story(last)).toEqual(story(events));
    await new Promise((resolve) => setTimeout(resolve));
    expect(unhandled.splice(0)).toHaveLength(6);
  });

  it('give every start exactly one end, whatever happens', () => {
    const codes = ['E1001', 'E2001', 'E3001', 'E3002', 'E9999'] as const;
    const step = fc.oneof(
      fc.record({ value: fc.constantFrom('a', 'b'), after: fc.constantFrom(0, 0, 5, 30) }),
      fc.record({
        error: fc.constantFrom(...codes).map((code) => new WeirError('x', { code })),
        after: fc.constantFrom(0, 10),
      }),
      fc.constant({ stall: true } as const),
    );
    const stream = fc.record({
      at: fc.integer({ min: 0, max: 200 }),
      scripts: fc.array(fc.array(step, { maxLength: 4 }), { minLength: 1, maxLength: 3 }),
      leaveAfter: fc.option(fc.integer({ min: 0, max: 300 }), { nil: undefined }),
      take: fc.option(fc.integer({ min: 1, max: 2 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(stream, { maxLength: 8 }), fc.constantFrom('fail', 'rewind'), (streams, onPartial) => {
        const { time, executor, events } = setup({
          retry: { maxRetries: 2, initialDelayMs: 20 },
          circuitBreaker: { failureThreshold: 2, cooldownMs: 50 },
          backpressure: { maxInflight: 2, maxQueue: 2, maxWaitMs: 100 },
          rateLimiter: { requestsPerSecond: 20, burstSize: 2 },
          timeout: { firstMs: 60, idleMs: 40, totalMs: 400 },
          fallback: [defer(() => of('f'))],
          onPartial: onPartial as 'fail',
          rewindValue: () => '<',
        });
        for (const { at, scripts, leaveAfter, take: count } of streams) {
          time.schedule(() => {
            const source = scriptedStream.attempts<string>(...scripts, { scheduler: time }).pipe(executor.protect());
            const seen = see(count === undefined ? source : source.pipe(take(count)), time);
            if (leaveAfter !== undefined) time.schedule(() => seen.subscription.unsubscribe(), leaveAfter);
          }, at);
        }
        time.flush();
        expect(time.timers).toBe(0);
        for (let n = 1; n <= streams.length; n++) {
          const mine = events.flatMap((event) => ('stream' in event && event.stream === n ? [event] : []));
          let open: number | undefined;
          let count = 0;
          for (const { type, attempt } of mine) {
            if (type === 'attempt.start') {
              expect(open).toBeUndefined();
              open = attempt;
              expect(attempt).toBe(++count);
            } else if (type === 'attempt.end') {
              expect(attempt).toBe(open);
              open = undefined;
            } else expect(attempt).toBe(count);
          }
          expect(open).toBeUndefined();
          expect(count).toBeGreaterThan(0);
        }
        for (let i = 1; i < events.length; i++)
          expect(events[i]!.timestamp).toBeGreaterThanOrEqual(events[i - 1]!.timestamp);
      }),
      { numRuns: 100 },
    );
  });

  it('cost nothing and hold nothing when nobody listens', () => {
    const time = new VirtualTime();
    const executor = new ResilientExecutor({ circuitBreaker: { failureThreshold: 1 } }, { scheduler: time });
    const source = new Subject<string>();
    const seen = see(source.pipe(executor.protect()), time);
    const late = see(executor.events$, time);
    source.error(overloaded);
    expect(late.values.map(({ type }) => type)).toEqual(['circuit', 'attempt.end']);
    expect(seen.error).toBe(overloaded);
    late.subscription.unsubscribe();
    expect(time.timers).toBe(0);
  });
});
