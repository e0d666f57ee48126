import { concat, EMPTY, NEVER, Observable, of, Subject, take, throwError, VirtualTimeScheduler } from 'rxjs';
import { describe, expect, expectTypeOf, it, vi } from 'vitest';
import {
  CircuitOpenError,
  ConcurrencyLimitError,
  ERROR_CODES,
  FallbackChain,
  FallbackExhaustedError,
  fallbackTo,
  IncompleteStreamError,
  ProviderError,
  type ChatEvent,
  type ErrorCode,
  type FallbackTarget,
} from 'rx-weir';
import { attempts, busy, invalid, seenBy, unauthorized } from '../support/attempts';
import { marbles } from '../support/marbles';
import { unhandled } from '../support/unhandled';

const fails = (error: unknown): Observable<never> => throwError(() => error);
const a$ = of('a');

describe('fallbackTo', () => {
  it('takes the next stream when one fails, once that is closed', () => {
    const { frame } = marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('--#', undefined, busy());
      const first = cold('  ---#', undefined, busy());
      const second = cold('    --a-b|');
      const result = '    -------a-b|';
      expectObservable(source.pipe(fallbackTo(first, second))).toBe(result);
      expectSubscriptions(source.subscriptions).toBe('^-!');
      expectSubscriptions(first.subscriptions).toBe('--^--!');
      expectSubscriptions(second.subscriptions).toBe('-----^----!');
    });
    expect(frame).toBe(10);
  });

  it('lets a stream that works through as it is, and touches no target', () => {
    for (const stream of ['a-b---(c|)', '|', '---|', '(abc|)']) {
      marbles(({ cold, expectObservable, expectSubscriptions }) => {
        const target = cold('x|');
        const factory = vi.fn(() => target);
        expectObservable(cold(stream).pipe(fallbackTo(target, factory))).toBe(stream);
        expectSubscriptions(target.subscriptions).toBe([]);
        expect(factory).not.toHaveBeenCalled();
      });
    }
    marbles(({ expectObservable }) => expectObservable(NEVER.pipe(fallbackTo(a$)), '---!').toBe('----'));
  });

  it('waits not at all between streams', () => {
    const seen = seenBy(fails(busy()).pipe(fallbackTo(fails(unauthorized()), a$)));
    expect(seen).toEqual({ values: ['a'], ends: ['complete'] });
  });

  it.each(Object.entries(ERROR_CODES))('decides by the class of the error: %s', (code, { fallbackable }) => {
    const error = new ProviderError('no', { code: code as ErrorCode });
    const seen = seenBy(fails(error).pipe(fallbackTo(a$)));
    expect(seen).toEqual(fallbackable ? { values: ['a'], ends: ['complete'] } : { values: [], ends: ['error'], error });
  });

  it('always moves on after a refusal, and classifies raw errors', () => {
    for (const error of [
      new CircuitOpenError(),
      new ConcurrencyLimitError(),
      Object.assign(new Error('x'), { status: 500 }),
    ]) {
      expect(seenBy(fails(error).pipe(fallbackTo(a$))).values).toEqual(['a']);
    }
    for (const error of [Object.assign(new Error('x'), { status: 400 }), 'text', undefined]) {
      expect(seenBy(fails(error).pipe(fallbackTo(a$)))).toEqual({ values: [], ends: ['error'], error });
    }
  });

  it('ends with the raw error where there is nothing to try', () => {
    const error = busy();
    expect(seenBy(fails(error).pipe(fallbackTo())).error).toBe(error);
    expect(seenBy(fails(error).pipe(fallbackTo(new FallbackChain()))).error).toBe(error);
    expect(seenBy(fails(error).pipe(fallbackTo({ name: 'off', source: a$, enabled: false }))).error).toBe(error);
    expect(seenBy(fails(error).pipe(fallbackTo({ name: 'never', source: a$, when: () => false }))).error).toBe(error);
  });

  it('ends with the raw error of a target that is not fallbackable', () => {
    const error = invalid();
    const last = attempts(a$);
    expect(seenBy(fails(busy()).pipe(fallbackTo(fails(error), last.source$))).error).toBe(error);
    expect(last.opened()).toBe(0);
  });

  it('ends with FallbackExhaustedError where all have failed', () => {
    const errors = [busy(3000), Object.assign(new Error('raw'), { status: 429 }), unauthorized()] as const;
    const named = { name: 'claude', source: () => fails(errors[2]) };
    const { error } = seenBy(fails(errors[0]).pipe(fallbackTo(fails(errors[1]), named)));
    expect(error).toBeInstanceOf(FallbackExhaustedError);
    expect(error).toMatchObject({ code: 'E1002', retryable: false, retryAfterMs: 3000, cause: errors[2] });
    const parts = (error as FallbackExhaustedError).errors;
    expect(parts.map(({ target }) => target)).toEqual(['primary', 'fallback 1', 'claude']);
    parts.forEach((part, i) => expect(part.error).toBe(errors[i]));
  });

  it('has the earliest retryAfterMs of its parts, or none', () => {
    const after = (...ms: (number | undefined)[]): unknown => {
      const [first, ...others] = ms.map((wait) => fails(busy(wait)));
      return (seenBy(first!.pipe(fallbackTo(...others))).error as FallbackExhaustedError).retryAfterMs;
    };
    expect(after(5000, undefined, 2000, 3000)).toBe(2000);
    expect(after(undefined, undefined)).toBeUndefined();
  });

  it('starts anew for each subscription, also at the same time', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-#', undefined, busy());
      const target = cold(' -a|');
      const result = source.pipe(fallbackTo(target));
      expectObservable(result).toBe('--a|');
      expectObservable(result, '-^').toBe('---a|');
      expectObservable(result, '--------^').toBe('----------a|');
      expectSubscriptions(target.subscriptions).toBe(['-^-!', '--^-!', '---------^-!']);
    });
  });

  it('takes any stream: a promise, an array, an iterable, a ReadableStream', async () => {
    const stream = new ReadableStream<string>({
      start(controller) {
        controller.enqueue('a');
        controller.close();
      },
    });
    async function* generator(): AsyncGenerator<string> {
      yield 'a';
    }
    for (const target of [
      Promise.resolve('a'),
      ['a'],
      new Set(['a']),
      stream,
      generator(),
      () => Promise.resolve('a'),
    ]) {
      const seen = seenBy(fails(busy()).pipe(fallbackTo<string>(target)));
      await vi.waitFor(() => expect(seen).toEqual({ values: ['a'], ends: ['complete'] }));
    }
  });

  it('falls back for a hot source that is dead', () => {
    const dead = new Subject<string>();
    dead.error(busy());
    expect(seenBy(dead.pipe(fallbackTo(a$))).values).toEqual(['a']);
    expect(seenBy(dead.pipe(fallbackTo(dead))).error).toBeInstanceOf(FallbackExhaustedError);
  });
});

describe('fallbackTo: targets', () => {
  it('makes a target for the error: the raw one first, the classified one in the context', () => {
    const raw = Object.assign(new Error('x'), { status: 503 });
    const factory = vi.fn(() => a$);
    marbles(({ cold }) => void seenBy(cold('--#', undefined, raw).pipe(fallbackTo(factory))));
    const context = { attempt: 1, emitted: 0, elapsedMs: 2, error: expect.objectContaining({ code: 'E3002' }) };
    expect(factory.mock.calls).toEqual([[raw, context]]);
  });

  it('asks the factory once for each stream, and only when its turn has come', () => {
    const factory = vi.fn(() => a$);
    const result = fails(busy()).pipe(fallbackTo(a$, factory));
    seenBy(result);
    expect(factory).not.toHaveBeenCalled();
    const only = fails(busy()).pipe(fallbackTo(factory));
    seenBy(only);
    seenBy(only);
    expect(factory).toHaveBeenCalledTimes(2);
  });

  it('goes by weight, then by the order of insertion', () => {
    const hops: string[] = [];
    const target = (name: string, weight?: number): FallbackTarget<string> => ({
      name,
      source: fails(busy()),
      ...(weight !== undefined && { weight }),
    });
    const onFallback = (_error: unknown, { to }: { to: string }): void => void hops.push(to);
    const targets = [target('a'), target('b', 5), target('c', 0.5), target('d'), target('e', 5)];
    seenBy(fails(busy()).pipe(fallbackTo(...targets, { onFallback })));
    expect(hops).toEqual(['b', 'e', 'a', 'd', 'c']);
  });

  it('skips targets that are off or do not want the error', () => {
    const when = vi.fn((error: unknown) => (error as ProviderError).code === 'E1002');
    const targets = [
      { name: 'off', source: of('off'), enabled: false },
      { name: 'picky', source: of('picky'), when },
      { name: 'any', source: of('any') },
    ];
    const error = busy();
    expect(seenBy(fails(error).pipe(fallbackTo(...targets))).values).toEqual(['any']);
    expect(when.mock.calls[0]).toEqual([error, { attempt: 1, emitted: 0, elapsedMs: expect.any(Number), error }]);
    expect(seenBy(fails(unauthorized()).pipe(fallbackTo(...targets))).values).toEqual(['picky']);
  });

  it('asks a target that did not want one error about the next', () => {
    const second = unauthorized();
    const picky = { name: 'picky', source: a$, weight: 9, when: (error: unknown) => error === second };
    expect(seenBy(fails(busy()).pipe(fallbackTo(picky, fails(second)))).values).toEqual(['a']);
  });

  it('shares a chain: its changes are seen by streams that run', () => {
    const chain = new FallbackChain<string>([{ name: 'x', source: of('x') }]);
    const source = new Subject<string>();
    const seen = seenBy(source.pipe(fallbackTo(chain)));
    chain.setEnabled('x', false);
    chain.add({ name: 'y', source: of('y') });
    source.error(busy());
    expect(seen.values).toEqual(['y']);
    chain.setEnabled('x', true);
    expect(seenBy(fails(busy()).pipe(fallbackTo(chain, { onPartial: 'fail' }))).values).toEqual(['x']);
  });

  it('tries each once, also where a chain is changed meanwhile', () => {
    const chain = new FallbackChain<string>();
    let opened = 0;
    const target: FallbackTarget<string> = {
      name: 'x',
      source: () => {
        opened++;
        chain.remove('x');
        chain.add(target);
        return fails(busy());
      },
    };
    chain.add(target);
    expect(seenBy(fails(busy()).pipe(fallbackTo(chain))).error).toBeInstanceOf(FallbackExhaustedError);
    expect(opened).toBe(1);
  });

  it.each([
    ['a string', 'claude', /'claude'/],
    ['a number', 5, /5/],
    ['null', null, /null/],
    ['undefined', undefined, /undefined/],
    ['a source that is a string', { name: 'x', source: 'abc' }, /source.*'x'.*'abc'/],
    ['an empty name', { name: '', source: a$ }, /name/],
    ['a weight that is no number', { name: 'x', source: a$, weight: 'heavy' }, /weight.*'heavy'/],
    ['a negative weight', { name: 'x', source: a$, weight: -1 }, /weight.*-1/],
    ['a weight of NaN', { name: 'x', source: a$, weight: NaN }, /weight.*NaN/],
    ['a when that is no function', { name: 'x', source: a$, when: true }, /when.*true/],
  ])('refuses %s at the call', (_name, target, message) => {
    expect(() => fallbackTo(target as never)).toThrow(message);
    expect(() => fallbackTo(a$, target as never, { onPartial: 'rewind' })).toThrow(message);
  });

  it('refuses two targets of one name, and options that are not last', () => {
    const target = { name: 'x', source: a$ };
    expect(() => fallbackTo(target, target)).toThrow(/'x'/);
    expect(() => fallbackTo({ onFallback: () => undefined } as never, a$)).toThrow(TypeError);
    expect(() => fallbackTo(a$, new FallbackChain() as never)).toThrow(TypeError);
  });

  it.each([
    [{ shouldFallback: true }, /shouldFallback.*true/],
    [{ onFallback: 'log' }, /onFallback.*'log'/],
    [{ onPartial: 'again' }, /onPartial.*'again'/],
    [{ onPartial: 5 }, /onPartial.*5/],
    [{ isContent: 1 }, /isContent.*1/],
    [{ rewindValue: '<' }, /rewindValue.*'<'/],
    [{ scheduler: {} }, /scheduler/],
  ])('refuses the options %o', (options, message) => {
    expect(() => fallbackTo(a$, options as never)).toThrow(TypeError);
    expect(() => fallbackTo(a$, options as never)).toThrow(message);
  });

  it('infers its type from the source', () => {
    expectTypeOf(of(1).pipe(fallbackTo(of(2)))).toEqualTypeOf<Observable<number>>();
    expectTypeOf(of('a').pipe(fallbackTo(of('b'), { onPartial: 'rewind' }))).toEqualTypeOf<Observable<string>>();
  });
});

describe('fallbackTo: shouldFallback and onFallback', () => {
  it('lets shouldFallback overrule the class of an error, both ways', () => {
    const error = busy();
    expect(seenBy(fails(invalid()).pipe(fallbackTo(a$, { shouldFallback: () => true }))).values).toEqual(['a']);
    expect(seenBy(fails(error).pipe(fallbackTo(a$, { shouldFallback: () => false }))).error).toBe(error);
  });

  it('tells of every move: from, to, error and context', () => {
    const errors = [busy(), unauthorized()];
    const onFallback = vi.fn();
    marbles(({ cold }) => {
      const source = cold('--#', undefined, errors[0]);
      const first = cold('  ---#', undefined, errors[1]);
      void seenBy(source.pipe(fallbackTo(first, { name: 'claude', source: a$ }, { onFallback })));
    });
    expect(onFallback.mock.calls).toEqual([
      [errors[0], { from: 'primary', to: 'fallback 1', attempt: 1, emitted: 0, elapsedMs: 2, error: errors[0] }],
      [errors[1], { from: 'fallback 1', to: 'claude', attempt: 2, emitted: 0, elapsedMs: 5, error: errors[1] }],
    ]);
  });

  it('tells of none where there is none', () => {
    const onFallback = vi.fn();
    seenBy(fails(invalid()).pipe(fallbackTo(a$, { onFallback })));
    seenBy(fails(busy()).pipe(fallbackTo({ onFallback })));
    seenBy(a$.pipe(fallbackTo(a$, { onFallback })));
    expect(onFallback).not.toHaveBeenCalled();
  });

  it.each(['shouldFallback', 'onFallback', 'when', 'source'])(
    'makes what %s throws the error, with its cause',
    (where) => {
      const original = busy();
      const thrown = new Error('mine');
      const throwing = (): never => {
        throw thrown;
      };
      const target = { name: 'x', source: a$, ...(['when', 'source'].includes(where) && { [where]: throwing }) };
      const options = ['shouldFallback', 'onFallback'].includes(where) ? { [where]: throwing } : {};
      const { source$, log } = attempts(fails(original));
      const seen = seenBy(source$.pipe(fallbackTo(target, options)));
      expect(seen).toEqual({ values: [], ends: ['error'], error: thrown });
      expect(thrown.cause).toBe(original);
      expect(log).toEqual(['open 1', 'close 1']);
    },
  );

  it('makes a target that is no stream an error of the stream', () => {
    const original = busy();
    const { error } = seenBy(fails(original).pipe(fallbackTo(() => 5 as never)));
    expect(error).toBeInstanceOf(TypeError);
    expect((error as TypeError).cause).toBe(original);
  });
});

describe('fallbackTo: leaving and order', () => {
  it('closes the source, or the target, at once', () => {
    const { frame } = marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('--#', undefined, busy());
      const target = cold('  a--b--|');
      const result = source.pipe(fallbackTo(target));
      expectObservable(result, '-!').toBe('--');
      expectObservable(result, '----!').toBe('--a--');
      expectSubscriptions(source.subscriptions).toBe(['^!', '^-!']);
      expectSubscriptions(target.subscriptions).toBe('--^-!');
    });
    expect(frame).toBe(4);
  });

  it('stops a synchronous target in the middle', () => {
    let given = 0;
    const firehose = new Observable<number>((subscriber) => {
      while (!subscriber.closed && given < 1_000_000) subscriber.next(given++);
    });
    const { source$, active } = attempts(firehose);
    expect(seenBy(fails(busy()).pipe(fallbackTo(source$), take(3)))).toEqual({ values: [0, 1, 2], ends: ['complete'] });
    expect([given, active()]).toEqual([3, 0]);
  });

  it('takes a downstream take exactly at the end', () => {
    const { source$, log } = attempts(of('a', 'b'));
    const seen = seenBy(fails(busy()).pipe(fallbackTo(source$), take(2)));
    expect(seen).toEqual({ values: ['a', 'b'], ends: ['complete'] });
    expect(log).toEqual(['open 1', 'close 1']);
  });

  it.each(['shouldFallback', 'onFallback', 'when', 'source', 'isContent', 'rewindValue', 'next'])(
    'leaks nothing from inside %s',
    (where) => {
      const source = new Subject<string>();
      const target = attempts<string>(of('b', 'c'));
      const seen: string[] = [];
      const at = (name: string): boolean => {
        if (name === where && !source.observed) subscription.unsubscribe();
        return true;
      };
      const subscription = source
        .pipe(
          fallbackTo<string>(
            { name: 'x', source: () => (at('source'), target.source$), when: () => at('when') },
            {
              shouldFallback: () => at('shouldFallback'),
              onFallback: () => void at('onFallback'),
              isContent: () => at('isContent'),
              rewindValue: () => (at('rewindValue'), '<'),
              onPartial: 'rewind',
            },
          ),
        )
        .subscribe({
          next: (value) => {
            seen.push(value);
            at('next');
          },
          error: () => seen.push('#'),
          complete: () => seen.push('|'),
        });
      source.next('a');
      source.error(busy());
      expect(seen.join('')).toBe(where === 'next' ? 'a<' : 'a');
      expect(target.active()).toBe(0);
      expect(target.opened()).toBe(['isContent', 'rewindValue', 'next'].includes(where) ? 1 : 0);
    },
  );

  it('closes each stream before the next opens, and before the end is told', () => {
    for (const sync of [true, false]) {
      const scheduler = new VirtualTimeScheduler();
      const failing = new Observable<never>((subscriber) => {
        if (sync) subscriber.error(busy());
        else subscriber.add(scheduler.schedule(() => subscriber.error(busy()), 3));
      });
      const { source$, log } = attempts(failing);
      source$.pipe(fallbackTo(source$, source$)).subscribe({ error: () => log.push('error') });
      scheduler.flush();
      expect(log).toEqual(['open 1', 'close 1', 'open 2', 'close 2', 'open 3', 'close 3', 'error']);
    }
    const good = attempts(a$);
    fails(busy())
      .pipe(fallbackTo(good.source$))
      .subscribe({ complete: () => good.log.push('complete') });
    expect(good.log).toEqual(['open 1', 'close 1', 'complete']);
  });

  it('can be subscribed again from complete and from error', () => {
    const { source$, log } = attempts<string>(fails(invalid()), fails(busy()), fails(invalid()));
    const result = source$.pipe(fallbackTo(a$));
    const got: string[] = [];
    result.subscribe({
      error: () =>
        result.subscribe({
          next: (value) => got.push(value),
          complete: () => result.subscribe({ error: () => got.push('#') }),
        }),
    });
    expect(got).toEqual(['a', '#']);
    expect(log).toEqual([1, 2, 3].flatMap((n) => [`open ${n}`, `close ${n}`]));
  });

  it("leaves a throw in the consumer's next to the consumer", async () => {
    const thrown = new Error('in next');
    const target = attempts(a$);
    of('a')
      .pipe(fallbackTo(target.source$))
      .subscribe(() => {
        throw thrown;
      });
    expect(target.opened()).toBe(0);
    await vi.waitFor(() => expect(unhandled).toEqual([thrown]));
    unhandled.length = 0;
  });
});

describe('fallbackTo: partial output', () => {
  const start: ChatEvent = { type: 'start', provider: 'p', model: 'm' };
  const text = (content: string): ChatEvent => ({ type: 'text', text: content });
  const rewind: ChatEvent = { type: 'rewind', to: 0 };

  it('drops what a failed stream gave before its first content', () => {
    const source = concat(of(start), fails(busy()));
    const target = concat(of(start, text('a')));
    expect(seenBy(source.pipe(fallbackTo(target))).values).toEqual([start, text('a')]);
    const { values, error } = seenBy(source.pipe(fallbackTo(source)));
    expect(values).toEqual([]);
    expect(error).toBeInstanceOf(FallbackExhaustedError);
  });

  it('holds it back until the first content', () => {
    marbles(({ cold, expectObservable }) => {
      const values = { s: start, a: text('a') };
      expectObservable(cold('s--a---|', values).pipe(fallbackTo<ChatEvent>(EMPTY))).toBe('---(sa)|', values);
    });
  });

  it("'fail', the default: the error as it is after the first content, and no fallback", () => {
    const error = busy();
    const target = attempts(a$);
    const seen = seenBy(concat(of('x', 'y'), fails(error)).pipe(fallbackTo(target.source$)));
    expect(seen).toEqual({ values: ['x', 'y'], ends: ['error'], error });
    expect(seen.error).toBe(error);
    expect(error.emitted).toBe(2);
    expect(target.opened()).toBe(0);
  });

  it("'fail': also after the first content of a target", () => {
    const error = new IncompleteStreamError();
    const partial = concat(of('x'), fails(error));
    expect(seenBy(fails(busy()).pipe(fallbackTo(partial, a$))).error).toBe(error);
    expect(error.emitted).toBe(1);
  });

  it("'rewind': tells of it before the first content of the next stream", () => {
    const partial = (...texts: string[]): Observable<ChatEvent> => concat(of(start, ...texts.map(text)), fails(busy()));
    const none = concat(of(start), fails(busy()));
    const options = { onPartial: 'rewind' } as const;
    const { values, ends } = seenBy(
      partial('a', 'b').pipe(fallbackTo(none, partial('c'), of(start, text('d')), options)),
    );
    expect(ends).toEqual(['complete']);
    expect(values).toEqual([start, text('a'), text('b'), rewind, start, text('c'), rewind, start, text('d')]);
  });

  it("'rewind': an end without a next stream takes nothing back, and says how much there is", () => {
    const last = busy();
    const rewindValue = vi.fn(() => '<');
    const source = concat(of('a', 'b', 'c'), fails(busy()));
    const { values, error } = seenBy(source.pipe(fallbackTo(fails(last), { onPartial: 'rewind', rewindValue })));
    expect(values).toEqual(['a', 'b', 'c']);
    expect(error).toBeInstanceOf(FallbackExhaustedError);
    expect(error).toMatchObject({ emitted: 3, cause: last });
    expect(rewindValue).not.toHaveBeenCalled();
  });

  it("'rewind': asks rewindValue with what was delivered, and the raw error", () => {
    const raw = Object.assign(new Error('cut'), { status: 500 });
    const rewindValue = vi.fn(() => '<');
    const { values } = seenBy(
      concat(of('x', 'y'), fails(raw)).pipe(fallbackTo(a$, { onPartial: 'rewind', rewindValue })),
    );
    expect(values).toEqual(['x', 'y', '<', 'a']);
    expect(rewindValue.mock.calls).toEqual([[2, raw]]);
  });

  it('gives a callback what the subscriber has', () => {
    const shouldFallback = vi.fn(() => true);
    seenBy(
      concat(of('x', 'y'), fails(busy())).pipe(
        fallbackTo(a$, { shouldFallback, onPartial: 'rewind', rewindValue: () => '<' }),
      ),
    );
    expect(shouldFallback.mock.calls[0]).toMatchObject([{}, { emitted: 2, attempt: 1 }]);
  });
});
