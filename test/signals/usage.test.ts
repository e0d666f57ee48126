import { from, NEVER, of, take, type Observable } from 'rxjs';
import { describe, expect, it } from 'vitest';
import type { ChatEvent, ResilienceConfig, Usage } from 'rx-weir';
import { cut, finish, reasoning, start, text, timed, usage } from '../support/answers';
import { attempts, busy, seenBy } from '../support/attempts';
import { expectQuiet, story, type Story } from '../support/story';

const retry = { initialDelayMs: 5, backoffMultiplier: 1, jitter: 'none' } as const;
const call: ChatEvent = { type: 'toolCall', id: 'not counted', name: 'find', arguments: '{"q":1}' };

/** What each attempt cost, and what they cost together. */
function usagesOf(
  streams: readonly Observable<ChatEvent>[],
  config: ResilienceConfig = {},
  takes = Infinity,
): Story & { readonly usages: readonly (Usage | undefined)[] } {
  const told = story(config);
  const { source$ } = attempts(...streams);
  seenBy(source$.pipe(told.executor.protect<ChatEvent>(), take(takes)));
  told.time.advance(1000);
  expectQuiet(told);
  return { ...told, usages: told.of('attempt.end').map((end) => end.usage) };
}

const estimated = (outputTokens: number, inputTokens = 0): Usage => ({ inputTokens, outputTokens, estimated: true });
const said = (inputTokens: number, outputTokens: number): Usage => ({ inputTokens, outputTokens, estimated: false });

const CASES: readonly (readonly [string, readonly ChatEvent[], whole: Usage | undefined, cut: Usage | undefined])[] = [
  ['a text', [text('12345678')], undefined, estimated(2)],
  ['a text that is not a multiple of four', [text('12345'), text('6789')], undefined, estimated(3)],
  ['one character', [start, text('1'), text('')], undefined, estimated(1)],
  ['reasoning', [reasoning('1234'), text('1234')], undefined, estimated(2)],
  ['a tool call: its name and its arguments', [call], undefined, estimated(3)],
  ['all together', [start, reasoning('123'), text('123'), call], undefined, estimated(5)],
  ['nothing', [], undefined, undefined],
  ['nothing but what comes before content', [start, text('')], undefined, undefined],
  ['a report', [text('1234'), usage(10, 20)], said(10, 20), said(10, 20)],
  ['a report before anything else', [usage(10, 0)], said(10, 0), said(10, 0)],
  ['a report, and more after it', [text('1234'), usage(10, 20), text('12345678')], said(10, 20), estimated(22, 10)],
  ['a report at the beginning, of the request', [usage(10, 1), text('1234567')], said(10, 1), estimated(3, 10)],
  ['several, of which the last is right', [usage(10, 1), text('1234'), usage(11, 7)], said(11, 7), said(11, 7)],
  ['nonsense', [text('1234'), usage(NaN, 1), usage(-1, 5)], undefined, estimated(1)],
];

describe('what an attempt cost', () => {
  it.each(CASES)('%s', (_name, values, whole, partial) => {
    expect(usagesOf([of(...values, finish)]).usages, 'whole').toEqual([whole]);
    expect(usagesOf([cut(busy(), ...values)]).usages, 'cut').toEqual([partial]);
  });

  it('is estimated for one that its consumer left after content, and absent before', () => {
    const endless = (...values: ChatEvent[]) =>
      timed<ChatEvent>(
        values.map((value) => [0, { value }]),
        story({}).time,
      );
    expect(usagesOf([endless(start, text('12345'), text('more'))], {}, 2).usages).toEqual([estimated(2)]);
    expect(usagesOf([endless(start, usage(7, 0), text('12345'))], {}, 3).usages).toEqual([estimated(2, 7)]);
    expect(usagesOf([endless(start, text(''))], {}, 1).usages).toEqual([undefined]);
  });

  it('is that of strings, too', () => {
    const { executor, time, of: told } = story({});
    seenBy(cut(busy(), 'abc', 'de').pipe(executor.protect<string>()));
    time.advance(100);
    expect(told('attempt.end')).toMatchObject([{ outcome: 'failure', usage: estimated(2) }]);
  });

  it('is told for each attempt: those that failed, that of a fallback, and a race', () => {
    const failed = usagesOf(
      [cut(busy(), text('1234')), cut(busy()), cut(busy(), usage(3, 0)), of(text('x'), usage(3, 9))],
      {
        retry,
        onPartial: 'rewind',
      },
    );
    expect(failed.usages).toEqual([estimated(1), undefined, said(3, 0), said(3, 9)]);
    const moved = usagesOf([cut(busy(), text('1234'))], {
      fallback: [of(text('12'), usage(1, 2))],
      onPartial: 'rewind',
    });
    expect(moved.usages).toEqual([estimated(1), said(1, 2)]);
    const raced = usagesOf([NEVER, cut(busy(), text('1234'))], { hedge: { afterMs: 4 } });
    expect(raced.usages).toEqual([undefined, estimated(1)]);
  });

  it('is that of all an attempt said, also of what is not delivered again', () => {
    const attempt = [text('12345678'), text('9')];
    const skipped = usagesOf([cut(busy(), ...attempt), cut(busy(), ...attempt), from(attempt)], {
      retry,
      onPartial: 'skip',
    });
    expect(skipped.usages).toEqual([estimated(3), estimated(3), undefined]);
    const diverged = usagesOf([cut(busy(), ...attempt), of(text('1234'), text('other'), text('more'))], {
      retry,
      onPartial: 'skip',
    });
    expect(diverged.usages).toEqual([estimated(3), estimated(3)]);
  });

  it('has an estimate of the request, where there is one and the provider does not say', () => {
    const { executor, of: told, time } = story({});
    for (const source of [
      cut(busy()),
      cut(busy(), start),
      cut(busy(), text('1234')),
      cut(busy(), usage(9, 1)),
      of(text('x')),
    ]) {
      seenBy((source as Observable<ChatEvent>).pipe(executor.protect<ChatEvent>(undefined, { inputTokens: () => 7 })));
      time.advance(100);
    }
    const usages = told('attempt.end').map((end) => end.usage);
    expect(usages).toEqual([undefined, estimated(0, 7), estimated(1, 7), said(9, 1), undefined]);
    expect(executor.snapshot().usage).toEqual({ inputTokens: 23, outputTokens: 2, estimatedTokens: 15 });
  });
});

describe('what all attempts cost', () => {
  it('is absent at first, the sum of what is known, and absent after a reset', () => {
    const { executor, time } = story({});
    const play = (source: Observable<ChatEvent>): void => {
      seenBy(source.pipe(executor.protect<ChatEvent>()));
      time.advance(100);
    };
    expect(executor.snapshot()).not.toHaveProperty('usage');
    play(of(text('1234'), finish));
    play(cut(busy(), start));
    expect(executor.snapshot()).not.toHaveProperty('usage');
    play(of(text('a'), usage(10, 20), finish));
    expect(executor.snapshot().usage).toEqual({ inputTokens: 10, outputTokens: 20, estimatedTokens: 0 });
    play(cut(busy(), text('12345')));
    expect(executor.snapshot().usage).toEqual({ inputTokens: 10, outputTokens: 22, estimatedTokens: 2 });
    play(cut(busy(), usage(5, 1), text('12345')));
    expect(executor.snapshot().usage).toEqual({ inputTokens: 15, outputTokens: 25, estimatedTokens: 10 });
    executor.reset();
    expect(executor.snapshot()).not.toHaveProperty('usage');
    play(of(text('a'), usage(1, 2), finish));
    expect(executor.snapshot().usage).toEqual({ inputTokens: 1, outputTokens: 2, estimatedTokens: 0 });
  });

  it('is frozen, plain, and new when it changes', () => {
    const { executor, time } = story({});
    seenBy(of(text('a'), usage(1, 2), finish).pipe(executor.protect<ChatEvent>()));
    time.advance(100);
    const before = executor.snapshot();
    expect(Object.isFrozen(before.usage)).toBe(true);
    expect(JSON.parse(JSON.stringify(before))).toEqual(before);
    seenBy(of(text('a'), usage(1, 2), finish).pipe(executor.protect<ChatEvent>()));
    time.advance(100);
    expect(before.usage).toEqual({ inputTokens: 1, outputTokens: 2, estimatedTokens: 0 });
    expect(executor.snapshot().usage).toEqual({ inputTokens: 2, outputTokens: 4, estimatedTokens: 0 });
  });

  it('is news to who looks on', () => {
    const { executor, time } = story({});
    const seen: unknown[] = [];
    executor.signals$.subscribe((snapshot) => seen.push(snapshot.usage));
    seenBy(of(text('a'), usage(1, 2), finish).pipe(executor.protect<ChatEvent>()));
    time.advance(100);
    expect(seen.at(-1)).toEqual({ inputTokens: 1, outputTokens: 2, estimatedTokens: 0 });
  });
});

describe('streams.tokens', () => {
  it.each<[string, readonly ChatEvent[], whole: number, cut: number]>([
    ['contents, where nothing is reported', [start, text('a'), reasoning('b'), call, text('')], 3, 3],
    ['what is reported', [text('a'), text('b'), usage(5, 20)], 20, 20],
    ['and, of one that is cut, the contents since then', [text('a'), usage(5, 20), text('b'), text('c')], 20, 22],
    ['where the first report is of the request alone', [usage(5, 0), text('a'), text('b')], 0, 2],
  ])('are %s', (_name, values, whole, partial) => {
    expect(usagesOf([of(...values, finish)]).executor.snapshot().streams.tokens).toBe(whole);
    expect(usagesOf([cut(busy(), ...values)]).executor.snapshot().streams.tokens).toBe(partial);
  });
});
