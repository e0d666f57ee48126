import { firstValueFrom, Subject, take, takeUntil, toArray } from 'rxjs';
import { describe, expect, it, vi } from 'vitest';
import { fromStream, type OpenedStream } from '../../src/sources/fromStream';
import { collect } from '../support/streams';
import { turn } from '../support/turn';

async function* counting(n: number): AsyncGenerator<number> {
  for (let i = 0; i < n; i++) yield i;
}

/** A stream that gives one value and then nothing, and records how it is closed. */
function stalling(opened: Partial<OpenedStream<number>> = {}) {
  const calls: string[] = [];
  const stream: AsyncIterable<number> = {
    [Symbol.asyncIterator]() {
      let given = false;
      return {
        next: () => {
          if (given) return new Promise(() => undefined);
          given = true;
          return Promise.resolve({ done: false, value: 1 });
        },
        return: () => {
          calls.push('return');
          return Promise.reject(new Error('return fails'));
        },
      };
    },
  };
  return { calls, opened: { stream, abort: () => void calls.push('abort'), ...opened } };
}

describe('fromStream', () => {
  it('gives the values of an async iterable, and completes', async () => {
    expect(await collect(fromStream(async () => ({ stream: counting(3) })))).toEqual({
      values: [0, 1, 2],
      completed: true,
    });
  });

  it('gives the values of a ReadableStream through its reader', async () => {
    const stream = new ReadableStream<number>({
      start(controller) {
        controller.enqueue(1);
        controller.enqueue(2);
        controller.close();
      },
    });
    Object.defineProperty(stream, Symbol.asyncIterator, { value: undefined }); // Safari has none
    expect(await collect(fromStream(() => ({ stream })))).toEqual({ values: [1, 2], completed: true });
  });

  it('is cold: opens once per subscription, each with its own signal', async () => {
    const signals: AbortSignal[] = [];
    const source = fromStream(async (signal) => {
      signals.push(signal);
      return { stream: counting(1) };
    });
    expect(signals).toHaveLength(0);
    await collect(source);
    await collect(source);
    expect(new Set(signals).size).toBe(2);
  });

  it('does not abort what ended in order', async () => {
    let signal: AbortSignal | undefined;
    const abort = vi.fn();
    await collect(
      fromStream(async (s) => {
        signal = s;
        return { stream: counting(2), abort };
      }),
    );
    expect(signal?.aborted).toBe(false);
    expect(abort).not.toHaveBeenCalled();
  });

  it.each(['throws', 'rejects'])('gives the error of an open that %s, as it is', async (how) => {
    const boom = new Error('boom');
    const open = (): Promise<OpenedStream<never>> => {
      if (how === 'throws') throw boom;
      return Promise.reject(boom);
    };
    expect((await collect(fromStream(open))).error).toBe(boom);
  });

  it('gives the error of the stream as it is, after its values', async () => {
    const boom = new Error('boom');
    async function* failing() {
      yield 1;
      throw boom;
    }
    expect(await collect(fromStream(async () => ({ stream: failing() })))).toEqual({
      values: [1],
      error: boom,
      completed: false,
    });
  });

  it('shows headers and request id before the first value, once per request', async () => {
    const log: unknown[] = [];
    const headers = new Headers({ 'x-ratelimit-remaining-requests': '3' });
    const source = fromStream(async () => ({ stream: counting(1), headers, requestId: 'r1' }), {
      onOpen: (meta) => log.push(meta),
    });
    await new Promise<void>((resolve) => source.subscribe({ next: (v) => log.push(v), complete: resolve }));
    expect(log).toEqual([{ headers, requestId: 'r1' }, 0]);
  });

  it("makes a throw in onOpen the stream's error, and closes the stream", async () => {
    const boom = new Error('boom');
    let signal: AbortSignal | undefined;
    const { calls, opened } = stalling();
    const { values, error } = await collect(
      fromStream(
        async (s) => {
          signal = s;
          return opened;
        },
        {
          onOpen: () => {
            throw boom;
          },
        },
      ),
    );
    expect(values).toEqual([]);
    expect(error).toBe(boom);
    expect(signal?.aborted).toBe(true);
    expect(calls).toEqual(['abort', 'return']);
  });

  describe('unsubscribing', () => {
    it('closes everything in the same instant, under a pending read', async () => {
      let signal: AbortSignal | undefined;
      const { calls, opened } = stalling();
      const stop = new Subject<void>();
      const source = fromStream(async (s) => {
        signal = s;
        return opened;
      });
      const first = firstValueFrom(source.pipe(takeUntil(stop)));
      const rest = new Promise<number[]>((resolve) => source.pipe(takeUntil(stop), toArray()).subscribe(resolve));
      await first;
      await turn();
      calls.length = 0;
      stop.next();
      expect(signal?.aborted).toBe(true);
      expect(calls).toEqual(['abort', 'return']);
      expect(await rest).toEqual([1]);
      await turn();
    });

    it('cancels a ReadableStream under a pending read', async () => {
      const cancel = vi.fn();
      const subscription = fromStream(async () => ({ stream: new ReadableStream<number>({ cancel }) })).subscribe();
      await turn();
      subscription.unsubscribe();
      expect(cancel).toHaveBeenCalledTimes(1);
    });

    it('aborts the signal while the stream is being opened; an open that then rejects is no unhandled rejection', async () => {
      const subscription = fromStream(
        (signal) =>
          new Promise<OpenedStream<number>>((_, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason as Error));
          }),
      ).subscribe();
      subscription.unsubscribe();
      await turn();
    });

    it.each(['iterable', 'ReadableStream'])('closes a stream (%s) that is opened after all', async (kind) => {
      const { calls, opened } = stalling();
      const stream = new ReadableStream<number>({ cancel: () => void calls.push('cancel') });
      let resolve: (opened: OpenedStream<number>) => void = () => undefined;
      const onOpen = vi.fn();
      const seen = vi.fn();
      const subscription = fromStream(() => new Promise<OpenedStream<number>>((r) => (resolve = r)), {
        onOpen,
      }).subscribe(seen);
      subscription.unsubscribe();
      resolve(kind === 'iterable' ? opened : { ...opened, stream });
      await turn();
      expect(calls).toEqual(['abort', kind === 'iterable' ? 'return' : 'cancel']);
      expect(onOpen).not.toHaveBeenCalled();
      expect(seen).not.toHaveBeenCalled();
    });

    it('inside next stops at once', async () => {
      let closed = false;
      async function* endless() {
        try {
          for (let i = 0; ; i++) yield i;
        } finally {
          closed = true;
        }
      }
      const source = fromStream(async () => ({ stream: endless() }));
      expect(await firstValueFrom(source.pipe(take(3), toArray()))).toEqual([0, 1, 2]);
      await turn();
      expect(closed).toBe(true);
    });

    it('inside next asks for no further value', async () => {
      let asked = 0;
      const stream: AsyncIterable<number> = {
        [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ done: false, value: ++asked }) }),
      };
      expect(await firstValueFrom(fromStream(async () => ({ stream })).pipe(take(2), toArray()))).toEqual([1, 2]);
      await turn();
      expect(asked).toBe(2);
    });

    it('inside onOpen closes the stream unread', async () => {
      const { calls, opened } = stalling();
      const stop = new Subject<void>();
      const end = await collect(fromStream(async () => opened, { onOpen: () => stop.next() }).pipe(takeUntil(stop)));
      expect(end).toEqual({ values: [], completed: true });
      expect(calls).toEqual(['abort', 'return']);
    });

    it('is silent when abort throws, and when the SDK ends or fails because of it', async () => {
      async function* sdk(signal: AbortSignal, how: string) {
        yield 1;
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        if (how === 'fails') throw signal.reason as Error;
      }
      for (const how of ['ends', 'fails']) {
        const seen: unknown[] = [];
        const note = (what: string) => () => void seen.push(what);
        const subscription = fromStream(async (signal) => ({
          stream: sdk(signal, how),
          abort: () => {
            throw new Error('abort');
          },
        })).subscribe({ next: note('next'), error: note('error'), complete: note('complete') });
        await turn();
        subscription.unsubscribe();
        await turn();
        expect(seen).toEqual(['next']);
      }
    });
  });

  it('gives the abort an AbortError as its reason, which SDKs know', async () => {
    let signal: AbortSignal | undefined;
    fromStream<number>((s) => {
      signal = s;
      return new Promise(() => undefined);
    })
      .subscribe()
      .unsubscribe();
    expect(signal?.reason).toMatchObject({ name: 'AbortError' });
  });
});
