import { EMPTY, NEVER, Observable, of, Subject, take, throwError } from 'rxjs';
import { describe, expect, expectTypeOf, it, vi } from 'vitest';
import { FallbackChain, hedge, RetryBudget, StreamTimeoutError, type ChatEvent, type HedgeConfig } from 'rx-weir';
import { finish, reasoning, start, text, timed, toolCall, usage } from '../support/answers';
import { attempts, busy, invalid, seenBy } from '../support/attempts';
import { marbles } from '../support/marbles';
import { VirtualTime } from '../support/virtual';

const after4 = { afterMs: 4 };

describe('hedge', () => {
  it('asks once more when nothing comes; the first content wins and the other is closed', () => {
    const { frame } = marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const first = cold(' ----------a--b--|');
      const second = cold('    --c--d--|');
      const { source$ } = attempts(first, second);
      expectObservable(source$.pipe(hedge(after4))).toBe('------c--d--|');
      expectSubscriptions(first.subscriptions).toBe(' ^-----!');
      expectSubscriptions(second.subscriptions).toBe('----^-------!');
    });
    expect(frame).toBe(12);
  });

  it('lets the first win that is slow, but faster than the second', () => {
    const { frame } = marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const first = cold(' ------a--b|');
      const second = cold('    ----c|');
      const { source$ } = attempts(first, second);
      expectObservable(source$.pipe(hedge(after4))).toBe('------a--b|');
      expectSubscriptions(second.subscriptions).toBe('----^-!');
    });
    expect(frame).toBe(10);
  });

  it.each(['---a-----b-|', '|', '---|', '(ab|)', 'a-----------|', '--#', '---a------#'])(
    'asks once only where something comes in time: %s',
    (stream) => {
      marbles(({ cold, expectObservable, expectSubscriptions }) => {
        const second = cold('x|');
        const { source$ } = attempts(cold(stream), second);
        expectObservable(source$.pipe(hedge(after4))).toBe(stream);
        expectSubscriptions(second.subscriptions).toBe([]);
      });
    },
  );

  it('closes who lost before the winner is heard', () => {
    const time = new VirtualTime();
    const log: string[] = [];
    const { source$, log: closed } = attempts<string>(NEVER, of('a', 'b'));
    const said = source$.pipe(hedge(after4, { scheduler: time }));
    said.subscribe((value) => log.push(value, ...closed.splice(0)));
    time.flush();
    expect(log).toEqual(['a', 'open 1', 'open 2', 'close 1', 'b']);
  });

  it('does not take for content what comes before it, and delivers that of the winner alone', () => {
    const values = { s: start, t: { ...start, model: 'second' }, u: usage(1, 0), e: text(''), f: finish };
    for (const c of [text('a'), reasoning('hm'), toolCall]) {
      marbles(({ cold, expectObservable, expectSubscriptions }) => {
        const first = cold<ChatEvent>(' s-u--e-----c', { ...values, c });
        const second = cold<ChatEvent>('    t-u-c-----f|', { ...values, c });
        const { source$ } = attempts(first, second);
        expectObservable(source$.pipe(hedge<ChatEvent>(after4))).toBe('--------(tuc)-f|', { ...values, c });
        expectSubscriptions(first.subscriptions).toBe('^-------!');
        expectSubscriptions(second.subscriptions).toBe('----^----------!');
      });
    }
  });

  it('goes by isContent', () => {
    marbles(({ cold, expectObservable }) => {
      const { source$ } = attempts<string>(cold('m-------a|'), cold('m--b----|'));
      const isContent = (value: string): boolean => value !== 'm';
      expectObservable(source$.pipe(hedge({ ...after4, isContent }))).toBe('-------(mb)-|');
    });
  });

  it.each([
    ['the first, while the other runs', '-----#', '----b|', '--------b|'],
    ['the other, while the first runs', '---------a|', '-#', '---------a|'],
    ['the first, and then the other wins without content', '-----#', '---|', '-------|'],
    ['both', '-------1', '-2', '-------1'],
    ['both, the earlier first', '-----1', '----2', '--------1'],
  ])('goes on when one fails: %s', (_name, one, two, result) => {
    const errors = { 1: new Error('first'), 2: new Error('second') };
    marbles(({ cold, expectObservable }) => {
      const fails = (marble: string): Observable<string> => {
        const which = marble.endsWith('1') ? errors[1] : errors[2];
        return cold(marble.replace(/[12]/, '#'), undefined, which);
      };
      const { source$ } = attempts(fails(one), fails(two));
      expectObservable(source$.pipe(hedge(after4))).toBe(result.replace('1', '#'), undefined, errors[1]);
    });
  });

  it('lets an attempt win that completes without content, with what it gave', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const values = { s: start, f: finish };
      const first = cold<ChatEvent>(' ---------a', { a: text('a') });
      const second = cold<ChatEvent>('    s-f|', values);
      const { source$ } = attempts(first, second);
      expectObservable(source$.pipe(hedge<ChatEvent>(after4))).toBe('-------(sf|)', values);
      expectSubscriptions(first.subscriptions).toBe('^------!');
    });
  });

  it('starts up to max, each after another wait, and no more', () => {
    const { frame } = marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const first = cold(' --------------#', undefined, busy());
      const second = cold('    ----------#', undefined, busy());
      const third = cold('         -------------c|');
      const fourth = cold('x|');
      const { source$ } = attempts(first, second, third, fourth);
      expectObservable(source$.pipe(hedge({ ...after4, max: 3 }))).toBe('---------------------c|');
      expectSubscriptions(first.subscriptions).toBe(' ^-------------!');
      expectSubscriptions(second.subscriptions).toBe('----^---------!');
      expectSubscriptions(third.subscriptions).toBe(' --------^-------------!');
      expectSubscriptions(fourth.subscriptions).toBe([]);
    });
    expect(frame).toBe(22);
  });

  it('may ask twice at once, where it is told not to wait', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const second = cold('-b|');
      const { source$ } = attempts(cold('--a|'), second);
      expectObservable(source$.pipe(hedge({ afterMs: 0 }))).toBe('-b|');
      expectSubscriptions(second.subscriptions).toBe('^-!');
    });
  });

  it('gives an error behind the first content as it is, and asks no more', () => {
    const error = busy();
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const second = cold('-b----c-#', undefined, error);
      const third = cold('x');
      const { source$ } = attempts(cold('---------a'), second, third);
      expectObservable(source$.pipe(hedge(after4))).toBe('-----b----c-#', undefined, error);
      expectSubscriptions(second.subscriptions).toBe('----^-------!');
      expectSubscriptions(third.subscriptions).toBe([]);
    });
    expect(error.emitted).toBe(2);
  });

  it.each([
    [2, 1],
    [5, 2],
    [9, 2],
    [11, 2],
  ])('closes all that is open when it is left at %d', (at, opened) => {
    const time = new VirtualTime();
    const tried = attempts<string>(NEVER, timed<string>([[5, { value: 'b' }]], time));
    const subscription = tried.source$.pipe(hedge(after4, { scheduler: time })).subscribe();
    time.advance(at);
    expect(tried.opened()).toBe(opened);
    subscription.unsubscribe();
    expect([tried.active(), time.timers]).toEqual([0, 0]);
    time.advance(100);
    expect(tried.opened()).toBe(opened);
  });

  it('takes synchronous attempts, and stops one that never ends', () => {
    let given = 0;
    const firehose = new Observable<number>((subscriber) => {
      while (!subscriber.closed && given < 1_000_000) subscriber.next(given++);
    });
    const time = new VirtualTime();
    const { source$, active, opened } = attempts<number>(NEVER, firehose);
    const seen = seenBy(source$.pipe(hedge(after4, { scheduler: time }), take(3)));
    time.flush();
    expect(seen).toEqual({ values: [0, 1, 2], ends: ['complete'] });
    expect([given, active(), opened()]).toEqual([3, 0, 2]);
    const error = invalid();
    expect(seenBy(throwError(() => error).pipe(hedge(after4, { scheduler: time }))).error).toBe(error);
    expect(seenBy(of('a').pipe(hedge(after4, { scheduler: time })))).toEqual({ values: ['a'], ends: ['complete'] });
    expect(time.timers).toBe(0);
  });

  it('can be left inside isContent, of either attempt', () => {
    for (const leavesAt of ['a', 'b']) {
      const time = new VirtualTime();
      const subjects = { a: new Subject<string>(), b: new Subject<string>() };
      const { source$, active } = attempts(subjects.a, subjects.b);
      const isContent = (value: string): boolean => {
        if (value === leavesAt) subscription.unsubscribe();
        return true;
      };
      const got: string[] = [];
      const said$ = source$.pipe(hedge({ ...after4, isContent }, { scheduler: time }));
      const subscription = said$.subscribe((value) => got.push(value));
      time.advance(10);
      subjects[leavesAt as 'a'].next(leavesAt);
      expect([got, active(), time.timers]).toEqual([[], 0, 0]);
    }
  });

  it('starts anew for each subscription, also at the same time', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('------a|');
      const result = source.pipe(hedge(after4));
      expectObservable(result).toBe('------a|');
      expectObservable(result, '-^').toBe('-------a|');
      expectSubscriptions(source.subscriptions).toBe(['^------!', '-^------!', '----^-!', '-----^-!']);
    });
  });

  it('can be subscribed again from complete', () => {
    const time = new VirtualTime();
    const { source$, log } = attempts<string>(NEVER, of('a'));
    const said$ = source$.pipe(hedge(after4, { scheduler: time }));
    let again: unknown;
    said$.subscribe({ complete: () => (again = seenBy(said$)) });
    time.flush();
    expect(again).toEqual({ values: ['a'], ends: ['complete'] });
    expect(log).toEqual(['open 1', 'open 2', 'close 1', 'close 2', 'open 3', 'close 3']);
  });

  it.each<[unknown, RegExp]>([
    [{}, /afterMs/],
    [undefined, /hedge/],
    [5, /hedge/],
    [{ afterMs: NaN }, /afterMs.*NaN/],
    [{ afterMs: -1 }, /afterMs.*-1/],
    [{ afterMs: '5' }, /afterMs.*'5'/],
    [{ after: 'p99' }, /after.*'p99'/],
    [{ afterMs: 5, max: 1 }, /max.*1/],
    [{ afterMs: 5, max: 2.5 }, /max.*2\.5/],
    [{ afterMs: 5, max: NaN }, /max.*NaN/],
    [{ afterMs: 5, budget: 10 }, /budget/],
    [{ afterMs: 5, budget: { maxTokens: 10 } }, /budget/],
    [{ afterMs: 5, targets: ['claude'] }, /'claude'/],
    [{ afterMs: 5, targets: [{ name: '', source: EMPTY }] }, /name/],
    [{ afterMs: 5, preflight: { backpressure: -1 } }, /-1/],
    [{ afterMs: 5, isContent: 1 }, /isContent.*1/],
    [{ afterMs: 5, scheduler: {} }, /scheduler/],
  ])('refuses %o at the call', (config, message) => {
    expect(() => hedge(config as HedgeConfig)).toThrow(message);
  });

  it('infers its type from the source', () => {
    expectTypeOf(of(1).pipe(hedge(after4))).toEqualTypeOf<Observable<number>>();
  });
});

describe('hedge: a percentile', () => {
  /** Says its first value after so many ms, one after the other; `undefined`: never. */
  function runs(config: HedgeConfig<string>, waits: readonly (number | undefined)[]): readonly number[] {
    const time = new VirtualTime();
    const opened: number[] = [];
    let asked: number | undefined;
    let hedged = false;
    const source$ = new Observable<string>((subscriber) => {
      opened.push(time.elapsed - since);
      if (hedged) return subscriber.complete();
      hedged = true;
      return asked === undefined
        ? undefined
        : timed(
            [
              [asked, { value: 'a' }],
              [0, 'complete'],
            ],
            time,
          ).subscribe(subscriber);
    });
    const said$ = source$.pipe(hedge(config, { scheduler: time }));
    let since = 0;
    for (const wait of waits) {
      since = time.elapsed;
      hedged = false;
      asked = wait;
      const subscription = said$.subscribe();
      time.advance(1000);
      subscription.unsubscribe();
    }
    return opened.filter((at) => at > 0);
  }
  const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);

  it('is known from 20 first contents on', () => {
    expect(runs({ after: 'p95' }, [...upTo(19), undefined])).toEqual([]);
    expect(runs({ after: 'p95' }, [...upTo(20), undefined])).toEqual([19]);
    expect(runs({ after: 'p50' }, [...upTo(20), undefined])).toEqual([10]);
  });

  it('is afterMs until then', () => {
    expect(runs({ after: 'p95', afterMs: 50 }, [...upTo(19), undefined])).toEqual([50]);
    expect(runs({ after: 'p95', afterMs: 50 }, [...upTo(20), undefined])).toEqual([19]);
  });

  it('is of the last 100', () => {
    // Each is faster than all before it, so that none is hedged.
    const waits = Array.from({ length: 150 }, (_, i) => 300 - i);
    expect(runs({ after: 'p95' }, [...waits, undefined])).toEqual([245]);
  });
});

describe('hedge: targets', () => {
  it('asks them in order, each once, instead of the source', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('--------------#', undefined, busy());
      const one = cold('       -----#', undefined, invalid());
      const two = cold('            ----b|');
      const targets = [one, { name: 'two', source: () => two }];
      expectObservable(source.pipe(hedge<string>({ ...after4, max: 9, targets }))).toBe('------------b|');
      expectSubscriptions(source.subscriptions).toBe('^-----------!');
      expectSubscriptions(one.subscriptions).toBe('   ----^----!');
      expectSubscriptions(two.subscriptions).toBe('   --------^----!');
    });
  });

  it('takes a chain as it is then: its order and what is enabled', () => {
    const chain = new FallbackChain<string>([
      { name: 'off', source: of('off'), weight: 9, enabled: false },
      { name: 'light', source: of('light') },
      { name: 'heavy', source: of('heavy'), weight: 2 },
    ]);
    const time = new VirtualTime();
    const said$ = NEVER.pipe(hedge<string>({ ...after4, targets: chain }, { scheduler: time }));
    const heard = ['heavy', 'off', undefined].map((_, i) => {
      if (i === 1) chain.setEnabled('off', true);
      if (i === 2) for (const name of chain.names) chain.remove(name);
      const seen = seenBy(said$.pipe(take(1)));
      time.advance(20);
      return seen.values;
    });
    expect(heard).toEqual([['heavy'], ['off'], []]);
  });

  it('makes a target when it is needed, for a timeout of the first content', () => {
    const time = new VirtualTime();
    const source = vi.fn((_error: unknown, _ctx: unknown) => of('b'));
    const said$ = NEVER.pipe(hedge<string>({ ...after4, targets: [source] }, { scheduler: time }));
    seenBy(said$);
    expect(source).not.toHaveBeenCalled();
    time.flush();
    const [error, ctx] = source.mock.calls[0]!;
    expect(error).toBeInstanceOf(StreamTimeoutError);
    expect(error).toMatchObject({ phase: 'first' });
    expect(ctx).toMatchObject({ error, emitted: 0, elapsedMs: 4 });
  });

  it.each([
    [
      'what it throws',
      () => {
        throw new RangeError('mine');
      },
      /mine/,
    ],
    ['what is no stream', () => 5, /5/],
    ['a string', () => 'abc', /string/],
  ])('makes %s the error of the stream, and closes the source', (_name, target, message) => {
    const time = new VirtualTime();
    const { source$, log } = attempts(NEVER);
    const seen = seenBy(source$.pipe(hedge<string>({ ...after4, targets: [target as never] }, { scheduler: time })));
    time.flush();
    expect(seen.ends).toEqual(['error']);
    expect((seen.error as Error).message).toMatch(message);
    expect([log, time.timers]).toEqual([['open 1', 'close 1'], 0]);
  });
});

describe('hedge: a budget', () => {
  it('is taken from by each hedge, given back to by each success, and respected', () => {
    const time = new VirtualTime();
    const budget = new RetryBudget({ maxTokens: 4, tokenRatio: 0.5 });
    const { source$, opened } = attempts<string>(NEVER);
    const said$ = source$.pipe(hedge({ ...after4, max: 9, budget }, { scheduler: time }));
    const subscription = said$.subscribe();
    time.advance(100);
    expect([opened(), budget.tokens]).toEqual([3, 2]);
    subscription.unsubscribe();
    expect(budget.tokens, 'who is left before it says anything is none').toBe(2);
    seenBy(of('a').pipe(hedge({ ...after4, budget })));
    expect(budget.tokens).toBe(2.5);
    seenBy(throwError(busy).pipe(hedge({ ...after4, budget })));
    expect(budget.tokens).toBe(2.5);
  });
});
