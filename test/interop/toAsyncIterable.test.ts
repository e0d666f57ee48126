import fc from 'fast-check';
import { concat, NEVER, Observable, of, range, Subject, throwError } from 'rxjs';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { toAsyncIterable, type ChatEvent } from 'rx-weir';
import { finish, reasoning, start, text, toolCall } from '../support/answers';
import { Upstream } from '../support/upstream';

type Iterator<T> = AsyncIterator<T, undefined>;

const iteratorOf = <T>(source: Observable<T>, maxBuffer?: number): Iterator<T> =>
  toAsyncIterable(source, maxBuffer === undefined ? {} : { maxBuffer })[Symbol.asyncIterator]() as Iterator<T>;

const done = { done: true, value: undefined };
const is = <T>(value: T) => ({ done: false, value });

/** All that comes, and the error behind it. */
async function rest<T>(iterator: Iterator<T>): Promise<{ values: T[]; error?: unknown }> {
  const values: T[] = [];
  try {
    for (;;) {
      const result = await iterator.next();
      if (result.done) return { values };
      values.push(result.value);
    }
  } catch (error) {
    return { values, error };
  }
}

/** What a promise is when everything that is ready has happened. */
async function stateOf(promise: Promise<unknown>): Promise<unknown> {
  const pending = {};
  let state: unknown = pending;
  promise.then(
    (value) => (state = value),
    (error: unknown) => (state = { error }),
  );
  for (let i = 0; i < 10; i++) await Promise.resolve();
  return state === pending ? 'pending' : state;
}

describe('toAsyncIterable: reading', () => {
  it('gives all values in order, then is done for ever', async () => {
    const iterator = iteratorOf(of(1, 2, 3));
    for (const value of [1, 2, 3]) expect(await iterator.next()).toEqual(is(value));
    for (let i = 0; i < 3; i++) expect(await iterator.next()).toEqual(done);
  });

  it('works in for await, with values of any kind', async () => {
    const values = [undefined, null, 0, '', NaN, { then: 1 }];
    const seen: unknown[] = [];
    for await (const value of toAsyncIterable(of(...values))) seen.push(value);
    expect(seen).toEqual(values);
  });

  it('subscribes with each iteration, not before, and once for each', () => {
    const upstream = new Upstream();
    const iterable = toAsyncIterable(upstream.stream);
    expect(upstream.opened).toBe(0);
    iterable[Symbol.asyncIterator]();
    iterable[Symbol.asyncIterator]();
    expect(upstream.open).toBe(2);
  });

  it('keeps what comes before the first next()', async () => {
    const source = new Subject<number>();
    const iterator = iteratorOf(source);
    source.next(1);
    source.next(2);
    expect(await iterator.next()).toEqual(is(1));
    expect(await iterator.next()).toEqual(is(2));
  });

  it('answers concurrent next() calls in their order, also those beyond the end', async () => {
    const source = new Subject<number>();
    const iterator = iteratorOf(source);
    const reads = Array.from({ length: 4 }, () => iterator.next());
    source.next(1);
    expect(await stateOf(reads[1]!)).toBe('pending');
    source.next(2);
    source.complete();
    expect(await Promise.all(reads)).toEqual([is(1), is(2), done, done]);
  });

  it('is an iterator as the built-in ones are: iterable itself', async () => {
    const iterator = iteratorOf(of(1, 2, 3));
    await iterator.next();
    const seen: number[] = [];
    for await (const value of iterator as AsyncIterableIterator<number>) seen.push(value);
    expect(seen).toEqual([2, 3]);
  });

  it('is typed by its source', () => {
    expectTypeOf(toAsyncIterable(of(1))).toEqualTypeOf<AsyncIterable<number>>();
    expectTypeOf(toAsyncIterable(NEVER as Observable<ChatEvent>)).toEqualTypeOf<AsyncIterable<ChatEvent>>();
  });

  it.each([
    [NaN, RangeError],
    [0, RangeError],
    ['8', TypeError],
  ])('refuses maxBuffer: %s, at the call', (maxBuffer, Kind) => {
    const make = () => toAsyncIterable(NEVER, { maxBuffer: maxBuffer as number });
    expect(make).toThrow(Kind);
    expect(make).toThrow(/maxBuffer.*got/);
  });
});

describe('toAsyncIterable: errors', () => {
  it('gives the values before it, then the error as it is, once, then is done', async () => {
    for (const error of [new Error('cut'), undefined, 'text']) {
      const iterator = iteratorOf(
        concat(
          of(1, 2),
          throwError(() => error),
        ),
      );
      expect(await iterator.next()).toEqual(is(1));
      expect(await iterator.next()).toEqual(is(2));
      await expect(iterator.next()).rejects.toBe(error);
      expect(await iterator.next()).toEqual(done);
      expect(await iterator.next()).toEqual(done);
    }
  });

  it('rejects the first of several pending reads', async () => {
    const source = new Subject<number>();
    const iterator = iteratorOf(source);
    const reads = [iterator.next(), iterator.next()];
    source.error('cut');
    await expect(reads[0]).rejects.toBe('cut');
    expect(await reads[1]).toEqual(done);
  });

  it('bothers nobody with an error that nobody reads', async () => {
    iteratorOf(throwError(() => 'unread'));
    const left = iteratorOf(throwError(() => 'unread'));
    expect(await left.return?.()).toEqual(done);
    expect(await left.next()).toEqual(done);
  });
});

describe('toAsyncIterable: leaving', () => {
  it.each([
    ['break', undefined],
    ['return', undefined],
    ['throw', 'mistake'],
  ])('unsubscribes in the same turn on a %s in for await', async (how, thrown) => {
    const upstream = new Upstream<number>();
    const after: number[] = [];
    const read = async (): Promise<void> => {
      for await (const _ of toAsyncIterable(upstream.stream)) {
        void Promise.resolve().then(() => after.push(upstream.open));
        if (how === 'break') break;
        if (how === 'return') return;
        throw thrown;
      }
    };
    const reading = read().catch((error: unknown) => error);
    upstream.last.next(1);
    expect(await reading).toBe(thrown);
    expect(after).toEqual([0]);
    expect(upstream).toMatchObject({ open: 0, opened: 1 });
  });

  it('return() unsubscribes at once while values are awaited, which are then done', async () => {
    const upstream = new Upstream<number>();
    const iterator = iteratorOf(upstream.stream);
    const reads = [iterator.next(), iterator.next()];
    const returned = iterator.return?.();
    expect(upstream.open).toBe(0);
    expect(await Promise.all(reads)).toEqual([done, done]);
    expect(await returned).toEqual(done);
  });

  it('return() forgets what waits, and an error that was not read', async () => {
    for (const source of [
      of(1, 2),
      concat(
        of(1),
        throwError(() => 'cut'),
      ),
    ]) {
      const iterator = iteratorOf(source);
      expect(await iterator.return?.()).toEqual(done);
      expect(await iterator.next()).toEqual(done);
    }
  });

  it('return() and throw() do as the protocol says, before and after the end', async () => {
    for (const source of [of(1), NEVER]) {
      const iterator = iteratorOf(source) as AsyncIterator<number, unknown>;
      for (let i = 0; i < 2; i++) {
        expect(await iterator.return?.('given')).toEqual({ done: true, value: 'given' });
        expect(await iterator.return?.(Promise.resolve('given'))).toEqual({ done: true, value: 'given' });
        await expect(iterator.throw?.('mistake')).rejects.toBe('mistake');
        expect(await iterator.next()).toEqual(done);
      }
    }
  });

  it('throw() unsubscribes at once', async () => {
    const upstream = new Upstream();
    const iterator = iteratorOf(upstream.stream);
    const read = iterator.next();
    const thrown = iterator.throw?.('mistake');
    expect(upstream.open).toBe(0);
    await expect(thrown).rejects.toBe('mistake');
    expect(await read).toEqual(done);
  });

  it('hears nothing of a source that goes on while it is left', async () => {
    const iterator = iteratorOf(
      new Observable<number>((subscriber) => () => {
        subscriber.next(1);
        subscriber.error('late');
      }),
    );
    await iterator.return?.();
    expect(await iterator.next()).toEqual(done);
  });

  it('unsubscribes once', async () => {
    const upstream = new Upstream();
    const iterator = iteratorOf(upstream.stream);
    upstream.last.complete();
    await iterator.return?.();
    await iterator.return?.();
    expect(upstream).toMatchObject({ open: 0, closed: 1 });
  });
});

describe('toAsyncIterable: more than maxBuffer', () => {
  it('joins text to the text that waits last: strings, text and reasoning, each to its kind', async () => {
    const iterator = iteratorOf(of('a', 'b', 'c', 'd'), 2);
    expect(await rest(iterator)).toEqual({ values: ['a', 'bcd'] });
    expect(await rest(iteratorOf(of(start, text('b'), text('c'), text('d'), text('e')), 2))).toEqual({
      values: [start, text('bcde')],
    });
    expect(await rest(iteratorOf(of(reasoning('a'), reasoning('b'), reasoning('c')), 1))).toEqual({
      values: [reasoning('abc')],
    });
  });

  it('leaves the values of the source as they are, and joins none that differ in more than their text', async () => {
    const event = Object.freeze({ type: 'text', text: 'a', index: 0 } as const);
    const joined = { type: 'text', text: 'ab', index: 0 };
    expect(await rest(iteratorOf(of(event, { ...event, text: 'b' }), 1))).toEqual({ values: [joined] });
    expect(event.text).toBe('a');
    const plain = text('b');
    for (const [one, other] of [
      [event, { ...event, index: 1 }],
      [event, plain],
      [plain, event],
      [event, { ...plain, id: 0 }],
      [
        { ...plain, index: undefined },
        { ...plain, id: 0 },
      ],
      [plain, { type: 'text', text: 5 }],
      [{ type: 'text', text: 5 }, plain],
    ]) {
      const { values, error } = await rest(iteratorOf(of<unknown[]>(one, other), 1));
      expect(values).toEqual([one]);
      expect(error).toBeInstanceOf(RangeError);
    }
  });

  it.each<[string, unknown, unknown]>([
    ['text and reasoning', text('a'), reasoning('b')],
    ['reasoning and text', reasoning('a'), text('b')],
    ['a string and text', 'a', text('b')],
    ['text and a string', text('a'), 'b'],
    ['tool calls', toolCall, toolCall],
    ['an event and text', start, text('a')],
    ['numbers', 1, 2],
    ['null and undefined', null, undefined],
    ['bytes', new Uint8Array([1]), new Uint8Array([2])],
    ['text that is none', { type: 'text' }, { type: 'text' }],
    ['other things with a text', { type: 'note', text: 'a' }, { type: 'note', text: 'b' }],
  ])('does not join %s: a RangeError after what waits, and the source is left', async (_, a, b) => {
    const upstream = new Upstream<unknown>();
    const iterator = iteratorOf(upstream.stream, 1);
    upstream.last.next(a);
    upstream.last.next(b);
    expect(upstream.open).toBe(0);
    expect(await iterator.next()).toEqual(is(a));
    await expect(iterator.next()).rejects.toThrow(RangeError);
    expect(await iterator.next()).toEqual(done);
  });

  it('names the option and its value in the error', async () => {
    const { error } = await rest(iteratorOf(of(1, 2, 3), 2));
    expect(String(error)).toMatch(/maxBuffer 2/);
  });

  it('counts only what waits: a reader that keeps up has no limit', async () => {
    const source = new Subject<number>();
    const iterator = iteratorOf(source, 1);
    for (let n = 0; n < 50; n++) {
      const read = iterator.next();
      source.next(n);
      expect(await read).toEqual(is(n));
    }
    source.next(50);
    expect(await iterator.next()).toEqual(is(50));
    source.next(51);
    expect(await iterator.next()).toEqual(is(51));
  });

  it('holds 1024 by default', async () => {
    expect((await rest(iteratorOf(range(0, 1024)))).error).toBeUndefined();
    const { values, error } = await rest(iteratorOf(range(0, 1025)));
    expect(values).toHaveLength(1024);
    expect(error).toBeInstanceOf(RangeError);
    expect((await rest(iteratorOf(range(0, 5000), Infinity))).values).toHaveLength(5000);
  });

  it('stops a source that would go on for ever at once', async () => {
    let asked = 0;
    const endless = new Observable<number>((subscriber) => {
      while (!subscriber.closed && asked < 1e6) subscriber.next(asked++);
    });
    const { values } = await rest(iteratorOf(endless, 3));
    expect(values).toEqual([0, 1, 2]);
    expect(asked).toBe(4);
  });

  it('loses nothing and mixes nothing, however reads and values follow each other', async () => {
    const value = fc.oneof(
      fc.string({ maxLength: 3 }),
      fc.string({ maxLength: 3 }).map(text),
      fc.string({ maxLength: 3 }).map(reasoning),
      { weight: 1, arbitrary: fc.constantFrom<ChatEvent>(start, finish, toolCall) },
    );
    const step = fc.oneof(
      { weight: 3, arbitrary: value.map((one) => ({ value: one })) },
      { weight: 2, arbitrary: fc.constant('read' as const) },
    );
    const end = fc.constantFrom('complete', 'error', 'return');
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 40 }),
        fc.integer({ min: 1, max: 4 }),
        end,
        async (steps, max, how) => {
          const source = new Subject<ChatEvent | string>();
          const iterator = iteratorOf(source, max);
          const sent: (ChatEvent | string)[] = [];
          const reads: Promise<IteratorResult<ChatEvent | string, undefined>>[] = [];
          for (const one of steps) {
            if (one === 'read')
              reads.push(iterator.next().catch((error: unknown) => ({ done: true, value: error }) as never));
            else {
              if (source.observed) sent.push(one.value);
              source.next(one.value);
            }
          }
          const overflowed = !source.observed;
          if (how === 'return') await iterator.return?.();
          else if (how === 'complete') source.complete();
          else source.error('cut');
          const results = await Promise.all(reads);
          const read = results.flatMap((result) => (result.done ? [] : [result.value]));
          const { values, error } = await rest(iterator);
          const errors = [...results.map((result) => (result.done ? result.value : undefined)), error].filter(
            (one) => one !== undefined,
          );
          const content = flat([...read, ...values]);
          // The value that was one too many is not among what is read.
          const whole = flat(overflowed ? sent.slice(0, -1) : sent);
          if (how === 'return') {
            expect(errors).toEqual(overflowed && errors.length > 0 ? [expect.any(RangeError)] : []);
            expect(whole.slice(0, content.length).join('')).toBe(content.join(''));
          } else {
            expect(content).toEqual(whole);
            if (overflowed) expect(errors).toEqual([expect.any(RangeError)]);
            else expect(errors).toEqual(how === 'error' ? ['cut'] : []);
          }
          // Done comes behind everything else.
          const firstDone = results.findIndex((result) => result.done);
          if (firstDone >= 0) expect(results.slice(firstDone).every((result) => result.done)).toBe(true);
        },
      ),
    );
  });
});

/** Each character with its kind, each other value as it is: what must be the same whatever was joined. */
const flat = (values: readonly (ChatEvent | string)[]): string[] =>
  values.flatMap((value) => {
    if (typeof value === 'string') return value.split('').map((unit) => `string ${unit}`);
    if (value.type !== 'text' && value.type !== 'reasoning') return [JSON.stringify(value)];
    return value.text.split('').map((unit) => `${value.type} ${unit}`);
  });
