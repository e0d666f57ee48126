import fc from 'fast-check';
import { config, firstValueFrom, Subscription, take, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { MalformedStreamError } from '../../src/errors/streamErrors';
import { ProviderError, WeirError } from '../../src/errors/WeirError';
import { fromEventStream } from '../../src/sources/fromEventStream';
import { bodyOf, bytesOf, collect, cutAt } from '../support/streams';
import { turn } from '../support/turn';

const dataOf = async (chunks: readonly (string | Uint8Array)[], maxEventBytes?: number) => {
  const { values, ...end } = await collect(fromEventStream(bodyOf(chunks).body, { maxEventBytes }));
  return { data: values.map(({ data }) => data), ...end };
};

describe('fromEventStream', () => {
  it('gives the events of a body: data, event and id', async () => {
    const { body } = bodyOf([': hello\n\nevent: a\nid: 7\ndata: one\n\n', 'data: two\ndata: lines\n\n']);
    expect((await collect(fromEventStream(body))).values).toEqual([
      { event: 'a', id: '7', data: 'one' },
      { event: undefined, id: undefined, data: 'two\nlines' },
    ]);
  });

  it('reads a Response', async () => {
    const response = new Response('data: one\n\n', { headers: { 'content-type': 'text/event-stream' } });
    expect((await collect(fromEventStream(response))).values).toMatchObject([{ data: 'one' }]);
  });

  it('completes without events for a response without a body', async () => {
    expect(await collect(fromEventStream(new Response(null, { status: 204 })))).toEqual({
      values: [],
      completed: true,
    });
  });

  it.each(['\n', '\r\n', '\r'])('sees a last event without its blank line (line end %j)', async (eol) => {
    expect(await dataOf([`data: one${eol}${eol}data: two`])).toEqual({ data: ['one', 'two'], completed: true });
    expect(await dataOf([`data: one${eol}${eol}data: two${eol}`])).toEqual({ data: ['one', 'two'], completed: true });
    expect(await dataOf([`data: one${eol}${eol}data: two${eol}${eol}`])).toEqual({
      data: ['one', 'two'],
      completed: true,
    });
  });

  it('gives the same events, however the bytes are cut', async () => {
    const line = fc.string({ unit: 'grapheme', maxLength: 12 }).map((s) => s.replace(/[\r\n]/g, ''));
    const event = fc.record({ data: fc.array(line, { minLength: 1, maxLength: 3 }), keepAlive: fc.boolean() });
    const eols = fc.constantFrom('\n', '\r\n', '\r');
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 5 }), eols, fc.array(fc.nat(300)), async (events, eol, cuts) => {
        const text = events
          .map(
            ({ data, keepAlive }) =>
              `${keepAlive ? `: ping${eol}${eol}` : ''}${data.map((d) => `data: ${d}${eol}`).join('')}${eol}`,
          )
          .join('');
        const bytes = bytesOf(text);
        const expected = { data: events.map(({ data }) => data.join('\n')), completed: true };
        expect(await dataOf(cutAt(bytes, cuts))).toEqual(expected);
        expect(await dataOf(cutAt(bytes, bytes.length < 120 ? [...bytes.keys()] : []))).toEqual(expected);
      }),
    );
  });

  describe('maxEventBytes', () => {
    const isTooLong = (end: { error?: unknown }) => {
      expect(end.error).toBeInstanceOf(MalformedStreamError);
      expect(end.error).toMatchObject({ message: expect.stringContaining('maxEventBytes (100)') as string });
    };

    it('fails at once for an event that grows beyond it, and cancels the reader', async () => {
      const { body, cancelled, reads } = bodyOf(
        ['data: first\n\n', ...Array<string>(50).fill('data: 0123456789\n')],
        'stall',
      );
      const { values, error } = await collect(fromEventStream(body, { maxEventBytes: 100 }));
      expect(values).toMatchObject([{ data: 'first' }]);
      isTooLong({ error });
      expect(cancelled).toHaveLength(1);
      expect(reads()).toBeLessThan(15);
    });

    it('fails for one line without an end', async () => {
      const { body, cancelled } = bodyOf(Array<string>(50).fill('0123456789'), 'stall');
      isTooLong(await collect(fromEventStream(body, { maxEventBytes: 100 })));
      expect(cancelled).toHaveLength(1);
    });

    it('counts bytes, and gives the same verdict however they are cut', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom('x', 'é', '€', '😀'),
          fc.nat(120),
          fc.array(fc.nat(500)),
          async (char, n, cuts) => {
            const bytes = bytesOf(`data: ok\n\ndata: ${char.repeat(n)}\n\ndata: after\n\n`);
            const end = await dataOf(cutAt(bytes, cuts), 100);
            if (bytesOf(char).length * n > 100) {
              expect(end.data).toEqual(['ok']);
              isTooLong(end);
            } else expect(end).toEqual({ data: ['ok', char.repeat(n), 'after'], completed: true });
          },
        ),
      );
    });

    it('is what the data may take, not its line', async () => {
      const bytes = bytesOf(`data: ${'x'.repeat(100)}\r\n\r\n`);
      expect((await dataOf(cutAt(bytes, [...bytes.keys()]), 100)).data).toEqual(['x'.repeat(100)]);
    });

    it('is not used up by keep-alives nor by many events', async () => {
      const chunks = Array.from({ length: 100 }, () => ': keep-alive\n\ndata: 0123456789\n\n');
      expect((await dataOf([chunks.join('')], 100)).data).toHaveLength(100);
      expect((await dataOf(chunks, 100)).data).toHaveLength(100);
    });

    it('may be none', async () => {
      expect((await dataOf([`data: ${'x'.repeat(3 << 20)}\n\n`], Infinity)).completed).toBe(true);
      expect((await dataOf([`data: ${'x'.repeat(3 << 20)}\n\n`])).error).toBeInstanceOf(MalformedStreamError);
    });

    it.each([
      [Number.NaN, RangeError],
      [-1, RangeError],
      ['5', TypeError],
    ])('refuses %j', (value, type) => {
      const make = () => fromEventStream(bodyOf([]).body, { maxEventBytes: value as number });
      expect(make).toThrow(type);
      expect(make).toThrow(/maxEventBytes/);
    });
  });

  describe('what is no event', () => {
    const gemini =
      '[{\n  "error": {\n    "code": 503,\n    "message": "The model is overloaded.",\n    "status": "UNAVAILABLE"\n  }\n}]\n';

    it.each([
      ['in one piece', [`data: {}\r\n\r\n${gemini}`]],
      ['byte by byte', cutAt(bytesOf(`data: {}\r\n\r\n${gemini}`), [...Array(200).keys()])],
      ['without a line end', ['data: {}\n\n{"error":{"code":503,"message":"The model is ', 'overloaded."}}']],
    ])('is the error that its JSON tells of: %s', async (_, chunks) => {
      const { data, error } = await dataOf(chunks);
      expect(data).toEqual(['{}']);
      expect(error).toBeInstanceOf(ProviderError);
      expect(error).toMatchObject({ code: 'E3002', message: expect.stringContaining('overloaded') as string });
    });

    it('is what follows the last event', async () => {
      const { data, error } = await dataOf(['foo: bar\n\ndata: a\n\n{"error":{"code":503,"message":"Down"}}']);
      expect(data).toEqual(['a']);
      expect(error).toBeInstanceOf(ProviderError);
    });

    it('is the error of its JSON also where the connection breaks behind it', async () => {
      const { body } = bodyOf(['data: {}\n\n', gemini], { error: new TypeError('terminated') });
      expect((await collect(fromEventStream(body))).error).toMatchObject({ code: 'E3002' });
    });

    it.each([
      '<html><body>Bad gateway</body></html>',
      '<!doctype html>\n<html>\n</html>\n',
      'upstream unavailable',
      '{"ok":true}',
    ])('is malformed where there are no events: %j', async (page) => {
      const { error } = await dataOf([page]);
      expect(error).toBeInstanceOf(MalformedStreamError);
      expect(error).toMatchObject({ code: 'E3001', message: expect.stringContaining(page.slice(0, 12)) as string });
    });

    it('is malformed where a page of HTML follows the events', async () => {
      const { data, error } = await dataOf(['data: a\n\n', '<html>\n<h1>502</h1>\n']);
      expect(data).toEqual(['a']);
      expect(error).toBeInstanceOf(MalformedStreamError);
    });

    it('is ignored, as the standard says, if it is an unknown field or a cut one', async () => {
      expect(await dataOf(['foo: bar\ndata: a\n\nfoo: bar\n'])).toEqual({ data: ['a'], completed: true });
      for (const cut of ['d', 'da', 'dat', 'event', ':', ': keep-al', 'id', '']) {
        expect(await dataOf([cut])).toEqual({ data: [], completed: true });
      }
    });

    it('is not kept without bound', async () => {
      const junk = Array<string>(400).fill('x'.repeat(10_000) + '\n');
      expect((await dataOf(['data: a\n\n', ...junk])).completed).toBe(true);
    });
  });

  it("turns an error status into the provider's error", async () => {
    const body = JSON.stringify({ error: { message: 'slow down', type: 'requests', code: 'rate_limit_exceeded' } });
    const { error } = await collect(
      fromEventStream(new Response(body, { status: 429, headers: { 'retry-after': '7' } })),
    );
    expect(error).toBeInstanceOf(ProviderError);
    expect(error).toMatchObject({ code: 'E2001', httpStatus: 429, retryAfterMs: 7000 });
  });

  it('classifies a connection that breaks, after what arrived', async () => {
    const { body } = bodyOf(['data: a\n\ndata: b\n', 'data: c'], { error: new TypeError('terminated') });
    const { values, error } = await collect(fromEventStream(body));
    expect(values).toMatchObject([{ data: 'a' }]);
    expect(error).toBeInstanceOf(WeirError);
    expect(error).toMatchObject({ code: 'E3001', retryable: true });
  });

  it.each(['response', 'stream'])('tells a second subscriber that a body can be read once (%s)', async (kind) => {
    const response = new Response('data: a\n\n');
    const events = fromEventStream(kind === 'response' ? response : (response.body as ReadableStream<Uint8Array>));
    expect((await collect(events)).values).toHaveLength(1);
    const { values, error } = await collect(events);
    expect(values).toEqual([]);
    expect(error).toMatchObject({ code: 'E1001', message: expect.stringContaining('read before') as string });
  });

  it('tells so too for a response that was read otherwise', async () => {
    const response = new Response('data: a\n\n');
    const reader = response.body?.getReader();
    await reader?.read();
    reader?.releaseLock();
    expect((await collect(fromEventStream(response))).error).toMatchObject({ code: 'E1001' });
  });

  it('cancels the reader in the instant of unsubscribing, also under a pending read', async () => {
    const { body, cancelled } = bodyOf(['data: a\n\n'], 'stall');
    let subscription = new Subscription();
    await new Promise((resolve) => {
      subscription = fromEventStream(body).subscribe(resolve);
    });
    await turn(); // the next read is pending now
    subscription.unsubscribe();
    expect(cancelled).toHaveLength(1);
  });

  it('cancels before the first chunk, and swallows a cancel that fails', async () => {
    const body = new ReadableStream<Uint8Array>({ cancel: () => Promise.reject(new Error('cannot')) });
    fromEventStream(body).subscribe().unsubscribe();
    await turn(); // an unhandled rejection would fail this test
  });

  it('stops inside a chunk for take(n)', async () => {
    const { body, cancelled } = bodyOf(['data: a\n\ndata: b\n\ndata: c\n\n', 'data: d\n\n']);
    expect(await firstValueFrom(fromEventStream(body).pipe(take(2), toArray()))).toMatchObject([
      { data: 'a' },
      { data: 'b' },
    ]);
    expect(cancelled).toHaveLength(1);
  });

  it('does not take a throw in the consumer for one of the stream', async () => {
    const thrown: unknown[] = [];
    config.onUnhandledError = (error) => thrown.push(error);
    const seen: string[] = [];
    await new Promise<void>((resolve) =>
      fromEventStream(bodyOf(['data: a\n\ndata: b\n\n']).body).subscribe({
        next: ({ data }) => {
          seen.push(data);
          throw new Error('consumer');
        },
        complete: resolve,
      }),
    );
    await turn();
    expect(seen).toEqual(['a', 'b']);
    expect(thrown).toHaveLength(2);
  });
});
