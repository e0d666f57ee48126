/** Shows how an Observable becomes a response of server-sent events, in any runtime that has `Response`. */
import { endWith, interval, map, merge, takeWhile, type Observable } from 'rxjs';
import { toReadableStream } from 'rx-weir';

/** One server-sent event. Its data comes last: of an event that is cut, nothing is taken for whole. */
export function frame(data: unknown, { id, event }: { id?: number; event?: string } = {}): string {
  const head = (id === undefined ? '' : `id: ${id}\n`) + (event === undefined ? '' : `event: ${event}\n`);
  return `${head}data: ${JSON.stringify(data)}\n\n`; // JSON has no line breaks
}

export interface EventStreamOptions {
  /** How often a comment is sent, in ms. */
  keepAliveMs: number;
  /** Events that may wait for a slow reader; beyond that the connection breaks. */
  maxWaiting: number;
  headers?: Readonly<Record<string, string>>;
}

/** Subscribes now, and leaves when the reader does. */
export function eventStream(
  frames: Observable<string>,
  { keepAliveMs, maxWaiting, headers }: EventStreamOptions,
): Response {
  const keepAlive = interval(keepAliveMs).pipe(map(() => ': keep-alive\n\n'));
  const encoder = new TextEncoder();
  const bytes = merge(frames.pipe(endWith(undefined)), keepAlive).pipe(
    takeWhile((text) => text !== undefined),
    map((text) => encoder.encode(text)),
  );
  return new Response(toReadableStream(bytes, { maxBuffer: maxWaiting }), {
    headers: {
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no', // nginx would collect events
      ...headers,
    },
  });
}
