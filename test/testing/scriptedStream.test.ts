import { config, repeat, retry, take, type Subscription } from 'rxjs';
import { describe, expect, it } from 'vitest';
import type { ChatEvent } from '../../src/events/ChatEvent';
import { scriptedStream } from '../../src/testing/scriptedStream';
import { marbles } from '../support/marbles';

const boom = new Error('boom');

/** What one subscription sees synchronously. */
function seen(source: ReturnType<typeof scriptedStream<unknown>>): unknown[] {
  const out: unknown[] = [];
  source.subscribe({
    next: (value) => out.push(value),
    error: (error: unknown) => out.push(error),
    complete: () => out.push('|'),
  });
  return out;
}

describe('scriptedStream', () => {
  it('plays a string word by word, synchronously; together they are the string', () => {
    expect(seen(scriptedStream('Hello big  world '))).toEqual(['Hello', ' big', '  world', ' ', '|']);
    expect(seen(scriptedStream(''))).toEqual(['|']);
  });

  it('plays given chunks, values of any type, an error, a completion', () => {
    expect(seen(scriptedStream(['Hel', 'lo']))).toEqual(['Hel', 'lo', '|']);
    expect(seen(scriptedStream(['a', { error: boom }, 'never']))).toEqual(['a', boom]);
    expect(seen(scriptedStream([{ value: 1 }, { complete: true }, { value: 2 }]))).toEqual([1, '|']);
    const event: ChatEvent = { type: 'text', text: 'Hi' };
    expect(seen(scriptedStream<ChatEvent>([{ value: event }]))).toEqual([event, '|']);
    expect(seen(scriptedStream([{ value: undefined }]))).toEqual([undefined, '|']);
    expect(seen(scriptedStream<string>([{ error: undefined }]))).toEqual([undefined]);
  });

  it('after is from the step before, at from the subscription; what is due at once is in the same frame', () => {
    marbles(({ expectObservable }) => {
      expectObservable(
        scriptedStream([
          'a',
          { value: 'b', after: 2 },
          'c',
          { value: 'd', at: 8 },
          { value: 'e', at: 3 },
          { error: 'error', at: 12 },
        ]),
      ).toBe('a-(bc)--(de)#');
    });
  });

  it('paceMs comes before each value that has no time of its own, and before no end', () => {
    marbles(({ expectObservable }) => {
      expectObservable(scriptedStream(['a', { value: 'b', after: 1 }, 'c'], { paceMs: 3 })).toBe('---ab--(c|)');
    });
  });

  it('a stall neither ends nor leaves a timer', () => {
    const { frame } = marbles(({ expectObservable }) => {
      expectObservable(scriptedStream(['a', { stall: true }, 'never'])).toBe('a');
    });
    expect(frame).toBe(0);
  });

  it('is cold: each subscription plays from the start, and unsubscribing stops it and its timer at once', () => {
    const source = scriptedStream([
      { value: 'a', after: 2 },
      { value: 'b', after: 60_000 },
    ]);
    const { frame } = marbles(({ expectObservable }) => {
      expectObservable(source, '---!').toBe('--a');
      expectObservable(source, '-^---!').toBe('---a');
    });
    expect(frame).toBe(5);
    expect(source.subscriptions).toEqual([
      { openedAt: 0, closedAt: 3, emitted: 1, end: 'unsubscribed' },
      { openedAt: 1, closedAt: 5, emitted: 1, end: 'unsubscribed' },
    ]);
    expect([source.maxConcurrent, source.active]).toEqual([2, 0]);
  });

  it('honours the scheduler given', () => {
    marbles(({ expectObservable, scheduler }) => {
      expectObservable(scriptedStream('a b', { paceMs: 2, scheduler })).toBe('--a-(b|)', { a: 'a', b: ' b' });
    });
  });

  it('stops a synchronous script that is left while it plays', () => {
    const source = scriptedStream('a b c');
    const out: string[] = [];
    source.pipe(take(2)).subscribe((value) => out.push(value));
    expect(out).toEqual(['a', ' b']);
    expect(source.subscriptions).toMatchObject([{ emitted: 2, end: 'unsubscribed' }]);
  });

  it('stops also where a value unsubscribes by itself, between timers', () => {
    marbles(({ scheduler }) => {
      const source = scriptedStream('a b c', { paceMs: 1, scheduler });
      const subscription: Subscription = source.subscribe((value) => value === ' b' && subscription.unsubscribe());
      scheduler.flush();
      expect(source.subscriptions).toEqual([{ openedAt: 0, closedAt: 2, emitted: 2, end: 'unsubscribed' }]);
    });
  });

  it('plays a long synchronous script without growing the stack', () => {
    const script = Array.from({ length: 100_000 }, (_, value) => ({ value }));
    expect(seen(scriptedStream(script))).toHaveLength(100_001);
  });

  it('a consumer that throws does not stop the script', () => {
    const reported: unknown[] = [];
    const { onUnhandledError } = config;
    config.onUnhandledError = (error) => reported.push(error);
    marbles(({ scheduler }) => {
      const source = scriptedStream('a b', { paceMs: 1, scheduler });
      source.subscribe(() => {
        throw boom;
      });
      scheduler.flush();
      expect(source.subscriptions).toMatchObject([{ emitted: 2, end: 'complete' }]);
    });
    config.onUnhandledError = onUnhandledError;
  });

  it('refuses times that are none', () => {
    expect(() => scriptedStream([{ value: 1, after: -1 }])).toThrow(/script\[0\]\.after .* -1/);
    expect(() => scriptedStream(['a', { error: 1, at: NaN }])).toThrow(/script\[1\]\.at .* NaN/);
    expect(() => scriptedStream('a', { paceMs: Infinity })).toThrow(/paceMs .* Infinity/);
  });
});

describe('scriptedStream.attempts', () => {
  it('each subscription plays the next script, the last one repeats', () => {
    const source = scriptedStream.attempts(['a', { error: boom }], 'b', ['c']);
    expect([seen(source), seen(source), seen(source), seen(source)]).toEqual([
      ['a', boom],
      ['b', '|'],
      ['c', '|'],
      ['c', '|'],
    ]);
    expect(source.subscriptions.map(({ end }) => end)).toEqual(['error', 'complete', 'complete', 'complete']);
  });

  it('takes options last', () => {
    marbles(({ expectObservable, scheduler }) => {
      const source = scriptedStream.attempts(['a', { error: boom }], ['a', 'b'], { scheduler, paceMs: 2 });
      expectObservable(source.pipe(retry(1))).toBe('--a-a-(b|)');
      scheduler.flush();
      expect(source.subscriptions).toEqual([
        { openedAt: 0, closedAt: 2, emitted: 1, end: 'error' },
        { openedAt: 2, closedAt: 6, emitted: 2, end: 'complete' },
      ]);
    });
  });

  it('what has ended is closed before anybody hears of it', () => {
    const source = scriptedStream('a');
    let active: number | undefined;
    source.subscribe({ complete: () => (active = source.active) });
    expect(active).toBe(0);
    source.pipe(repeat(3)).subscribe();
    expect([source.subscriptions.length, source.maxConcurrent]).toEqual([4, 1]);
  });

  it('needs a script', () => {
    expect(() => scriptedStream.attempts()).toThrow(TypeError);
    expect(() => scriptedStream.attempts({ paceMs: 1 })).toThrow(/at least one script/);
  });
});
