import { concat, NEVER, Observable, of, take, throwError, VirtualTimeScheduler } from 'rxjs';
import { describe, expect, it, vi } from 'vitest';
import {
  FallbackExhaustedError,
  fallbackTo,
  IncompleteStreamError,
  retryBackoff,
  StreamTimeoutError,
  timeoutStream,
  verifyComplete,
  WeirError,
  type ChatEvent,
} from 'rx-weir';
import { attempts, busy, invalid, seenBy } from '../support/attempts';
import { marbles } from '../support/marbles';

const exact = { initialDelayMs: 5, jitter: 'none' } as const;
const conflict = (): WeirError => new WeirError('conflict', { code: 'E4001' }); // retryable, not fallbackable
const text = (content: string): ChatEvent => ({ type: 'text', text: content });
const rewind: ChatEvent = { type: 'rewind', to: 0 };
const failing = <T>(...values: T[]): Observable<T> => concat(of(...values), throwError(busy));

describe('retryBackoff inside fallbackTo', () => {
  it('uses up its retries first, then hands on', () => {
    const { frame } = marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-#', undefined, busy());
      const target = cold('       -a|');
      expectObservable(source.pipe(retryBackoff({ ...exact, maxRetries: 1 }), fallbackTo(target))).toBe('--------a|');
      expectSubscriptions(source.subscriptions).toBe(['^!', '------^!']);
      expectSubscriptions(target.subscriptions).toBe('-------^-!');
    });
    expect(frame).toBe(9);
  });

  it('hands on at once where a Retry-After is too long', () => {
    const slow = throwError(() => busy(3_600_000));
    expect(seenBy(slow.pipe(retryBackoff(), fallbackTo(of('a'))))).toEqual({ values: ['a'], ends: ['complete'] });
  });

  it('gives each target its own retries', () => {
    const scheduler = new VirtualTimeScheduler();
    const [first, second] = [attempts(throwError(busy)), attempts<string>(throwError(busy), of('a'))];
    const retry = retryBackoff<string>({ maxRetries: 2, scheduler });
    const seen = seenBy(first.source$.pipe(retry, fallbackTo(second.source$.pipe(retry))));
    scheduler.flush();
    expect(seen.values).toEqual(['a']);
    expect([first.opened(), second.opened()]).toEqual([3, 2]);
  });

  it("'rewind' inside, 'fail' outside: what was delivered at the end stays, and nothing more is tried", () => {
    const scheduler = new VirtualTimeScheduler();
    const { source$ } = attempts<ChatEvent>(failing(text('a'), text('b')), failing(text('c')));
    const target = attempts(of(text('x')));
    const retry = retryBackoff<ChatEvent>({ maxRetries: 1, onPartial: 'rewind', scheduler });
    const seen = seenBy(source$.pipe(retry, fallbackTo(target.source$)));
    scheduler.flush();
    expect(seen.values).toEqual([text('a'), text('b'), rewind, text('c')]);
    expect(seen.error).toMatchObject({ message: 'busy', emitted: 1 });
    expect(target.opened()).toBe(0);
  });

  it("'fail' inside, 'rewind' outside: one attempt each", () => {
    const source = attempts(failing(text('a'), text('b')));
    const target = attempts(of(text('x')));
    const fallback = fallbackTo(target.source$, { onPartial: 'rewind' });
    const seen = seenBy(source.source$.pipe(retryBackoff(), fallback));
    expect(seen).toEqual({ values: [text('a'), text('b'), rewind, text('x')], ends: ['complete'] });
    expect([source.opened(), target.opened()]).toEqual([1, 1]);
  });

  it('counts only what was not taken back inside', () => {
    const scheduler = new VirtualTimeScheduler();
    const { source$ } = attempts<ChatEvent>(failing(text('a'), text('b')), failing(text('c')), throwError(busy));
    const rewindValue = vi.fn(() => rewind);
    const seen = seenBy(
      source$.pipe(
        retryBackoff<ChatEvent>({ maxRetries: 2, onPartial: 'rewind', scheduler }),
        fallbackTo(of(text('x')), { onPartial: 'rewind', rewindValue }),
      ),
    );
    scheduler.flush();
    expect(seen.values).toEqual([text('a'), text('b'), rewind, text('c'), rewind, text('x')]);
    expect(rewindValue).toHaveBeenCalledExactlyOnceWith(1, expect.objectContaining({ message: 'busy' }));
  });
});

describe('retryBackoff outside fallbackTo', () => {
  it('does not retry where all targets have failed', () => {
    const { source$, opened } = attempts(throwError(busy));
    const seen = seenBy(source$.pipe(fallbackTo(throwError(busy)), retryBackoff()));
    expect(seen.error).toBeInstanceOf(FallbackExhaustedError);
    expect(opened()).toBe(1);
  });

  it('starts with the source again where it does retry', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-#', undefined, busy());
      const first = cold('  -#', undefined, conflict());
      const second = cold('        -a|');
      const target = attempts<string>(first, second);
      expectObservable(source.pipe(fallbackTo(target.source$), retryBackoff(exact))).toBe('---------a|');
      expectSubscriptions(source.subscriptions).toBe(['^!', '-------^!']);
      expectSubscriptions(first.subscriptions).toBe('-^!');
      expectSubscriptions(second.subscriptions).toBe('--------^-!');
    });
  });

  it('multiplies with retries inside, and keeps the order of closing and opening', () => {
    const scheduler = new VirtualTimeScheduler();
    const { source$, log } = attempts(throwError(busy));
    const seen = seenBy(
      source$.pipe(retryBackoff({ maxRetries: 1, scheduler }), retryBackoff({ maxRetries: 2, scheduler })),
    );
    scheduler.flush();
    expect(seen.ends).toEqual(['error']);
    expect(log).toEqual([1, 2, 3, 4, 5, 6].flatMap((n) => [`open ${n}`, `close ${n}`]));
  });
});

describe('timeoutStream with the others', () => {
  it('inside: holds for each attempt, and is retried', () => {
    const { frame } = marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const stalled = cold('-----------');
      const good = cold('          -a|');
      const { source$ } = attempts<string>(stalled, good);
      const guarded = source$.pipe(timeoutStream({ firstMs: 3, totalMs: 4 }), retryBackoff(exact));
      expectObservable(guarded).toBe('---------a|');
      expectSubscriptions(stalled.subscriptions).toBe('^--!');
      expectSubscriptions(good.subscriptions).toBe('--------^-!');
    });
    expect(frame).toBe(10);
  });

  it('outside: holds for everything, the waits included, and cancels them', () => {
    const { frame } = marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-#', undefined, busy());
      const result = source.pipe(
        retryBackoff({ initialDelayMs: 60_000, jitter: 'none' }),
        timeoutStream({ totalMs: 9 }),
      );
      expectObservable(result).toBe('---------#', undefined, new StreamTimeoutError('total', 9));
      expectSubscriptions(source.subscriptions).toBe('^!');
    });
    expect(frame).toBe(9);
  });

  it('outside of a fallback: cancels the target too', () => {
    const { frame } = marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const target = cold('-----------');
      const result = cold('--#', undefined, busy()).pipe(fallbackTo<string>(target), timeoutStream({ firstMs: 6 }));
      expectObservable(result).toBe('------#', undefined, new StreamTimeoutError('first', 6));
      expectSubscriptions(target.subscriptions).toBe('--^---!');
    });
    expect(frame).toBe(6);
  });

  it('a stall after the first content is not doubled by a retry, but may be taken back', () => {
    const run = (onPartial: 'fail' | 'rewind'): unknown[] => {
      const scheduler = new VirtualTimeScheduler();
      const { source$ } = attempts<ChatEvent>(concat(of(text('a')), NEVER), of(text('a'), text('b')));
      const guarded = source$.pipe(timeoutStream({ idleMs: 8, scheduler }), retryBackoff({ onPartial, scheduler }));
      const seen = seenBy(guarded);
      scheduler.flush();
      return [...seen.values, ...seen.ends];
    };
    expect(run('fail')).toEqual([text('a'), 'error']);
    expect(run('rewind')).toEqual([text('a'), rewind, text('a'), text('b'), 'complete']);
  });
});

describe('verifyComplete with the others', () => {
  const finish: ChatEvent = { type: 'finish', reason: 'stop' };

  it('an answer cut short is no answer: it is handed on, or taken back', () => {
    const cut = of(text('a'));
    const whole = of(text('b'), finish);
    const empty = of<ChatEvent[]>(finish);
    const check = verifyComplete<ChatEvent>();
    expect(seenBy(empty.pipe(check, fallbackTo(whole.pipe(check)))).values).toEqual([text('b'), finish]);
    expect(seenBy(cut.pipe(check, fallbackTo(whole.pipe(check)))).error).toBeInstanceOf(IncompleteStreamError);
    const seen = seenBy(cut.pipe(check, fallbackTo(whole.pipe(check), { onPartial: 'rewind' })));
    expect(seen).toEqual({ values: [text('a'), rewind, text('b'), finish], ends: ['complete'] });
  });

  it('outside: looks at what came out in the end', () => {
    const source = concat(of(text('a'), finish), throwError(busy));
    const run = (target: Observable<ChatEvent>): unknown =>
      seenBy(source.pipe(fallbackTo(target, { onPartial: 'rewind' }), verifyComplete())).error;
    expect(run(of(text('b'), finish))).toBeUndefined();
    expect(run(of(text('b')))).toBeInstanceOf(IncompleteStreamError);
  });
});

describe('any order', () => {
  const scheduler = new VirtualTimeScheduler();
  const each = {
    retry: retryBackoff<number>({ scheduler }),
    fallback: fallbackTo<number>(of(0), { scheduler }),
    timeout: timeoutStream<number>({ firstMs: 50, idleMs: 50, totalMs: 500, scheduler }),
    verify: verifyComplete<number>({ isTerminal: (n) => n === 9, scheduler }),
  };
  const names = Object.keys(each) as (keyof typeof each)[];
  const orders = names
    .flatMap((a) => names.flatMap((b) => names.flatMap((c) => names.map((d) => [a, b, c, d] as const))))
    .filter((order) => new Set(order).size === 4);

  it.each(orders)('%s, %s, %s, %s', (...order) => {
    const [a, b, c, d] = order.map((name) => each[name]);
    const guard = (source: Observable<number>): Observable<number> => source.pipe(a!, b!, c!, d!);
    // It works: nothing is changed, closed before the end is told.
    const good = attempts(of(1, 2, 9));
    guard(good.source$).subscribe({ complete: () => good.log.push('complete') });
    expect(good.log).toEqual(['open 1', 'close 1', 'complete']);
    expect(seenBy(guard(of(1, 2, 9)))).toEqual({ values: [1, 2, 9], ends: ['complete'] });
    // A firehose stops when its consumer has enough.
    let given = 0;
    const firehose = new Observable<number>((subscriber) => {
      while (!subscriber.closed && given < 100_000) subscriber.next(given++);
    });
    expect(seenBy(guard(firehose).pipe(take(3)))).toEqual({ values: [0, 1, 2], ends: ['complete'] });
    expect(given).toBe(3);
    // It is left: closed at once, no timer.
    const { source$, active } = attempts<number>(NEVER);
    guard(source$).subscribe().unsubscribe();
    expect(active()).toBe(0);
    // Nothing can be done about it: as it is.
    const error = invalid();
    expect(
      seenBy(
        guard(
          concat(
            of(1),
            throwError(() => error),
          ),
        ),
      ),
    ).toEqual({ values: [1], ends: ['error'], error });
    expect(error.emitted).toBe(1);
    expect(scheduler.actions).toEqual([]);
  });

  it('a long chain of operators costs stack per operator, not per value', () => {
    const long = (source: Observable<number>): Observable<number> => {
      let result = source;
      for (let i = 0; i < 100; i++) result = result.pipe(each.timeout);
      return result;
    };
    const { values, ends } = seenBy(long(of(...Array.from({ length: 1000 }, (_, i) => i))));
    expect([values.length, ends]).toEqual([1000, ['complete']]);
    expect(scheduler.actions).toEqual([]);
  });
});
