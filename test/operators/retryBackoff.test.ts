import {
  concat,
  defer,
  EMPTY,
  NEVER,
  Observable,
  of,
  range,
  Subject,
  take,
  throwError,
  VirtualTimeScheduler,
} from 'rxjs';
import { describe, expect, it, vi } from 'vitest';
import {
  CircuitOpenError,
  DivergedStreamError,
  ERROR_CODES,
  isWeirError,
  ProviderError,
  retryBackoff,
  type ErrorCode,
  type ErrorContext,
} from 'rx-weir';
import { attempts, busy, invalid, seenBy } from '../support/attempts';
import { marbles } from '../support/marbles';
import { turn } from '../support/turn';
import { unhandled } from '../support/unhandled';

const exact = { initialDelayMs: 5, jitter: 'none' } as const;

const fails = (error: unknown = busy()): Observable<never> => throwError(() => error);

describe('retryBackoff', () => {
  it('subscribes again after a delay that grows, once the failed attempt is closed', () => {
    const { frame } = marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const first = cold('  -#', undefined, busy());
      const second = cold('       -#', undefined, busy());
      const third = cold('                         --a-b|');
      const result = '         19ms a-b|';
      const { source$ } = attempts(first, second, third);
      expectObservable(source$.pipe(retryBackoff(exact))).toBe(result);
      expectSubscriptions(first.subscriptions).toBe('^!');
      expectSubscriptions(second.subscriptions).toBe('------^!');
      expectSubscriptions(third.subscriptions).toBe('17ms ^----!');
    });
    expect(frame).toBe(22);
  });

  it('lets a stream that works through as it is: values, times, empty, never', () => {
    for (const [stream, closed] of [
      ['a-b---(c|)', '^-----!'],
      ['|', '(^!)'],
      ['---|', '^--!'],
      ['(abc|)', '(^!)'],
    ] as const) {
      marbles(({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold(stream);
        expectObservable(source.pipe(retryBackoff(exact))).toBe(stream);
        expectSubscriptions(source.subscriptions).toBe(closed);
      });
    }
    marbles(({ expectObservable }) => expectObservable(NEVER.pipe(retryBackoff(exact)), '---!').toBe('----'));
  });

  it('gives the last error out, unwrapped, after maxRetries', () => {
    const errors = [busy(), busy(), busy()] as const;
    const { source$, log } = attempts(...errors.map((error) => fails(error)));
    const scheduler = new VirtualTimeScheduler();
    const seen = seenBy(source$.pipe(retryBackoff({ ...exact, maxRetries: 2 }, { scheduler })));
    scheduler.flush();
    expect(seen.error).toBe(errors[2]);
    expect(seen.ends).toEqual(['error']);
    expect(log).toEqual(['open 1', 'close 1', 'open 2', 'close 2', 'open 3', 'close 3']);
  });

  it('does not retry with maxRetries 0', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('--#', undefined, busy());
      expectObservable(source.pipe(retryBackoff({ maxRetries: 0 }))).toBe('--#', undefined, busy());
      expectSubscriptions(source.subscriptions).toBe('^-!');
    });
  });

  it('goes on for ever with maxRetries Infinity', () => {
    const scheduler = new VirtualTimeScheduler();
    const { source$, opened } = attempts(...Array.from({ length: 500 }, () => fails()), of('a'));
    const seen = seenBy(source$.pipe(retryBackoff({ maxRetries: Infinity }, { scheduler })));
    scheduler.flush();
    expect(seen.values).toEqual(['a']);
    expect(opened()).toBe(501);
  });

  it.each(Object.entries(ERROR_CODES))('decides by the class of the error: %s', (code, { retryable }) => {
    const scheduler = new VirtualTimeScheduler();
    const error = new ProviderError('no', { code: code as ErrorCode });
    const { source$, opened } = attempts(fails(error));
    const seen = seenBy(source$.pipe(retryBackoff({ maxRetries: 1 }, { scheduler })));
    scheduler.flush();
    expect(opened()).toBe(retryable ? 2 : 1);
    expect(seen.error).toBe(error);
  });

  it('classifies raw errors, and gives the raw one out', () => {
    const scheduler = new VirtualTimeScheduler();
    const raw = Object.assign(new Error('overloaded'), { status: 529 });
    const { source$, opened } = attempts(fails(raw));
    const seen = seenBy(source$.pipe(retryBackoff({ maxRetries: 1 }, { scheduler })));
    scheduler.flush();
    expect(opened()).toBe(2);
    expect(seen.error).toBe(raw);
    expect(seenBy(fails('a string').pipe(retryBackoff())).error).toBe('a string');
    expect(seenBy(throwError(() => undefined).pipe(retryBackoff())).ends).toEqual(['error']);
  });

  it('treats an error that is a function as an error, and does not call it', () => {
    const error = vi.fn();
    expect(seenBy(fails(error).pipe(retryBackoff())).error).toBe(error);
    expect(error).not.toHaveBeenCalled();
  });

  it('never retries a refusal or a diverged stream, and does not ask retryOn', () => {
    const retryOn = vi.fn(() => true);
    for (const error of [new CircuitOpenError(), new DivergedStreamError()]) {
      const { source$, opened } = attempts(fails(error));
      expect(seenBy(source$.pipe(retryBackoff({ retryOn }))).error).toBe(error);
      expect(opened()).toBe(1);
    }
    expect(retryOn).not.toHaveBeenCalled();
  });

  it('starts anew for each subscription, also at the same time', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-#', undefined, busy());
      const result = source.pipe(retryBackoff({ ...exact, maxRetries: 1 }));
      expectObservable(result).toBe('-------#', undefined, busy());
      expectObservable(result, '---^').toBe('----------#', undefined, busy());
      expectObservable(result, '20ms ^').toBe('27ms #', undefined, busy());
      expectSubscriptions(source.subscriptions).toBe(['^!', '---^!', '------^!', '---------^!', '20ms ^!', '26ms ^!']);
    });
  });

  it('keeps one operator apart on two sources', () => {
    marbles(({ cold, expectObservable }) => {
      const operator = retryBackoff<string>({ ...exact, maxRetries: 1 });
      for (const stream of ['a|', 'b|']) {
        const { source$ } = attempts<string>(cold('#', undefined, busy()), cold(stream));
        expectObservable(source$.pipe(operator)).toBe(`-----${stream}`);
      }
    });
  });

  it('retries a dead hot source to the end, without a loop', () => {
    marbles(({ hot, expectObservable }) => {
      const source = hot('#', undefined, busy());
      expectObservable(source.pipe(retryBackoff(exact))).toBe('35ms #', undefined, busy());
    });
  });

  it('survives 100 000 synchronous failures in a row', () => {
    const scheduler = new VirtualTimeScheduler();
    const { source$, opened, active } = attempts(fails());
    const config = { maxRetries: 100_000, initialDelayMs: 0, jitter: 'none' } as const;
    const seen = seenBy(source$.pipe(retryBackoff(config, { scheduler })));
    scheduler.flush();
    expect(opened()).toBe(100_001);
    expect(active()).toBe(0);
    expect(seen.ends).toEqual(['error']);
    expect(scheduler.frame).toBe(0);
  });
});

describe('retryBackoff: retryOn and onRetry', () => {
  it('gives both the raw error first, and the classified one in the context', () => {
    const retryOn = vi.fn((_error: unknown, _ctx: ErrorContext) => true);
    const onRetry = vi.fn();
    const errors = [Object.assign(new Error('x'), { status: 400 }), busy(), invalid()];
    marbles(({ cold }) => {
      const { source$ } = attempts(...errors.map((error) => cold('--#', undefined, error)));
      seenBy(source$.pipe(retryBackoff({ ...exact, maxRetries: 2, retryOn, onRetry })));
    });
    const contexts = [
      { attempt: 1, emitted: 0, elapsedMs: 2, error: expect.objectContaining({ code: 'E1001' }) },
      { attempt: 2, emitted: 0, elapsedMs: 9, error: errors[1] },
    ];
    expect(retryOn.mock.calls).toEqual([
      [errors[0], contexts[0]],
      [errors[1], contexts[1]],
    ]);
    expect(retryOn.mock.calls[0]?.[0]).toBe(errors[0]);
    expect(isWeirError(retryOn.mock.calls[0]?.[1].error)).toBe(true);
    expect(onRetry.mock.calls).toEqual([
      [errors[0], { ...contexts[0], delayMs: 5 }],
      [errors[1], { ...contexts[1], delayMs: 10 }],
    ]);
  });

  it('lets retryOn overrule the class of an error, both ways', () => {
    marbles(({ cold, expectObservable }) => {
      const retried = attempts(cold('#', undefined, invalid()), cold('a|')).source$;
      expectObservable(retried.pipe(retryBackoff({ ...exact, retryOn: () => true }))).toBe('-----a|');
      expectObservable(cold('#', undefined, busy()).pipe(retryBackoff({ retryOn: () => false }))).toBe(
        '#',
        undefined,
        busy(),
      );
    });
  });

  it('asks neither when no retry is left', () => {
    const retryOn = vi.fn(() => true);
    const onRetry = vi.fn();
    seenBy(fails().pipe(retryBackoff({ maxRetries: 0, retryOn, onRetry })));
    expect(retryOn).not.toHaveBeenCalled();
    expect(onRetry).not.toHaveBeenCalled();
  });

  it('waits for a promise', async () => {
    const scheduler = new VirtualTimeScheduler();
    for (const verdict of [true, false]) {
      const error = busy();
      const { source$, opened, active } = attempts<string>(fails(error), of('a'));
      const seen = seenBy(source$.pipe(retryBackoff({ retryOn: async () => verdict }, { scheduler })));
      expect([opened(), active()]).toEqual([1, 0]);
      await turn();
      scheduler.flush();
      expect(seen).toEqual(verdict ? { values: ['a'], ends: ['complete'] } : { values: [], ends: ['error'], error });
    }
  });

  it('counts the time that a promise takes', async () => {
    // It takes 20 ms, so the retry would start at 25.
    for (const maxElapsedMs of [24, 25]) {
      const scheduler = new VirtualTimeScheduler();
      const retryOn = () => new Promise<boolean>((done) => void scheduler.schedule(() => done(true), 20));
      const { source$, opened } = attempts<string>(fails(), of('a'));
      const seen = seenBy(source$.pipe(retryBackoff({ ...exact, maxElapsedMs, retryOn }, { scheduler })));
      scheduler.flush();
      await turn();
      scheduler.flush();
      expect(opened()).toBe(maxElapsedMs === 24 ? 1 : 2);
      expect(seen.ends).toEqual([maxElapsedMs === 24 ? 'error' : 'complete']);
    }
  });

  it('does nothing more when left while a promise is pending', async () => {
    const scheduler = new VirtualTimeScheduler();
    for (const settle of ['resolve', 'reject'] as const) {
      let resolve: (value: boolean) => void = () => undefined;
      let reject: (error: unknown) => void = () => undefined;
      const retryOn = () =>
        new Promise<boolean>((yes, no) => {
          resolve = yes;
          reject = no;
        });
      const onRetry = vi.fn();
      const { source$, opened } = attempts(fails());
      const next = vi.fn();
      source$.pipe(retryBackoff({ retryOn, onRetry }, { scheduler })).subscribe({ next, error: next }).unsubscribe();
      if (settle === 'resolve') resolve(true);
      else reject(new Error('late'));
      await turn();
      expect(scheduler.actions).toEqual([]);
      expect(opened()).toBe(1);
      expect(next).not.toHaveBeenCalled();
      expect(onRetry, 'nothing is scheduled, so nothing is announced').not.toHaveBeenCalled();
    }
  });

  it('makes what they throw the error of the stream, with the original as its cause', () => {
    for (const callback of ['retryOn', 'onRetry']) {
      const original = busy();
      const thrown = new Error('mine');
      const { source$, opened, active } = attempts(fails(original));
      const scheduler = new VirtualTimeScheduler();
      const config = {
        [callback]: () => {
          throw thrown;
        },
      };
      const seen = seenBy(source$.pipe(retryBackoff(config, { scheduler })));
      expect(seen.error).toBe(thrown);
      expect(thrown.cause).toBe(original);
      expect([opened(), active(), scheduler.actions.length]).toEqual([1, 0, 0]);
    }
  });

  it('makes a rejection the error of the stream, with the original as its cause', async () => {
    const original = busy();
    const thrown = new Error('mine');
    const seen = seenBy(fails(original).pipe(retryBackoff({ retryOn: () => Promise.reject(thrown) })));
    await turn();
    expect(seen.error).toBe(thrown);
    expect(thrown.cause).toBe(original);
  });

  it('leaves what cannot take a cause as it is', () => {
    for (const thrown of [Object.freeze(new Error('frozen')), new Error('own', { cause: 'mine' }), 'text', undefined]) {
      const retryOn = () => {
        throw thrown;
      };
      expect(seenBy(fails().pipe(retryBackoff({ retryOn })))).toEqual({ values: [], ends: ['error'], error: thrown });
      if (thrown instanceof Error) expect(thrown.cause).not.toBeInstanceOf(ProviderError);
    }
  });
});

describe('retryBackoff: leaving', () => {
  it('closes the source at once', () => {
    const { frame } = marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('      a--b--c--|');
      expectObservable(source.pipe(retryBackoff(exact)), '----!').toBe('a--b');
      expectSubscriptions(source.subscriptions).toBe('^---!');
    });
    expect(frame).toBe(4);
  });

  it('cancels a wait', () => {
    const { frame } = marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('--#', undefined, busy());
      expectObservable(source.pipe(retryBackoff({ initialDelayMs: 60_000, jitter: 'none' })), '----!').toBe('-----');
      expectSubscriptions(source.subscriptions).toBe('^-!');
    });
    expect(frame).toBe(4);
  });

  it('closes a later attempt', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const second = cold('      a--b--|');
      const { source$ } = attempts(cold('--#', undefined, busy()), second);
      expectObservable(source$.pipe(retryBackoff(exact)), '---------!').toBe('-------a--');
      expectSubscriptions(second.subscriptions).toBe('-------^-!');
    });
  });

  it('stops a synchronous source in the middle, in the first attempt and in a later one', () => {
    const scheduler = new VirtualTimeScheduler();
    for (const first of [[], [fails()]]) {
      let given = 0;
      const firehose = new Observable<number>((subscriber) => {
        while (!subscriber.closed && given < 1_000_000) subscriber.next(given++);
      });
      const { source$, active } = attempts(...first, firehose);
      const seen = seenBy(source$.pipe(retryBackoff({}, { scheduler }), take(3)));
      scheduler.flush();
      expect(seen).toEqual({ values: [0, 1, 2], ends: ['complete'] });
      expect(given).toBe(3);
      expect(active()).toBe(0);
    }
  });

  it('takes a downstream take exactly at the end', () => {
    const scheduler = new VirtualTimeScheduler();
    const { source$, log } = attempts(of('a', 'b'));
    expect(seenBy(source$.pipe(retryBackoff({}, { scheduler }), take(2)))).toEqual({
      values: ['a', 'b'],
      ends: ['complete'],
    });
    expect(log).toEqual(['open 1', 'close 1']);
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-a-(b|)');
      expectObservable(source.pipe(retryBackoff(exact), take(2))).toBe('-a-(b|)');
      expectSubscriptions(source.subscriptions).toBe('^--!');
    });
  });

  it.each(['next', 'retryOn', 'onRetry', 'isContent', 'rewindValue'])('leaks nothing from inside %s', (where) => {
    for (const asynchronous of [false, true]) {
      const scheduler = new VirtualTimeScheduler();
      const leave = new Subject<void>();
      const at = (name: string): void => (name === where ? leave.next() : undefined);
      const failing = concat(of('a'), fails());
      const { source$, opened, active } = attempts(
        asynchronous
          ? concat(
              of('a'),
              defer(() => fails()),
            )
          : failing,
      );
      const delivered: string[] = [];
      const subscription = source$
        .pipe(
          retryBackoff<string>({
            scheduler,
            onPartial: 'rewind',
            retryOn: () => (at('retryOn'), true),
            onRetry: () => at('onRetry'),
            isContent: () => (at('isContent'), true),
            rewindValue: () => (at('rewindValue'), '<'),
          }),
        )
        .subscribe({
          next: (value) => {
            delivered.push(value);
            at('next');
          },
          error: () => delivered.push('#'),
        });
      // Synchronous: there is no subscription to leave by yet, so leave the retried attempt.
      leave.subscribe(() => subscription.unsubscribe());
      scheduler.flush();
      const untilThen = { next: 'a<', retryOn: 'a<a', onRetry: 'a<a', isContent: 'a', rewindValue: 'a' }[where];
      expect(delivered.join('')).toBe(untilThen);
      expect(opened()).toBe(2);
      expect(active()).toBe(0);
      expect(scheduler.actions).toEqual([]);
    }
  });
});

describe('retryBackoff: order', () => {
  it('closes each attempt before the next opens, and before the end is told', () => {
    for (const sync of [true, false]) {
      const scheduler = new VirtualTimeScheduler();
      const failing = sync
        ? fails()
        : new Observable<never>((subscriber) => {
            subscriber.add(scheduler.schedule(() => subscriber.error(busy()), 3));
          });
      const { source$, log } = attempts(failing);
      source$.pipe(retryBackoff({ maxRetries: 1 }, { scheduler })).subscribe({ error: () => log.push('error') });
      scheduler.flush();
      expect(log).toEqual(['open 1', 'close 1', 'open 2', 'close 2', 'error']);
      const good = attempts(of('a'));
      good.source$.pipe(retryBackoff()).subscribe({ complete: () => good.log.push('complete') });
      expect(good.log).toEqual(['open 1', 'close 1', 'complete']);
    }
  });

  it('can be subscribed again from complete and from error', () => {
    const scheduler = new VirtualTimeScheduler();
    const { source$, log } = attempts<string>(of('a'), of('b'), fails(invalid()), of('d'));
    const result = source$.pipe(retryBackoff({}, { scheduler }));
    const got: string[] = [];
    const next = (value: string): void => void got.push(value);
    result.subscribe({
      next,
      complete: () =>
        result.subscribe({ next, complete: () => result.subscribe({ error: () => result.subscribe(next) }) }),
    });
    scheduler.flush();
    expect(got).toEqual(['a', 'b', 'd']);
    expect(log).toEqual([1, 2, 3, 4].flatMap((n) => [`open ${n}`, `close ${n}`]));
  });

  it('takes a source that throws when subscribed as one that failed', () => {
    const scheduler = new VirtualTimeScheduler();
    let calls = 0;
    const source = new Observable<string>((subscriber) => {
      if (calls++ === 0) throw busy();
      subscriber.next('a');
      subscriber.complete();
    });
    const seen = seenBy(source.pipe(retryBackoff({}, { scheduler })));
    scheduler.flush();
    expect(seen).toEqual({ values: ['a'], ends: ['complete'] });
  });

  it('hears nothing of an attempt that is over', () => {
    const misbehaving = new Observable<string>((subscriber) => {
      subscriber.next('a');
      const end = (): void => subscriber.complete();
      end();
      subscriber.next('b');
      subscriber.error(busy());
    });
    expect(seenBy(misbehaving.pipe(retryBackoff()))).toEqual({ values: ['a'], ends: ['complete'] });
  });

  it('goes on when the teardown of an attempt throws, and reports it', async () => {
    const broken = new Error('teardown');
    for (const sync of [true, false]) {
      const scheduler = new VirtualTimeScheduler();
      const act = (work: () => void): void => (sync ? work() : void scheduler.schedule(work, 1));
      let calls = 0;
      const source = new Observable<string>((subscriber) => {
        const failing = calls++ === 0;
        act(() => {
          if (failing) {
            subscriber.error(busy());
            return;
          }
          subscriber.next('a');
          subscriber.complete();
        });
        return () => {
          throw broken;
        };
      });
      const seen = seenBy(source.pipe(retryBackoff({}, { scheduler })));
      scheduler.flush();
      expect(seen).toEqual({ values: ['a'], ends: ['complete'] });
    }
    await vi.waitFor(() => expect(unhandled.length).toBe(4));
    unhandled.length = 0;
  });

  it("leaves a throw in the consumer's next to the consumer", async () => {
    const thrown = new Error('in next');
    const { source$, opened } = attempts(of('a', 'b'));
    const got: string[] = [];
    source$.pipe(retryBackoff({ retryOn: () => true })).subscribe((value) => {
      got.push(value);
      throw thrown;
    });
    expect(got).toEqual(['a', 'b']);
    expect(opened()).toBe(1);
    await vi.waitFor(() => expect(unhandled).toEqual([thrown, thrown]));
    unhandled.length = 0;
  });

  it('costs no memory per value', () => {
    const { source$ } = attempts(range(0, 100_000));
    let sum = 0;
    source$.pipe(retryBackoff()).subscribe((n) => (sum += n));
    expect(sum).toBe(4_999_950_000);
    expect(seenBy(EMPTY.pipe(retryBackoff())).ends).toEqual(['complete']);
  });
});

describe('retryBackoff: options', () => {
  it.each([
    [{ maxRetries: NaN }, RangeError, /maxRetries.*NaN/],
    [{ maxRetries: -1 }, RangeError, /maxRetries.*-1/],
    [{ maxRetries: 1.5 }, RangeError, /maxRetries.*1\.5/],
    [{ maxRetries: '3' }, TypeError, /maxRetries.*'3'/],
    [{ maxRetries: null }, TypeError, /maxRetries.*null/],
    [NaN, RangeError, /initialDelayMs.*NaN/],
    [-1, RangeError, /initialDelayMs.*-1/],
    [Infinity, RangeError, /initialDelayMs.*Infinity/],
    [{ initialDelayMs: '1' }, TypeError, /initialDelayMs.*'1'/],
    [{ maxDelayMs: NaN }, RangeError, /maxDelayMs.*NaN/],
    [{ maxDelayMs: -5 }, RangeError, /maxDelayMs.*-5/],
    [{ backoffMultiplier: NaN }, RangeError, /backoffMultiplier.*NaN/],
    [{ backoffMultiplier: -2 }, RangeError, /backoffMultiplier.*-2/],
    [{ backoffMultiplier: Infinity }, RangeError, /backoffMultiplier.*Infinity/],
    [{ jitter: 'some' }, TypeError, /jitter.*'some'/],
    [{ jitter: true }, TypeError, /jitter.*true/],
    [{ retryOn: 'always' }, TypeError, /retryOn.*'always'/],
    [{ onRetry: {} }, TypeError, /onRetry.*an object/],
    [{ maxRetryAfterMs: NaN }, RangeError, /maxRetryAfterMs.*NaN/],
    [{ maxRetryAfterMs: -1 }, RangeError, /maxRetryAfterMs.*-1/],
    [{ maxElapsedMs: NaN }, RangeError, /maxElapsedMs.*NaN/],
    [{ maxElapsedMs: '9' }, TypeError, /maxElapsedMs.*'9'/],
    [{ budget: 10 }, TypeError, /budget/],
    [{ onPartial: 'restart' }, TypeError, /onPartial.*'restart'/],
    [{ onPartial: 5 }, TypeError, /onPartial.*5/],
    [{ scheduler: 5 }, TypeError, /scheduler.*5/],
    [{ random: 0.5 }, TypeError, /random.*0\.5/],
    [{ isContent: 'yes' }, TypeError, /isContent.*'yes'/],
    [{ textOf: 1 }, TypeError, /textOf.*1/],
    [{ rewindValue: '<' }, TypeError, /rewindValue.*'<'/],
  ])('refuses %o at the call', (config, type, message) => {
    expect(() => retryBackoff(config as never)).toThrow(type);
    expect(() => retryBackoff(config as never)).toThrow(message);
  });

  it('takes Infinity where it means no limit', () => {
    const limits = { maxRetries: Infinity, maxDelayMs: Infinity, maxRetryAfterMs: Infinity, maxElapsedMs: Infinity };
    expect(seenBy(of('a').pipe(retryBackoff(limits))).values).toEqual(['a']);
  });

  it('takes the runtime options in the config or behind it, the latter first', () => {
    const [mine, other] = [new VirtualTimeScheduler(), new VirtualTimeScheduler()];
    const { source$, opened } = attempts(fails());
    seenBy(source$.pipe(retryBackoff({ scheduler: other }, { scheduler: mine })));
    expect([mine.actions.length, other.actions.length]).toEqual([1, 0]);
    mine.flush();
    expect(opened()).toBe(4);
  });
});
