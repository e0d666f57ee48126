import { concat, EMPTY, of, Subject, take, throwError, VirtualTimeScheduler, type Observable } from 'rxjs';
import { describe, expect, it, vi } from 'vitest';
import { retryBackoff, type ChatEvent, type RetryConfig } from 'rx-weir';
import { attempts, busy, invalid, seenBy } from '../support/attempts';
import { marbles } from '../support/marbles';

const exact = { initialDelayMs: 5, jitter: 'none' } as const;
const rewind = { ...exact, onPartial: 'rewind' } as const;

const EVENTS: Record<string, ChatEvent> = {
  s: { type: 'start', provider: 'p', model: 'm' },
  e: { type: 'text', text: '' },
  a: { type: 'text', text: 'a' },
  b: { type: 'text', text: 'b' },
  c: { type: 'text', text: 'c' },
  r: { type: 'reasoning', text: 'hm' },
  t: { type: 'toolCall', id: '1', name: 'f', arguments: '{}' },
  u: { type: 'usage', inputTokens: 1, outputTokens: 2 },
  f: { type: 'finish', reason: 'stop' },
  '<': { type: 'rewind', to: 0 },
};

/** Plays one synchronous script of events per attempt, `#` a retryable error, and gives what came out in the same letters. */
function play(scripts: readonly string[], config: RetryConfig<ChatEvent> = {}): string {
  const scheduler = new VirtualTimeScheduler();
  const streams = scripts.map((script) => {
    const events = [...script].filter((letter) => letter !== '#').map((letter) => EVENTS[letter]!);
    return script.endsWith('#') ? concat(of(...events), throwError(busy)) : of(...events);
  });
  const { source$, active } = attempts<ChatEvent>(...streams);
  const seen = seenBy(source$.pipe(retryBackoff(config, { scheduler })));
  scheduler.flush();
  expect(active()).toBe(0);
  expect(seen.ends).toHaveLength(1);
  const letterOf = (event: ChatEvent): string =>
    Object.keys(EVENTS).find((key) => JSON.stringify(EVENTS[key]) === JSON.stringify(event))!;
  return seen.values.map(letterOf).join('') + (seen.ends[0] === 'complete' ? '|' : '#');
}

describe('retryBackoff: before the first content', () => {
  it('holds values back until the first content, then lets everything through as it comes', () => {
    marbles(({ cold, expectObservable }) => {
      const source = cold('s-e-a-----u-b-f-|', EVENTS);
      const result = '     ----(sea)-u-b-f-|';
      expectObservable(source.pipe(retryBackoff(exact))).toBe(result, EVENTS);
    });
  });

  it.each([
    ['drops what a failed attempt gave before', ['su#', 'sa'], 'sa|'],
    ['also several times', ['s#', 'se#', '#', 'sabf'], 'sabf|'],
    ['also of the last one', ['s#', 's#', 's#', 'su#'], '#'],
    ['delivers it at the end of a stream without content', ['suf'], 'suf|'],
    ['delivers that of a retried stream without content', ['s#', 'ef'], 'ef|'],
    ['reasoning is content', ['sr#', 'a'], 'sr#'],
    ['a tool call is content', ['st#', 'a'], 'st#'],
    ['an empty text is none', ['se#', 'a'], 'a|'],
  ])('%s', (_name, scripts, expected) => {
    expect(play(scripts, exact)).toBe(expected);
  });

  it('takes every value that is no chat event as content', () => {
    for (const value of ['text', '', 0, null, undefined, {}, { type: 'delta' }]) {
      const error = busy();
      const { source$, opened } = attempts<unknown>(
        concat(
          of(value),
          throwError(() => error),
        ),
      );
      expect(seenBy(source$.pipe(retryBackoff()))).toEqual({ values: [value], ends: ['error'], error });
      expect(opened()).toBe(1);
    }
  });

  it('asks isContent where it is given', () => {
    marbles(({ cold, expectObservable }) => {
      const { source$ } = attempts<string>(cold('m#', undefined, busy()), cold('m-a---m-b|'));
      const isContent = (value: string): boolean => value !== 'm';
      expectObservable(source$.pipe(retryBackoff({ ...exact, isContent }))).toBe('--------(ma)m-b|');
    });
  });

  it('makes what isContent throws the error of the stream, and closes the source', () => {
    const thrown = new Error('mine');
    const isContent = (): boolean => {
      throw thrown;
    };
    for (const source of [of('a', 'b'), new Subject<string>()]) {
      const { source$, log } = attempts<string>(source);
      const seen = seenBy(source$.pipe(retryBackoff({ isContent })));
      if (source instanceof Subject) source.next('a');
      expect(seen).toEqual({ values: [], ends: ['error'], error: thrown });
      expect(log).toEqual(['open 1', 'close 1']);
    }
  });

  it('gives it to a take that ends within it', () => {
    const { source$, log } = attempts<ChatEvent>(of(EVENTS.s!, EVENTS.u!, EVENTS.a!, EVENTS.b!));
    expect(seenBy(source$.pipe(retryBackoff(), take(1)))).toEqual({ values: [EVENTS.s], ends: ['complete'] });
    expect(log).toEqual(['open 1', 'close 1']);
  });
});

describe("retryBackoff: onPartial 'fail'", () => {
  it('gives the error as it is after the first content, and tries nothing', () => {
    const error = busy();
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('a-b-#', undefined, error);
      const retryOn = vi.fn(() => true);
      expectObservable(source.pipe(retryBackoff({ ...exact, retryOn }))).toBe('a-b-#', undefined, error);
      expectSubscriptions(source.subscriptions).toBe('^---!');
    });
    expect(error.emitted).toBe(2);
  });

  it('counts contents only', () => {
    const error = busy();
    const { s, a, u, b } = EVENTS as Record<'s' | 'a' | 'u' | 'b', ChatEvent>;
    seenBy(
      concat(
        of(s, a, u, b, u),
        throwError(() => error),
      ).pipe(retryBackoff()),
    );
    expect(error.emitted).toBe(2);
  });

  it('leaves an error without content, and a raw or frozen one, unmarked', () => {
    const error = busy();
    seenBy(throwError(() => error).pipe(retryBackoff({ maxRetries: 0 })));
    expect(error).not.toHaveProperty('emitted');
    const raw = new Error('raw');
    expect(
      seenBy(
        concat(
          of('a'),
          throwError(() => raw),
        ).pipe(retryBackoff()),
      ).error,
    ).toBe(raw);
    expect(raw).not.toHaveProperty('emitted');
    const frozen = Object.freeze(busy());
    expect(
      seenBy(
        concat(
          of('a'),
          throwError(() => frozen),
        ).pipe(retryBackoff()),
      ).error,
    ).toBe(frozen);
  });

  it('is the default, after a retry too', () => {
    expect(play(['s#', 'sa#', 'sab'])).toBe('sa#');
  });

  it("retries after a rewind of the source's own, which took back everything", () => {
    expect(play(['a<#', 'bc'], exact)).toBe('a<bc|');
  });

  it('does not retry after one that left something', () => {
    const { source$, opened } = attempts<ChatEvent>(
      concat(of<ChatEvent[]>({ type: 'text', text: 'abc' }, { type: 'rewind', to: 1 }), throwError(busy)),
    );
    const seen = seenBy(source$.pipe(retryBackoff()));
    expect(seen.ends).toEqual(['error']);
    expect(opened()).toBe(1);
    expect(seen.error).toMatchObject({ emitted: 1 });
  });
});

describe("retryBackoff: onPartial 'rewind'", () => {
  it.each([
    ['tells of it before the new attempt, at its first content', ['sab#', 'sabc'], 'sab<sabc|'],
    ['several times', ['a#', 'ab#', 'abc'], 'a<ab<abc|'],
    ['not for an attempt that fails before its content', ['a#', 's#', '#', 'abc'], 'a<abc|'],
    ['not for one that gave nothing', ['s#', 'abc'], 'abc|'],
    ['before a completion without content', ['ab#', 'sf'], 'ab<sf|'],
    ['before a completion without anything', ['ab#', ''], 'ab<|'],
    ['and not when there is no new attempt', ['a#', 'ab#', '#', '#'], 'a<ab#'],
    ["and not twice for a rewind of the source's own", ['a<#', 'b'], 'a<b|'],
  ])('%s', (_name, scripts, expected) => {
    expect(play(scripts, rewind)).toBe(expected);
  });

  it('at the time of the first content', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const first = cold('   -a-#', undefined, busy());
      const second = cold('          --b|');
      const { source$ } = attempts(first, second);
      expectObservable(source$.pipe(retryBackoff({ ...rewind, rewindValue: () => '<' }), take(3))).toBe(
        '-a--------(<b|)',
      );
      expectSubscriptions(first.subscriptions).toBe('^--!');
      expectSubscriptions(second.subscriptions).toBe('--------^-!');
    });
  });

  it('asks rewindValue with what was delivered since the last rewind, and the raw error', () => {
    const scheduler = new VirtualTimeScheduler();
    const errors = [Object.assign(new Error('cut'), { status: 500 }), busy()];
    const { source$ } = attempts<string>(
      concat(
        of('a', 'b', 'c'),
        throwError(() => errors[0]),
      ),
      concat(
        of('a'),
        throwError(() => errors[1]),
      ),
      of('a'),
    );
    const rewindValue = vi.fn((emitted: number) => `<${emitted}`);
    const seen = seenBy(source$.pipe(retryBackoff({ ...rewind, rewindValue }, { scheduler })));
    scheduler.flush();
    expect(seen.values).toEqual(['a', 'b', 'c', '<3', 'a', '<1', 'a']);
    expect(rewindValue.mock.calls).toEqual([
      [3, errors[0]],
      [1, errors[1]],
    ]);
  });

  it('tells callbacks and the error what the subscriber has, also after attempts without content', () => {
    const scheduler = new VirtualTimeScheduler();
    const last = busy();
    const { source$ } = attempts<string>(
      concat(of('a', 'b'), throwError(busy)),
      throwError(busy),
      concat(of('a'), throwError(busy)),
      throwError(() => last),
    );
    const emitted: number[] = [];
    const onRetry: RetryConfig['onRetry'] = (_error, info) => void emitted.push(info.emitted);
    seenBy(source$.pipe(retryBackoff({ ...rewind, onRetry, rewindValue: () => '<' }, { scheduler })));
    scheduler.flush();
    expect(emitted).toEqual([2, 2, 1]);
    expect(last.emitted).toBe(1);
  });

  it('does not reset the count of retries', () => {
    const { source$, opened } = attempts<string>(concat(of('a'), throwError(busy)));
    const scheduler = new VirtualTimeScheduler();
    const seen = seenBy(source$.pipe(retryBackoff({ ...rewind, rewindValue: () => '<' }, { scheduler })));
    scheduler.flush();
    expect(opened()).toBe(4);
    expect(seen.values.join('')).toBe('a<a<a<a');
  });

  it('still gives an error out that is not retryable', () => {
    const error = invalid();
    const { source$, opened } = attempts<string>(
      concat(
        of('a'),
        throwError(() => error),
      ),
    );
    expect(seenBy(source$.pipe(retryBackoff(rewind))).error).toBe(error);
    expect([opened(), error.emitted]).toEqual([1, 1]);
  });

  it('makes what rewindValue throws the error of the stream, with the original as its cause', () => {
    const scheduler = new VirtualTimeScheduler();
    const original = busy();
    const thrown = Object.assign(invalid(), { cause: undefined });
    const { source$, opened, active } = attempts<string>(
      concat(
        of('a', 'b'),
        throwError(() => original),
      ),
      of('c', 'd'),
    );
    const rewindValue = (): string => {
      throw thrown;
    };
    const seen = seenBy(source$.pipe(retryBackoff({ ...rewind, rewindValue }, { scheduler })));
    scheduler.flush();
    expect(seen).toEqual({ values: ['a', 'b'], ends: ['error'], error: thrown });
    expect(seen.error).toBe(thrown);
    expect(thrown.cause).toBe(original);
    expect(thrown.emitted, 'of the new attempt nothing was delivered').toBe(2);
    expect([opened(), active(), scheduler.actions.length]).toEqual([2, 0, 0]);
  });

  it('can be left inside the rewind value, before the content behind it', () => {
    const scheduler = new VirtualTimeScheduler();
    const { source$, active } = attempts<string>(concat(of('a'), throwError(busy)), of('b', 'c'));
    const result = source$.pipe(retryBackoff({ ...rewind, rewindValue: () => '<' }, { scheduler }), take(2));
    const seen = seenBy(result);
    scheduler.flush();
    expect(seen).toEqual({ values: ['a', '<'], ends: ['complete'] });
    expect(active()).toBe(0);
  });

  it('needs nothing where nothing fails', () => {
    const result: Observable<string> = EMPTY.pipe(retryBackoff<string>(rewind));
    expect(seenBy(result)).toEqual({ values: [], ends: ['complete'] });
    expect(seenBy(of('a').pipe(retryBackoff(rewind))).values).toEqual(['a']);
  });
});
