import fc from 'fast-check';
import { concat, NEVER, of, range, Subject, throwError } from 'rxjs';
import { describe, expect, expectTypeOf, it, vi } from 'vitest';
import { toReadableStream } from 'rx-weir';
import { bytesOf } from '../support/streams';
import { Upstream } from '../support/upstream';

/** All chunks, and the error behind them. */
async function read<T>(stream: ReadableStream<T>): Promise<{ values: T[]; error?: unknown }> {
  const reader = stream.getReader();
  const values: T[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { values };
      values.push(value);
    }
  } catch (error) {
    return { values, error };
  }
}

const cut = concat(
  of('a', 'b'),
  throwError(() => 'cut'),
);

describe('toReadableStream', () => {
  it('gives all values in order, then closes', async () => {
    const stream = toReadableStream(of(1, 2, 3));
    expectTypeOf(stream).toEqualTypeOf<ReadableStream<number>>();
    expect(await read(stream)).toEqual({ values: [1, 2, 3] });
    expect(await read(toReadableStream(of()))).toEqual({ values: [] });
  });

  it('gives the values before an error, then the error as it is', async () => {
    expect(await read(toReadableStream(cut))).toEqual({ values: ['a', 'b'], error: 'cut' });
    const source = new Subject<string>();
    const reader = toReadableStream(source).getReader();
    const pending = reader.read();
    const closed = reader.closed.catch((error: unknown) => error);
    const error = new Error('cut');
    source.error(error);
    await expect(pending).rejects.toBe(error);
    expect(await closed).toBe(error);
  });

  it('subscribes at once, and keeps what comes before the first read', async () => {
    const upstream = new Upstream();
    const reader = toReadableStream(upstream.stream).getReader();
    expect(upstream.open).toBe(1);
    upstream.last.next('a');
    upstream.last.next('b');
    expect(await reader.read()).toEqual({ done: false, value: 'a' });
    expect(await reader.read()).toEqual({ done: false, value: 'b' });
  });

  it('cancelling unsubscribes at once, before, between and during reads', async () => {
    for (const when of ['before', 'between', 'pending', 'ready']) {
      const upstream = new Upstream();
      const reader = toReadableStream(upstream.stream).getReader();
      if (when === 'between') {
        const first = reader.read();
        upstream.last.next('a');
        await first;
      }
      const pending = when === 'pending' || when === 'ready' ? reader.read() : undefined;
      // What is on its way when the reader leaves finds the stream closed.
      if (when === 'ready') upstream.last.next('a');
      const cancelled = reader.cancel('gone');
      expect(upstream.open).toBe(0);
      await cancelled;
      expect((await pending)?.done ?? true).toBe(true);
      expect(await reader.read()).toEqual({ done: true, value: undefined });
    }
  });

  it('puts nothing into a stream that was cancelled, which not every platform forgives', async () => {
    const sources: UnderlyingDefaultSource<number>[] = [];
    vi.stubGlobal('ReadableStream', function (source: UnderlyingDefaultSource<number>) {
      sources.push(source);
    });
    try {
      for (const values of [NEVER, of(1)]) toReadableStream(values);
    } finally {
      vi.unstubAllGlobals();
    }
    for (const source of sources) {
      const pulled = source.pull?.(undefined as never);
      await source.cancel?.();
      await pulled;
    }
    expect(sources).toHaveLength(2);
  });

  it('takes nothing that is not asked for', async () => {
    const source = new Subject<number>();
    const stream = toReadableStream(source, { maxBuffer: 2 });
    await Promise.resolve();
    source.next(1);
    source.next(2);
    await Promise.resolve();
    // Both still wait in the buffer: a third one is one too many.
    source.next(3);
    const { values, error } = await read(stream);
    expect(values).toEqual([1, 2]);
    expect(error).toBeInstanceOf(RangeError);
  });

  it('joins strings that nobody reads, and refuses a bad maxBuffer at the call', async () => {
    const whole = Array.from({ length: 5000 }, (_, i) => `${i} `);
    const { values } = await read(toReadableStream(of(...whole)));
    expect(values).toHaveLength(1024);
    expect(values.join('')).toBe(whole.join(''));
    expect(() => toReadableStream(NEVER, { maxBuffer: 0 })).toThrow(RangeError);
  });

  it('is the body of a Response: bytes as they are, text through a TextEncoderStream', async () => {
    expect(await new Response(toReadableStream(of(bytesOf('Grüß '), bytesOf('dich')))).text()).toBe('Grüß dich');
    const body = toReadableStream(of('Grüß ', 'dich 🌊')).pipeThrough(new TextEncoderStream());
    expect(await new Response(body).text()).toBe('Grüß dich 🌊');
    const failing = new Response(toReadableStream(cut).pipeThrough(new TextEncoderStream()));
    await expect(failing.text()).rejects.toBeDefined(); // Chromium hides the reason
  });

  it('a Response whose body is cancelled leaves the source', async () => {
    const upstream = new Upstream();
    const response = new Response(toReadableStream(upstream.stream).pipeThrough(new TextEncoderStream()));
    const reader = response.body!.getReader();
    const first = reader.read();
    upstream.last.next('data: 1\n\n');
    expect(new TextDecoder().decode((await first).value)).toBe('data: 1\n\n');
    void reader.read().catch(() => undefined);
    await reader.cancel();
    // Through a pipe it takes the platform a few turns.
    await vi.waitFor(() => expect(upstream.open).toBe(0));
  });

  it('goes through pipeThrough and pipeTo, errors and aborts included', async () => {
    const upper = new TransformStream<string, string>({ transform: (chunk, to) => to.enqueue(chunk.toUpperCase()) });
    expect(await read(toReadableStream(of('a', 'b')).pipeThrough(upper))).toEqual({ values: ['A', 'B'] });
    const written: string[] = [];
    const sink = () => new WritableStream<string>({ write: (chunk) => void written.push(chunk) });
    await toReadableStream(of('a', 'b')).pipeTo(sink());
    await expect(toReadableStream(cut).pipeTo(sink())).rejects.toBe('cut');
    expect(written.join('')).toBe('abab');

    const upstream = new Upstream();
    const abort = new AbortController();
    const piped = toReadableStream(upstream.stream).pipeTo(sink(), { signal: abort.signal });
    abort.abort('enough');
    await expect(piped).rejects.toBe('enough');
    expect(upstream.open).toBe(0);

    const broken = new WritableStream({ write: () => Promise.reject(new Error('full')) });
    const other = new Upstream();
    const failing = toReadableStream(other.stream).pipeTo(broken);
    other.last.next('a');
    await expect(failing).rejects.toThrow('full');
    expect(other.open).toBe(0);
  });

  it('goes through for await, which leaves the source on a break', async () => {
    const seen: number[] = [];
    for await (const value of toReadableStream(range(0, 3))) seen.push(value);
    expect(seen).toEqual([0, 1, 2]);
    const upstream = new Upstream<number>();
    const reading = (async () => {
      for await (const value of toReadableStream(upstream.stream)) return value;
      return undefined;
    })();
    upstream.last.next(7);
    expect(await reading).toBe(7);
    expect(upstream.open).toBe(0);
  });

  it('goes through tee: two readers, one subscription, left when both have left', async () => {
    const upstream = new Upstream();
    const [a, b] = toReadableStream(upstream.stream).tee();
    const both = [a.getReader(), b.getReader()] as const;
    const reads = both.map((reader) => reader.read());
    upstream.last.next('a');
    expect((await Promise.all(reads)).map(({ value }) => value)).toEqual(['a', 'a']);
    expect(upstream).toMatchObject({ open: 1, opened: 1 });
    const first = both[0].cancel();
    expect(upstream.open).toBe(1);
    await Promise.all([first, both[1].cancel()]);
    expect(upstream.open).toBe(0);
  });

  it('gives the same text for any schedule of values and reads', async () => {
    const step = fc.oneof(fc.string({ minLength: 1, maxLength: 3 }), fc.constant(0 as const));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.integer({ min: 1, max: 3 }), async (steps, maxBuffer) => {
        const source = new Subject<string>();
        const reader = toReadableStream(source, { maxBuffer }).getReader();
        const reads: Promise<ReadableStreamReadResult<string>>[] = [];
        for (const one of steps) {
          if (one === 0) reads.push(reader.read());
          else source.next(one);
          await Promise.resolve();
        }
        source.complete();
        const first = await Promise.all(reads);
        let said = first.map(({ value }) => value ?? '').join('');
        if (!first.some(({ done }) => done)) said += (await read({ getReader: () => reader } as never)).values.join('');
        expect(said).toBe(steps.filter((one) => one !== 0).join(''));
      }),
    );
  });
});
