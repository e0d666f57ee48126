import { EMPTY, map, NEVER, Observable, of, Subject, take, type ObservableInput } from 'rxjs';
import { describe, expect, it, vi } from 'vitest';
import {
  CircuitOpenError,
  fallbackTo,
  resilient,
  ResilientExecutor,
  retryBackoff,
  StreamTimeoutError,
  type ChatEvent,
  type OnPartial,
  type PartialOutput,
  type RuntimeOptions,
  type WeirEvent,
} from 'rx-weir';
import { cut, finish, reasoning, rewind, start, text, toolCall, usage } from '../support/answers';
import { attempts, busy, invalid, seenBy, type Attempts, type Seen } from '../support/attempts';
import { marbles } from '../support/marbles';
import { VirtualTime } from '../support/virtual';

const exact = { initialDelayMs: 5, backoffMultiplier: 1, jitter: 'none', maxRetries: 4 } as const;

type Build = <T>(source$: Observable<T>, onPartial: OnPartial<T>, options: RuntimeOptions<T>) => Observable<T>;

/** Targets that are never asked, when a continuation stands in for them. */
const untouched = vi.fn(() => EMPTY);
const targets = ['A', 'B', 'C', 'D'].map((name) => ({ name, source: untouched }));
const TARGETS = [{ target: 'A' }, { target: 'B' }, { target: 'C' }, { target: 'D' }];

const BUILDS: readonly (readonly [name: string, build: Build, places: readonly object[]])[] = [
  ['retryBackoff', (source$, onPartial, options) => source$.pipe(retryBackoff({ ...exact, onPartial }, options)), []],
  [
    'fallbackTo',
    (source$, onPartial, options) => source$.pipe(fallbackTo(...targets, { onPartial, ...options })),
    TARGETS,
  ],
  [
    'resilient, with retries',
    <T>(source$: Observable<T>, onPartial: OnPartial<T>, options: RuntimeOptions<T>) =>
      source$.pipe(resilient<T>({ retry: exact, backpressure: 1, circuitBreaker: {}, onPartial }, options)),
    [],
  ],
  [
    'resilient, with fallbacks',
    <T>(source$: Observable<T>, onPartial: OnPartial<T>, options: RuntimeOptions<T>) =>
      source$.pipe(resilient<T>({ fallback: targets, onPartial }, options)),
    TARGETS,
  ],
];

/** What `onPartial` was asked. */
const asked = <T>(partial: Omit<PartialOutput<T>, 'text'>): PartialOutput<T> => ({
  ...partial,
  text: partial.values.map((value) => (typeof value === 'string' ? value : '')).join(''),
});

describe.each(BUILDS)('onPartial as a function in %s', (_name, build, places) => {
  function run<T>(
    source: Observable<T>,
    onPartial: OnPartial<T>,
    options: RuntimeOptions<T> = {},
  ): Attempts<T> & Seen<T> {
    const scheduler = new VirtualTime();
    const tried = attempts<T>(source);
    const seen = seenBy(build(tried.source$, onPartial, { scheduler, ...options }));
    scheduler.flush();
    expect([tried.active(), scheduler.timers]).toEqual([0, 0]);
    expect(untouched).not.toHaveBeenCalled();
    return Object.assign(seen, tried);
  }

  it('goes on with the stream that it returns, right behind what was delivered', () => {
    const error = busy();
    const onPartial = vi.fn(() => of('c', 'd'));
    const { values, ends, opened } = run(cut(error, 'a', 'b'), onPartial);
    expect([values, ends, opened()]).toEqual([['a', 'b', 'c', 'd'], ['complete'], 1]);
    expect(onPartial.mock.calls).toEqual([[asked({ values: ['a', 'b'], error, attempt: 1, ...places[0] })]]);
  });

  it('gives it the raw error', () => {
    const raw = Object.assign(new Error('cut'), { status: 503 });
    const onPartial = vi.fn((_partial: PartialOutput<string>) => EMPTY);
    run(cut(raw, 'a'), onPartial);
    expect(onPartial.mock.calls[0]![0].error).toBe(raw);
  });

  it('goes on from the longer output when a continuation fails as well', () => {
    const errors = [busy(), busy(), busy()];
    const streams = [cut(errors[1], 'b', 'c'), cut(errors[2], 'd'), of('e')];
    const onPartial = vi.fn(() => streams.shift()!);
    const { values, ends } = run(cut(errors[0], 'a'), onPartial);
    expect([values.join(''), ends]).toEqual(['abcde', ['complete']]);
    expect(onPartial.mock.calls).toEqual([
      [asked({ values: ['a'], error: errors[0], attempt: 1, ...places[0] })],
      [asked({ values: ['a', 'b', 'c'], error: errors[1], attempt: 2, ...places[1] })],
      [asked({ values: ['a', 'b', 'c', 'd'], error: errors[2], attempt: 3, ...places[2] })],
    ]);
  });

  it('is asked again with the same output when a continuation fails before its first content', () => {
    const streams = [cut(busy(), start), cut<ChatEvent>(busy()), of<ChatEvent[]>(start, text('b'), finish)];
    const onPartial = vi.fn((_partial: PartialOutput<ChatEvent>) => streams.shift()!);
    const { values } = run(cut(busy(), start, text('a')), onPartial);
    expect(values).toEqual([start, text('a'), start, text('b'), finish]);
    const partials = onPartial.mock.calls.map(([partial]) => partial);
    expect(partials.map((partial) => [partial.values, partial.text])).toEqual(
      [0, 1, 2].map(() => [[start, text('a')], 'a']),
    );
  });

  it('is asked with all that the subscriber has, and with nothing else', () => {
    const first = [start, reasoning('hm'), usage(1, 0), text('a'), text(''), toolCall];
    const streams = [cut(busy(), usage(9, 9)), cut(busy(), start, text('b'), usage(1, 2)), of(finish)];
    const onPartial = vi.fn((_partial: PartialOutput<ChatEvent>) => streams.shift()!);
    const { values } = run(cut(busy(), ...first), onPartial);
    expect(values).toEqual([...first, start, text('b'), usage(1, 2), finish]);
    expect(onPartial.mock.calls.map(([partial]) => partial.text)).toEqual(['a', 'a', 'ab']);
    expect(onPartial.mock.calls[1]![0].values).toEqual(first);
    expect(onPartial.mock.calls[2]![0].values).toEqual([...first, start, text('b'), usage(1, 2)]);
  });

  it('has values of its own, which later ones do not change', () => {
    const kept: (readonly string[])[] = [];
    run(cut(busy(), 'a'), ({ values }) => {
      kept.push(values);
      return kept.length === 1 ? cut(busy(), 'b') : of('c');
    });
    expect(kept).toEqual([['a'], ['a', 'b']]);
  });

  it('is not asked where nothing was delivered, or nothing is tried', () => {
    const onPartial = vi.fn(() => EMPTY);
    expect(run(of('a'), onPartial).ends).toEqual(['complete']);
    const error = invalid();
    expect(run(cut(error, 'a', 'b'), onPartial).error).toBe(error);
    expect(error.emitted).toBe(2);
    expect(onPartial).not.toHaveBeenCalled();
  });

  it("knows of a rewind in the source's own stream", () => {
    const onPartial = vi.fn((_partial: PartialOutput<ChatEvent>) => of(finish));
    run(cut(busy(), start, text('abc'), toolCall, rewind(), start, text('d')), onPartial);
    expect(onPartial.mock.calls[0]![0]).toMatchObject({ values: [start, text('d')], text: 'd' });
    run(cut(busy(), text('abc'), rewind(1), text('x')), onPartial);
    expect(onPartial.mock.calls[1]![0].text).toBe('ax');
  });

  it.each<[string, () => ObservableInput<string>]>([
    ['a promise', () => Promise.resolve('b')],
    ['an array', () => ['b']],
    ['an iterable', () => new Set(['b'])],
    [
      'an async iterable',
      async function* () {
        yield 'b';
      },
    ],
    [
      'a ReadableStream',
      () =>
        new ReadableStream<string>({
          start(controller) {
            controller.enqueue('b');
            controller.close();
          },
        }),
    ],
  ])('goes on with %s', async (_kind, onPartial) => {
    const scheduler = new VirtualTime();
    const seen = seenBy(build(cut(busy(), 'a'), onPartial, { scheduler }));
    scheduler.flush();
    await vi.waitFor(() => expect(seen).toEqual({ values: ['a', 'b'], ends: ['complete'] }));
  });

  it.each([undefined, null, 5, 'abc', true])('makes %o, which is no stream, a TypeError that names it', (made) => {
    const original = busy();
    const { values, ends, error } = run(cut(original, 'a'), (() => made) as unknown as OnPartial<string>);
    expect([values, ends]).toEqual([['a'], ['error']]);
    expect(error).toBeInstanceOf(TypeError);
    expect((error as TypeError).message).toMatch(/onPartial.*stream/);
    expect((error as TypeError).cause).toBe(original);
  });

  it('makes what it throws the error of the stream, with the original as its cause', () => {
    const [original, thrown] = [busy(), new Error('mine')];
    const seen = run(cut(original, 'a'), () => {
      throw thrown;
    });
    expect([seen.values, seen.ends]).toEqual([['a'], ['error']]);
    expect(seen.error).toBe(thrown);
    expect(thrown.cause).toBe(original);
  });

  it('says with the last error how much there is', () => {
    const last = invalid();
    const { error } = run(cut(busy(), 'a', 'b'), () => cut(last, 'c'));
    expect([error, last.emitted]).toEqual([last, 3]);
  });

  it.each([
    ['nothing', () => NEVER],
    ['a promise', () => new Promise<string>(() => undefined)],
  ])('ends a continuation that never ends, %s, when it is left', (_kind, onPartial) => {
    const scheduler = new VirtualTime();
    let open = 0;
    const returned = vi.fn(() => {
      open++;
      return onPartial();
    });
    const source$ = cut(busy(), 'a');
    const subscription = build(source$, returned, { scheduler }).subscribe();
    scheduler.advance(100);
    expect([open, scheduler.timers, subscription.closed]).toEqual([1, 0, false]);
    subscription.unsubscribe();
    expect(scheduler.timers).toBe(0);
  });

  it('closes a continuation when it is left, and an async iterable too', () => {
    const returned = vi.fn(async () => ({ done: true, value: undefined }) as const);
    const iterable: AsyncIterable<string> = {
      [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined), return: returned }),
    };
    const subject = new Subject<string>();
    for (const made of [subject, iterable]) {
      const scheduler = new VirtualTime();
      const subscription = build<string>(cut(busy(), 'a'), () => made, { scheduler }).subscribe();
      scheduler.advance(100);
      subscription.unsubscribe();
    }
    expect(subject.observed).toBe(false);
    expect(returned).toHaveBeenCalledTimes(1);
  });

  it('opens nothing for one who leaves inside it', () => {
    const scheduler = new VirtualTime();
    const source = new Subject<string>();
    const made = attempts(of('b'));
    const onPartial = (): Observable<string> => {
      subscription.unsubscribe();
      return made.source$;
    };
    const got: string[] = [];
    const subscription = build(source, onPartial, { scheduler }).subscribe({
      next: (value) => got.push(value),
      error: () => got.push('#'),
      complete: () => got.push('|'),
    });
    source.next('a');
    source.error(busy());
    scheduler.flush();
    expect([got, made.opened(), scheduler.timers]).toEqual([['a'], 0, 0]);
  });

  it('stops a synchronous continuation whose consumer has had enough', () => {
    let given = 0;
    const firehose = new Observable<string>((subscriber) => {
      while (!subscriber.closed && given < 1_000_000) subscriber.next(String(given++));
    });
    const scheduler = new VirtualTime();
    const seen = seenBy(build(cut(busy(), 'a'), () => firehose, { scheduler }).pipe(take(3)));
    scheduler.flush();
    expect([seen.values, seen.ends, given]).toEqual([['a', '0', '1'], ['complete'], 2]);
  });
});

describe('onPartial as a function, in time', () => {
  it('is asked when the attempt starts, behind the delay, with the failed one closed', () => {
    const log: unknown[] = [];
    const { frame } = marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
      const source = cold('-a-b#', undefined, busy());
      const second = cold('         -c#', undefined, busy());
      const third = cold('                -d-|');
      const streams = [second, third];
      const onPartial = ({ text: said }: PartialOutput<string>): Observable<string> => {
        log.push([scheduler.now(), said]);
        return streams.shift()!;
      };
      expectObservable(source.pipe(retryBackoff({ ...exact, onPartial }))).toBe('-a-b------c------d-|');
      expectSubscriptions(source.subscriptions).toBe('^---!');
      expectSubscriptions(second.subscriptions).toBe('---------^-!');
      expectSubscriptions(third.subscriptions).toBe(' ----------------^--!');
    });
    expect(log).toEqual([
      [9, 'ab'],
      [16, 'abc'],
    ]);
    expect(frame).toBe(19);
  });

  it('is asked at once where it stands in for a target, of which the next is asked about the next failure', () => {
    const when = vi.fn(() => true);
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold(' -a#', undefined, busy());
      const second = cold('   -b#', undefined, busy());
      const third = cold('      -|');
      const streams: Record<string, Observable<string>> = { x: second, y: third };
      const onPartial = ({ target = '' }: PartialOutput<string>): Observable<string> => streams[target]!;
      const chain = ['x', 'y'].map((name) => ({ name, source: untouched, when }));
      expectObservable(source.pipe(fallbackTo<string>(...chain, { onPartial }))).toBe('-a-b-|');
      expectSubscriptions(source.subscriptions).toBe('^-!');
      expectSubscriptions(second.subscriptions).toBe('--^-!');
      expectSubscriptions(third.subscriptions).toBe(' ----^!');
    });
    expect(when).toHaveBeenCalledTimes(2);
    expect(untouched).not.toHaveBeenCalled();
  });
});

describe('onPartial as a function, in resilient', () => {
  const story = (config: ConstructorParameters<typeof ResilientExecutor>[0]) => {
    const time = new VirtualTime();
    const executor = new ResilientExecutor(config, { scheduler: time });
    const events: WeirEvent[] = [];
    executor.events$.subscribe((event) => events.push(event));
    return { time, executor, events };
  };

  it('takes a slot and a request for a continuation, and holds none while it waits', () => {
    const inUse: unknown[] = [];
    const { time, executor, events } = story({
      retry: exact,
      backpressure: 1,
      rateLimiter: { requestsPerSecond: 1, burstSize: 9 },
      onPartial: () => of('b').pipe(map((value) => (note(), value))),
    });
    const note = (): void => {
      const { inflight, rate } = executor.snapshot();
      inUse.push([time.elapsed, inflight!.inUse, Math.floor(rate!.remaining!)]);
    };
    time.schedule(note, 3);
    const { values } = seenBy(cut(busy(), 'a').pipe(executor.protect<string>()));
    time.advance(20);
    expect(values).toEqual(['a', 'b']);
    expect(inUse).toEqual([
      [3, 0, 8],
      [5, 1, 7],
    ]);
    expect(events.filter(({ type }) => type === 'partial')).toMatchObject([
      { action: 'resume', emitted: 1, attempt: 1 },
    ]);
    expect(executor.snapshot()).toMatchObject({
      currentInflight: 0,
      inflight: { inUse: 0 },
      streams: { completed: 1 },
    });
  });

  it('is refused by a breaker that is open', () => {
    const made = attempts(of('b'));
    const { time, executor } = story({
      retry: exact,
      circuitBreaker: { failureThreshold: 1 },
      onPartial: () => made.source$,
    });
    const original = busy();
    const seen = seenBy(cut(original, 'a').pipe(executor.protect<string>()));
    time.advance(20);
    expect(seen.error).toBeInstanceOf(CircuitOpenError);
    expect(seen.error).toMatchObject({ emitted: 1, cause: original });
    expect(made.opened()).toBe(0);
  });

  it.each([
    ['firstMs', { firstMs: 20 }, 25, 'first'],
    ['totalMs', { totalMs: 50 }, 50, 'total'],
  ])('is ended by %s where it never says anything', (_name, timeout, at, phase) => {
    for (const stuck of [NEVER, new Promise<string>(() => undefined)]) {
      const { time, executor } = story({
        retry: { ...exact, maxRetries: 1 },
        backpressure: 1,
        timeout,
        onPartial: () => stuck,
      });
      const ends: unknown[] = [];
      cut(busy(), 'a')
        .pipe(executor.protect<string>())
        .subscribe({ error: (error: unknown) => ends.push([time.elapsed, error]) });
      time.advance(1000);
      expect(ends).toMatchObject([[at, { phase, emitted: 1 }]]);
      expect((ends[0] as unknown[])[1]).toBeInstanceOf(StreamTimeoutError);
      expect(executor.snapshot()).toMatchObject({ currentInflight: 0, inflight: { inUse: 0, queued: 0 } });
    }
  });
});
