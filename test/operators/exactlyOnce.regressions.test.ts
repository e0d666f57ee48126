// What the tests of seams, hedges and usage found: each of these failed once.
import { EMPTY, NEVER, Observable, of, Subject, throwError } from 'rxjs';
import { describe, expect, it, vi } from 'vitest';
import {
  DivergedStreamError,
  hedge,
  RateLimiter,
  resilient,
  ResilientExecutor,
  retryBackoff,
  trimOverlap,
  type ChatEvent,
} from 'rx-weir';
import { cut, finish, reasoning, rewind, text, textOf, timed, toolCall, usage } from '../support/answers';
import { attempts, busy, seenBy, unauthorized, type Seen } from '../support/attempts';
import { story } from '../support/story';
import { VirtualTime } from '../support/virtual';

/** Subscribes, and lets everything happen. */
function flushed<T>(source: Observable<T>, time: VirtualTime): Seen<T> {
  const seen = seenBy(source);
  time.flush();
  return seen;
}

const retry = { initialDelayMs: 5, jitter: 'none' } as const;
const after4 = { afterMs: 4 };

describe('values that a seam lets go together', () => {
  it('stay in order when the source speaks meanwhile', () => {
    const source = new Subject<string>();
    const got: string[] = [];
    source.pipe(trimOverlap('hello world', { min: 5 })).subscribe((value) => {
      got.push(value);
      if (value === 'wor') source.next('last');
    });
    source.next('wor');
    source.next('m');
    expect(got).toEqual(['wor', 'm', 'last']);
  });

  it.each(['complete', 'error'] as const)('all come before the end when the source ends meanwhile: %s', (end) => {
    const source = new Subject<string>();
    const got: string[] = [];
    source.pipe(trimOverlap('hello world', { min: 5 })).subscribe({
      next: (value) => {
        got.push(value);
        if (value === 'wor') source[end](new Error('cut'));
      },
      error: () => got.push('error'),
      complete: () => got.push('complete'),
    });
    source.next('wor');
    source.next('m');
    expect(got).toEqual(['wor', 'm', end]);
  });
});

describe('trimOverlap', () => {
  it('says with an error how much was delivered, and not how much it held or left out', () => {
    const error = busy();
    const seen = seenBy(cut(error, 'wor', 'ld', ' and', ' on').pipe(trimOverlap('hello world', { min: 5 })));
    expect(seen.values).toEqual([' and', ' on']);
    expect(error.emitted).toBe(2);
  });

  it('leaves nothing out behind a rewind, which took back what it would repeat', () => {
    const source = of<ChatEvent[]>(rewind(), text('world peace'));
    const { values } = seenBy(source.pipe(trimOverlap<ChatEvent>('hello world', { min: 5 })));
    expect(textOf(values)).toBe('world peace');
    const held = of<ChatEvent[]>(text('wor'), rewind(), text('world peace'), finish);
    const out = seenBy(held.pipe(trimOverlap<ChatEvent>('hello world', { min: 5 })));
    expect(out.values).toEqual([text('wor'), rewind(), text('world peace'), finish]);
  });

  it('does not compare what is no content, whose text is not in what was delivered', () => {
    const options = { min: 5, isContent: (value: string) => !value.startsWith(':') };
    const { values } = seenBy(of(': ping', 'world is').pipe(trimOverlap('hello world', options)));
    expect(values).toEqual([': ping', ' is']);
  });
});

describe("onPartial 'skip'", () => {
  it('does not compare what is no content, which was not collected either', () => {
    const time = new VirtualTime();
    const { source$ } = attempts(cut(busy(), ': ping', 'a'), of(': ping', 'a', 'b'));
    const isContent = (value: string): boolean => !value.startsWith(':');
    const { values, ends } = flushed(
      source$.pipe(retryBackoff({ ...retry, onPartial: 'skip', isContent }, { scheduler: time })),
      time,
    );
    expect([values, ends]).toEqual([[': ping', 'a', 'b'], ['complete']]);
  });

  it('does not take for the same what the new attempt says and takes back', () => {
    const time = new VirtualTime();
    // Its text is `abX`, which is not what was delivered.
    const { source$ } = attempts(cut(busy(), text('abab')), of<ChatEvent[]>(text('ab'), rewind(), text('abX')));
    const seen = flushed(
      source$.pipe(retryBackoff<ChatEvent>({ ...retry, onPartial: 'skip' }, { scheduler: time })),
      time,
    );
    expect(textOf(seen.values)).toBe('abab');
    expect(seen.error).toBeInstanceOf(DivergedStreamError);
  });

  it.each<[string, ChatEvent[]]>([
    ['all of it', [text('ab'), rewind(), text('ababc')]],
    ['a part of it', [text('ab'), rewind(1), text('babc')]],
    ['nothing that it has said', [text('ab'), rewind(9), text('abc')]],
    ['all of it, twice', [text('a'), rewind(), text('ab'), rewind(), text('aba'), text('bc')]],
  ])('goes on with an attempt that takes back %s, and then is the same', (_name, said) => {
    const time = new VirtualTime();
    const { source$ } = attempts(cut(busy(), text('abab')), of<ChatEvent[]>(...said, finish));
    const said$ = source$.pipe(retryBackoff<ChatEvent>({ ...retry, onPartial: 'skip' }, { scheduler: time }));
    expect(flushed(said$, time).values).toEqual([text('abab'), text('c'), finish]);
  });

  it.each<[string, ChatEvent[], ChatEvent[], ChatEvent[]]>([
    ['says it again', [reasoning('a')], [reasoning('a'), text('lo')], [text('lo')]],
    ['says it again, and more of it', [reasoning('a')], [reasoning('a'), reasoning('b')], [reasoning('b')]],
    ['says it in one piece with more', [reasoning('a'), reasoning('b')], [reasoning('abc')], [reasoning('c')]],
    ['does not say it again', [reasoning('a')], [text('lo'), reasoning('b')], [text('lo'), reasoning('b')]],
    ['calls a tool instead', [reasoning('a')], [toolCall, finish], [toolCall, finish]],
    [
      'says it in fewer pieces, and calls a tool',
      [reasoning('a'), reasoning('b')],
      [reasoning('ab'), toolCall],
      [toolCall],
    ],
    ['ends', [reasoning('a')], [finish], [finish]],
  ])(
    'loses nothing and repeats nothing behind the text, where what has none was delivered and the new attempt %s',
    (_name, more, said, expected) => {
      const time = new VirtualTime();
      const delivered = [text('hel'), ...more];
      const { source$ } = attempts<ChatEvent>(cut(busy(), ...delivered), of(text('hel'), ...said));
      const said$ = source$.pipe(retryBackoff<ChatEvent>({ ...retry, onPartial: 'skip' }, { scheduler: time }));
      expect(flushed(said$, time).values).toEqual([...delivered, ...expected]);
    },
  );

  it('takes an attempt that ends short for whole, of which the bucket keeps the estimate', () => {
    const time = new VirtualTime();
    const rateLimiter = new RateLimiter({ tokensPerMinute: 600, clock: () => time.now() });
    const config = {
      retry: { ...retry, initialDelayMs: 0 },
      rateLimiter,
      cost: { tokens: 20 },
      onPartial: 'skip' as const,
    };
    const { source$ } = attempts(cut(busy(), 'a'), EMPTY);
    const seen = seenBy(source$.pipe(resilient<string>(config, { scheduler: time })));
    time.flush();
    expect(seen.error).toBeInstanceOf(DivergedStreamError);
    // The first is cut, and what it said is one token; the second said nothing of what it cost.
    expect(rateLimiter.snapshot(time.now()).tokensRemaining).toBe(600 - 1 - 20);
  });
});

describe('hedge', () => {
  it('leaves a fallback target alone: it brings its own protection, and the source has failed', () => {
    const time = new VirtualTime();
    const slow = timed<string>(
      [
        [10, { value: 'target' }],
        [0, 'complete'],
      ],
      time,
    );
    const { source$, opened } = attempts<string>(throwError(unauthorized), of('source'));
    const said$ = source$.pipe(resilient<string>({ fallback: [slow], hedge: after4 }, { scheduler: time }));
    const seen = flushed(said$, time);
    expect([opened(), seen.values]).toEqual([1, ['target']]);
  });

  it.each(['hedge event', 'target'])(
    'starts nothing beside an attempt that had its first content inside the %s',
    (where) => {
      const first = new Subject<string>();
      const second = new Subject<string>();
      const { source$ } = attempts<string>(first, second);
      const speak = (): void => first.next('1a');
      const targets = [() => (speak(), second)];
      const { time, executor } = story({ hedge: where === 'target' ? { ...after4, targets } : after4 });
      executor.events$.subscribe(({ type }) => {
        if (type === 'hedge' && where !== 'target') speak();
      });
      const seen = seenBy(source$.pipe(executor.protect<string>()));
      time.advance(10);
      second.next('2a');
      first.next('1b');
      second.next('2b');
      expect(seen.values).toEqual(['1a', '1b']);
    },
  );

  it('starts nothing where the last attempt failed inside the event, and a retry waits', () => {
    const first = new Subject<string>();
    const { source$, log } = attempts<string>(first, NEVER);
    const { time, executor } = story({ hedge: after4, retry: { ...retry, initialDelayMs: 20 } });
    executor.events$.subscribe(({ type }) => {
      if (type === 'hedge') first.error(busy());
    });
    const subscription = source$.pipe(executor.protect<string>()).subscribe();
    time.advance(10);
    expect(log).toEqual(['open 1', 'close 1']);
    time.advance(16);
    expect(log).toEqual(['open 1', 'close 1', 'open 2']);
    subscription.unsubscribe();
  });

  it('reads the percentile from first contents, and not from attempts that had none', () => {
    const time = new VirtualTime();
    let opened = 0;
    const source$ = new Observable<string>((subscriber) => {
      if (opened++ < 20) subscriber.complete();
      else
        subscriber.add(
          timed<string>(
            [
              [50, { value: 'a' }],
              [0, 'complete'],
            ],
            time,
          ).subscribe(subscriber),
        );
    });
    const said$ = source$.pipe(hedge({ after: 'p95' }, { scheduler: time }));
    for (let i = 0; i < 21; i++) seenBy(said$);
    time.flush();
    expect(opened).toBe(21);
  });

  it('takes no sample of one that still waited in a queue when another won', () => {
    // It may go where the executor itself has no room, and waits there.
    const { time, executor, of: told } = story({ backpressure: 1, hedge: { after: 'p95', afterMs: 5, preflight: {} } });
    const slow = (ms: number): Observable<string> =>
      timed<string>(
        [
          [ms, { value: 'a' }],
          [0, 'complete'],
        ],
        time,
      );
    for (let i = 0; i < 20; i++) flushed(slow(10).pipe(executor.protect<string>()), time);
    const before = told('hedge').length;
    expect(before).toBeGreaterThan(0);
    flushed(slow(100).pipe(executor.protect<string>()), time);
    expect(told('hedge').length).toBe(before + 1);
  });

  it('gives what onPartial throws for it the original error as its cause', () => {
    const time = new VirtualTime();
    const [original, thrown] = [busy(), new Error('mine')];
    const onPartial = vi.fn(() => {
      if (onPartial.mock.calls.length > 1) throw thrown;
      return NEVER;
    });
    const config = { retry, hedge: after4, onPartial };
    const seen = flushed(cut(original, 'a').pipe(resilient<string>(config, { scheduler: time })), time);
    expect(seen.error).toBe(thrown);
    expect(thrown.cause).toBe(original);
  });

  it.each(['cost', 'when'])('asks nobody for a stream when its consumer left inside %s', (where) => {
    const time = new VirtualTime();
    const asked = vi.fn(() => EMPTY);
    let hedging = false;
    const leave = (name: string): boolean => {
      if (hedging && name === where) subscription.unsubscribe();
      return true;
    };
    const targets = [{ name: 'x', source: asked, when: () => leave('when') }];
    const executor = new ResilientExecutor(
      {
        ...{ cost: () => (leave('cost'), { requests: 1 }), rateLimiter: { requestsPerSecond: 99 }, retry },
        hedge: { ...after4, ...(where === 'when' && { targets }) },
        onPartial: () => (hedging ? asked() : NEVER),
      },
      { scheduler: time },
    );
    const subscription = cut(busy(), 'a').pipe(executor.protect<string>()).subscribe();
    time.advance(6);
    hedging = true;
    time.advance(20);
    expect([asked.mock.calls.length, subscription.closed]).toEqual([0, true]);
  });
});

describe('usage', () => {
  it('ignores a report that is not finite, as every number from the wire', () => {
    const { executor, of: told, time } = story({});
    seenBy(of(text('a'), usage(1, 2), usage(1, Infinity), finish).pipe(executor.protect<ChatEvent>()));
    time.advance(100);
    expect(told('attempt.end')[0]!.usage).toEqual({ inputTokens: 1, outputTokens: 2, estimated: false });
    expect(executor.snapshot().usage).toEqual({ inputTokens: 1, outputTokens: 2, estimatedTokens: 0 });
    expect(executor.snapshot().streams.tokens).toBe(2);
  });

  it('is estimated from the text of values of any type', () => {
    const { executor, of: told, time } = story({});
    const textOf = ({ delta }: { delta: string }): string => delta;
    seenBy(cut(busy(), { delta: '12345678' }).pipe(executor.protect<{ delta: string }>({ textOf })));
    time.advance(100);
    expect(told('attempt.end')[0]!.usage).toEqual({ inputTokens: 0, outputTokens: 2, estimated: true });
  });
});
