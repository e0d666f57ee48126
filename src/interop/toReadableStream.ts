import type { Observable } from 'rxjs';
import { toAsyncIterable, type AsyncIterableOptions } from './toAsyncIterable';

/**
 * An Observable as a web stream, for a `Response`'s body or whatever else takes one.
 *
 * ```
 * const frames = client.stream({ messages }).pipe(map((event) => `data: ${JSON.stringify(event)}\n\n`));
 * const body = toReadableStream(frames).pipeThrough(new TextEncoderStream()); // a body is made of bytes
 * return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
 * ```
 *
 * It subscribes at once. Cancelling the stream unsubscribes at once, as a server does whose client has left; an error of the
 * source comes after the values before it. What is not read waits as `maxBuffer` says, so give it text and encode behind it: of
 * strings none is lost, however slow the reader, while bytes cannot be joined.
 *
 * @throws TypeError, RangeError for a bad `maxBuffer`
 */
export function toReadableStream<T>(source: Observable<T>, options?: AsyncIterableOptions): ReadableStream<T> {
  const iterator = toAsyncIterable(source, options)[Symbol.asyncIterator]();
  let cancelled = false;
  return new ReadableStream<T>(
    {
      async pull(controller) {
        const { done, value } = (await iterator.next()) as IteratorResult<T, undefined>;
        if (cancelled) return; // a stream that is closed takes nothing
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        cancelled = true;
        await iterator.return?.();
      },
    },
    // Nothing is taken that was not asked for: an error would discard it.
    { highWaterMark: 0 },
  );
}
