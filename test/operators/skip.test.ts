import fc from 'fast-check';
import { catchError, of, Subject, take, throwError, type Observable } from 'rxjs';
import { describe, expect, it } from 'vitest';
import {
  CircuitBreaker,
  DivergedStreamError,
  fallbackTo,
  resilient,
  ResilientExecutor,
  retryBackoff,
  type ChatEvent,
  type RuntimeOptions,
  type WeirEvent,
} from 'rx-weir';
import { cut, finish, piecesOf, reasoning, rewind, start, text, textOf, toolCall, usage } from '../support/answers';
import { attempts, busy, invalid, seenBy, type Attempts, type Seen } from '../support/attempts';
import { marbles } from '../support/marbles';
import { VirtualTime } from '../support/virtual';

const exact = { initialDelayMs: 5, backoffMultiplier: 1, jitter: 'none', maxRetries: 9 } as const;
const skip = { ...exact, onPartial: 'skip' } as const;

type Build = <T>(source$: Observable<T>, options: RuntimeOptions<T>) => Observable<T>;

// Whoever tries again, each subscription takes the next stream.
const BUILDS: Record<string, Build> = {
  retryBackoff: (source$, options) => source$.pipe(retryBackoff(skip, options)),
  fallbackTo: (source$, options) =>
    source$.pipe(fallbackTo(...Array.from({ length: 9 }, () => source$), { onPartial: 'skip', ...options })),
  'resilient, with retries': (source$, options) =>
    source$.pipe(
      resilient(
        { retry: exact, onPartial: 'skip', circuitBreaker: { failureThreshold: 99 }, backpressure: 1 },
        options,
      ),
    ),
  'resilient, with fallbacks': <T>(source$: Observable<T>, options: RuntimeOptions<T>) =>
    source$.pipe(resilient<T>({ fallback: Array.from({ length: 9 }, () => source$), onPartial: 'skip' }, options)),
};

const E = busy();
const [hel, lo] = [text('Hel'), text('lo')];

/** What comes out of attempts that say these, all of which fail but the last. */
type Case = readonly [name: string, said: readonly (readonly ChatEvent[])[], expected: readonly ChatEvent[]];

const CASES: readonly Case[] = [
  [
    'only the rest is forwarded',
    [
      [hel, lo],
      [text('Hello'), text(' world')],
    ],
    [hel, lo, text(' world')],
  ],
  [
    'a value that straddles the point is cut',
    [
      [hel, lo],
      [text('Hello w'), text('orld')],
    ],
    [hel, lo, text(' w'), text('orld')],
  ],
  ['the pieces may be others', [[hel, lo], [...'Hello!'].map(text)], [hel, lo, text('!')]],
  ['one piece may be all', [[...'Hello'].map(text), [text('Hello!')]], [...[...'Hello'].map(text), text('!')]],
  [
    'there may be no rest',
    [
      [hel, lo],
      [text('Hello'), finish],
    ],
    [hel, lo, finish],
  ],
  ['nor an end that is a value', [[hel, lo], [lo, hel].reverse()], [hel, lo]],
  [
    'what has no text is dropped until the attempt has caught up',
    [
      [start, hel],
      [start, reasoning('hm'), usage(1, 0), text('He'), text(''), usage(1, 1), text('l'), usage(1, 2), lo, finish],
    ],
    [start, hel, usage(1, 2), lo, finish],
  ],
  [
    'also where it straddles',
    [[hel], [start, text('Hello'), reasoning('so'), finish]],
    [hel, lo, reasoning('so'), finish],
  ],
  [
    'what was delivered without text is not compared',
    [
      [reasoning('hm'), hel],
      [reasoning('oh'), text('Hello')],
    ],
    [reasoning('hm'), hel, lo],
  ],
  ['a tool call comes after the text', [[hel], [text('Hello'), toolCall, finish]], [hel, lo, toolCall, finish]],
  [
    'several attempts in a row',
    [[text('ab')], [text('abc')], [text('abcd')], [text('abcde')]],
    [text('ab'), text('c'), text('d'), text('e')],
  ],
  ['one fails while it catches up', [[hel, lo], [text('He')], [hel], [text('Hello!')]], [hel, lo, text('!')]],
  ['one fails when it has just caught up', [[hel], [hel], [text('Hello')]], [hel, lo]],
  ['one fails before its first content', [[hel], [start], [], [usage(1, 0)], [text('Hello')]], [hel, lo]],
  [
    'nothing is skipped where nothing was delivered',
    [[start], [usage(1, 0)], [start, hel, finish]],
    [start, hel, finish],
  ],
  ['emoji', [[text('so 😀')], [text('so 😀😁')]], [text('so 😀'), text('😁')]],
  ['a pair that the source itself cut', [[text('so \ud83d')], [text('so 😀!')]], [text('so \ud83d'), text('\ude00!')]],
  ["the source's own rewind of everything", [[hel, toolCall, rewind()], [lo]], [hel, toolCall, rewind(), lo]],
  [
    "the source's own rewind of a tool call",
    [[toolCall, rewind(), hel], [text('Hello')]],
    [toolCall, rewind(), hel, lo],
  ],
  ["the source's own rewind of a part", [[text('Help'), rewind(3)], [text('Hello')]], [text('Help'), rewind(3), lo]],
];

/** An attempt's text that is not the one delivered before it, `Hello`. */
const DIFFERENT: readonly (readonly [name: string, said: readonly ChatEvent[]])[] = [
  ['differs from the first character on', [text('hello')]],
  ['differs in the middle', [start, hel, text('p')]],
  ['differs in the last character', [text('Hella'), text(' Fitzgerald')]],
  ['ends short', [start, hel, finish]],
  ['ends one character short', [text('Hell')]],
  ['ends without any text', [start, reasoning('hm'), finish]],
  ['ends without anything', []],
  ['calls a tool before it has caught up', [hel, toolCall, lo, text(' world')]],
];

function run<T>(build: Build, streams: Observable<T>[], options: RuntimeOptions<T> = {}): Attempts<T> & Seen<T> {
  const scheduler = new VirtualTime();
  const tried = attempts<T>(...streams);
  const seen = seenBy(build(tried.source$, { scheduler, ...options }));
  scheduler.flush();
  expect([tried.active(), scheduler.timers]).toEqual([0, 0]);
  // Each is closed before the next opens.
  expect(tried.log).toEqual(streams.slice(0, tried.opened()).flatMap((_, i) => [`open ${i + 1}`, `close ${i + 1}`]));
  return Object.assign(seen, tried);
}

describe.each(Object.entries(BUILDS))("onPartial 'skip' in %s", (_name, build) => {
  it.each(CASES)('%s', (_case, said, expected) => {
    const streams = said.map((values, i) => (i < said.length - 1 ? cut(busy(), ...values) : of(...values)));
    const { values, ends, opened } = run(build, streams);
    expect(values).toEqual(expected);
    expect([ends, opened()]).toEqual([['complete'], said.length]);
  });

  it.each(DIFFERENT)(
    'ends with DivergedStreamError, and tries nothing more, when the new attempt %s',
    (_case, said) => {
      for (const before of [[], [cut(E, hel)], [cut(E, start)]]) {
        const streams = [cut(E, hel, lo), ...before, of(...said), of(text('Hello world'))];
        const { values, ends, error, opened } = run(build, streams);
        expect([values, ends]).toEqual([[hel, lo], ['error']]);
        expect(error).toBeInstanceOf(DivergedStreamError);
        expect(error).toMatchObject({ code: 'E9999', retryable: false, emitted: 2 });
        expect(opened()).toBe(streams.length - 1);
      }
    },
  );

  it('ends with it also where the halves of two surrogate pairs differ', () => {
    const { values, error } = run(build, [cut(E, text('so 😀')), of(text('so 😁'))]);
    expect(values).toEqual([text('so 😀')]);
    expect(error).toBeInstanceOf(DivergedStreamError);
  });

  it('does not come to the end of a source that differs', () => {
    const second = new Subject<ChatEvent>();
    const scheduler = new VirtualTime();
    const { source$ } = attempts<ChatEvent>(cut(E, hel), second);
    const seen = seenBy(build(source$, { scheduler }));
    scheduler.flush();
    second.next(text('H'));
    expect([second.observed, seen.ends]).toEqual([true, []]);
    second.next(text('a'));
    expect([second.observed, seen.ends]).toEqual([false, ['error']]);
  });

  it.each<[string, readonly ChatEvent[]]>([
    ['a tool call was delivered', [hel, toolCall]],
    ['nothing was said before a tool call', [toolCall]],
    ['only reasoning was delivered', [reasoning('hm')]],
    [
      'all text was taken back by the source, but not the reasoning',
      [reasoning('hm'), hel, rewind(0), reasoning('oh')],
    ],
  ])('tries nothing where %s', (_case, said) => {
    const error = busy();
    const seen = run(build, [cut(error, ...said), of(text('Hello'))]);
    expect([seen.values, seen.ends, seen.opened()]).toEqual([said, ['error'], 1]);
    expect(seen.error).toBe(error);
    expect(error.emitted).toBe(said.indexOf(toolCall) === 1 ? 2 : 1);
  });

  it('tries nothing where no value has a text', () => {
    for (const said of [[1, 2], [''], [null]] as unknown[][]) {
      const error = busy();
      const seen = run(build, [cut<unknown>(error, ...said), of<unknown[]>(...said)]);
      expect([seen.values, seen.opened()]).toEqual([said, 1]);
      expect(seen.error).toBe(error);
    }
  });

  it('tries nothing for an error that is none to try again for', () => {
    const error = invalid();
    const seen = run(build, [cut(error, hel), of(text('Hello'))]);
    expect(seen.error).toBe(error);
    expect([seen.opened(), error.emitted]).toEqual([1, 1]);
  });

  it('reads and cuts values of any type by textOf and withText', () => {
    const textOf = ({ delta }: { delta: string }): string => delta;
    const streams = [cut(E, { delta: 'ab' }), of({ delta: 'abc' }, { delta: 'd' })];
    const withText = (_value: unknown, delta: string): { delta: string } => ({ delta });
    expect(run(build, streams, { textOf, withText }).values).toEqual([{ delta: 'ab' }, { delta: 'c' }, { delta: 'd' }]);
    const seen = run(build, streams, { textOf });
    expect([seen.values, seen.ends]).toEqual([[{ delta: 'ab' }], ['error']]);
    expect(seen.error).toBeInstanceOf(TypeError);
    expect((seen.error as Error).message).toContain('withText');
    // Nothing need be cut where the new attempt has the same pieces.
    const same = [cut(E, { delta: 'ab' }), of({ delta: 'ab' }, { delta: 'c' })];
    expect(run(build, same, { textOf }).values).toEqual([{ delta: 'ab' }, { delta: 'c' }]);
  });

  it.each(['textOf', 'withText'])('makes what %s throws the error of the stream', (where) => {
    const thrown = new Error('mine');
    const options: RuntimeOptions<string> = {
      [where]: (value: string) => {
        if (where === 'textOf' && value === 'ab') return value; // what was delivered
        throw thrown;
      },
    };
    const seen = run<string>(build, [cut(E, 'ab'), of('abc', 'd')], options);
    expect([seen.values, seen.ends]).toEqual([['ab'], ['error']]);
    expect(seen.error).toBe(thrown);
  });

  it('stops a synchronous attempt whose consumer has had enough', () => {
    const { source$, log } = attempts(cut(E, 'ab'), of('a', 'bc', 'd', 'e'));
    const scheduler = new VirtualTime();
    const seen = seenBy(build(source$, { scheduler }).pipe(take(2)));
    scheduler.flush();
    expect(seen).toEqual({ values: ['ab', 'c'], ends: ['complete'] });
    expect(log).toEqual(['open 1', 'close 1', 'open 2', 'close 2']);
  });

  it('gives one whole text, whatever is cut where, and nothing of it twice', () => {
    const letters = fc.constantFrom('a', 'b', '\n', '水', '😀');
    const whole = fc.array(letters, { minLength: 1, maxLength: 30 }).map((units) => units.join(''));
    const tries = fc.array(fc.record({ cutAt: fc.nat(40), offsets: fc.array(fc.nat(40), { maxLength: 9 }) }), {
      minLength: 1,
      maxLength: 9,
    });
    fc.assert(
      fc.property(whole, tries, (all, plan) => {
        const streams = plan.map(({ cutAt, offsets }, i) => {
          const last = i === plan.length - 1;
          const pieces = piecesOf(last ? all : all.slice(0, cutAt), offsets).map(text);
          return last ? of(start, ...pieces, finish) : cut(E, start, ...pieces);
        });
        const { values, ends } = run(build, streams);
        expect(ends).toEqual(['complete']);
        expect(textOf(values)).toBe(all);
        expect(values.filter(({ type }) => type === 'start' || type === 'finish')).toEqual([start, finish]);
        expect(values.filter((value) => value.type === 'text' && value.text === '')).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });
});

describe("onPartial 'skip', in time", () => {
  it('delivers each value when it comes, once the failed attempt is closed', () => {
    const values = { h: 'Hel', l: 'lo', f: 'Hello', w: ' wo', x: 'rld' };
    const { frame } = marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const first = cold(' -h-l-#', values, busy());
      const second = cold('          -h-#', values, busy());
      const third = cold('                   -f-w-x-|', values);
      const result = '     -h-l-----------------w-x-|';
      const { source$ } = attempts(first, second, third);
      expectObservable(source$.pipe(retryBackoff(skip))).toBe(result, values);
      expectSubscriptions(first.subscriptions).toBe(' ^----!');
      expectSubscriptions(second.subscriptions).toBe('----------^--!');
      expectSubscriptions(third.subscriptions).toBe(' ------------------^------!');
    });
    expect(frame).toBe(25);
  });

  it('closes a source that differs at once, and can be left while one catches up', () => {
    const values = { h: 'Hel', x: 'x', l: 'lo' };
    const { frame } = marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const first = cold('-h#', values, busy());
      const second = cold('      --x-l-|', values);
      const third = cold('       -h-l-|', values);
      const different = attempts(first, second);
      const name$ = (error: Error): Observable<never> => throwError(() => error.name);
      const different$ = different.source$.pipe(retryBackoff(skip), catchError(name$));
      expectObservable(different$).toBe('-h-------#', values, 'DivergedStreamError');
      expectSubscriptions(second.subscriptions).toBe('-------^-!');
      const left = attempts(first, third);
      expectObservable(left.source$.pipe(retryBackoff(skip)), '---------!').toBe('-h--------', values);
      expectSubscriptions(third.subscriptions).toBe(' -------^-!');
    });
    expect(frame).toBe(9);
  });
});

describe("onPartial 'skip': what is said of it", () => {
  it.each([
    ['differs', [text('xyz'), text('more')]],
    ['ends short', [text('a')]],
  ])('takes an attempt that %s for a success of its provider: the consumer left it', (_name, said) => {
    const time = new VirtualTime();
    const circuitBreaker = new CircuitBreaker({ failureThreshold: 2, clock: () => time.now() });
    const executor = new ResilientExecutor({ retry: exact, circuitBreaker, onPartial: 'skip' }, { scheduler: time });
    const events: WeirEvent[] = [];
    executor.events$.subscribe((event) => events.push(event));
    const { source$ } = attempts<ChatEvent>(cut(E, text('ab')), of<ChatEvent[]>(...said));
    const seen = seenBy(source$.pipe(executor.protect<ChatEvent>()));
    time.advance(1000);
    expect(seen.error).toBeInstanceOf(DivergedStreamError);
    expect(executor.snapshot()).toMatchObject({
      circuit: { failureCount: 0 },
      currentInflight: 0,
      streams: { started: 1, failed: 1, retries: 1 },
    });
    const outcomes = events.flatMap((event) => (event.type === 'attempt.end' ? event.outcome : []));
    expect(outcomes).toEqual(['failure', 'success']);
    const partials = events.filter(({ type }) => type === 'partial');
    expect(partials).toMatchObject([
      { emitted: 1, action: 'skip', attempt: 1 },
      { emitted: 1, action: 'fail', attempt: 2 },
    ]);
  });

  it('never retries a diverged stream, whatever retryOn says', () => {
    const { error, opened } = run(
      (source$, options) => source$.pipe(retryBackoff({ ...skip, retryOn: () => true }, options)),
      [cut(E, 'ab'), of('xy'), of('abc')],
    );
    expect(error).toBeInstanceOf(DivergedStreamError);
    expect(opened()).toBe(2);
  });

  it('tells the callbacks how much there is, and counts retries as ever', () => {
    const emitted: number[] = [];
    const { error, opened, values } = run(
      (source$, options) =>
        source$.pipe(
          retryBackoff({ ...skip, maxRetries: 2, onRetry: (_error, info) => void emitted.push(info.emitted) }, options),
        ),
      [cut(E, 'a', 'b'), cut(E, 'ab', 'c'), cut(busy(), 'a'), of('abcd')],
    );
    expect([emitted, opened(), values]).toEqual([[2, 3], 3, ['a', 'b', 'c']]);
    expect(error).toMatchObject({ code: 'E3002', emitted: 3 });
  });
});
