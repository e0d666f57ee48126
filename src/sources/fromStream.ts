import type { Observable } from 'rxjs';
import { requesting, UNSUBSCRIBED } from './plumbing';
import type { HeadersLike } from '../errors/headers';

/** What the headers of a response tell before its first value. */
export interface StreamMeta {
  headers?: HeadersLike | undefined;
  requestId?: string | null | undefined;
}

/** A stream as an SDK gives it. */
export interface OpenedStream<T> extends StreamMeta {
  stream: AsyncIterable<T> | ReadableStream<T>;
  /** Ends the request, where aborting the signal given to `open` does not. */
  abort?: (() => void) | undefined;
}

export interface FromStreamOptions {
  /** Called once per request, when it is open. A throw becomes the stream's error, and closes it. */
  onOpen?: ((meta: StreamMeta) => void) | undefined;
}

/**
 * Puts any SDK's stream under an Observable.
 *
 * ```
 * subscribe:    open(signal)──headers──a──b──c──(end)
 * fromStream:   ─────────────onOpen────a──b──c──|
 * unsubscribe:  the signal is aborted in the same instant, also while opening and while the next value is awaited
 * ```
 *
 * Cold: each subscription calls `open`, so one subscription is one request and `retryBackoff` makes a new one. (RxJS's
 * own `from(stream)` closes nothing until the next value arrives: in a stall, never.) Errors come out as they are.
 * An SDK ends its stream silently where the socket was closed without a terminator: add `verifyComplete`.
 *
 * @example
 * fromStream(async (signal) => {
 *   const { data, response, request_id } = await openai.chat.completions
 *     .create({ ...body, stream: true }, { signal, maxRetries: 0 })
 *     .withResponse();
 *   return { stream: data, headers: response.headers, requestId: request_id };
 * }, { onOpen: ({ headers }) => limiter.observe(parseRateLimit(headers, Date.now())) });
 */
export function fromStream<T>(
  open: (signal: AbortSignal) => OpenedStream<T> | PromiseLike<OpenedStream<T>>,
  { onOpen }: FromStreamOptions = {},
): Observable<T> {
  return requesting<T>(async (subscriber, onLeave) => {
    const controller = new AbortController();
    onLeave(() => controller.abort(UNSUBSCRIBED));
    const opened = await open(controller.signal);
    const { stream, headers, requestId } = opened;
    onLeave(() => opened.abort?.());
    let next: () => PromiseLike<{ done?: boolean | undefined; value?: T | undefined }>;
    if ('getReader' in stream) {
      const reader = stream.getReader();
      next = () => reader.read();
      onLeave(() => reader.cancel(UNSUBSCRIBED));
    } else {
      const iterator = stream[Symbol.asyncIterator]();
      next = () => iterator.next();
      onLeave(() => iterator.return?.());
    }
    if (!subscriber.closed) onOpen?.({ headers, requestId });
    while (!subscriber.closed) {
      const { done, value } = await next();
      if (done) break;
      subscriber.next(value as T);
    }
  });
}
