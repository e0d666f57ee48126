import type { EventSourceMessage } from 'eventsource-parser';
import type { Observable } from 'rxjs';
import { classifyError } from '../errors/classifyError';
import { WeirError } from '../errors/WeirError';
import { limitOption, requesting, UNSUBSCRIBED } from './plumbing';
import { Origin } from './dialect';
import { errorResponse } from './errorResponse';
import { MAX_EVENT_BYTES, readEvents } from './readEvents';

export interface FromEventStreamOptions {
  /** The longest event, in bytes of its data. @defaultValue 1 MiB */
  maxEventBytes?: number | undefined;
}

/**
 * The server-sent events of a response's body.
 *
 * ```
 * bytes:            data: ─a\n\nda─ta: b\r─\n\r\n: keep-alive\n\n─data: c|
 * fromEventStream:  ────────a───────────────b─────────────────────(c|)
 * unsubscribe:      the reader is cancelled in the same instant, also while a read is pending
 * ```
 *
 * Bytes may be cut anywhere, and the last event may lack its blank line. A body can be read once: to repeat a request,
 * make it per subscription, as `streamChat` does, or with `defer(() => fetch(…)).pipe(switchMap((r) => fromEventStream(r)))`.
 *
 * Errors: {@link MalformedStreamError} for an event above `maxEventBytes`, and for a body that is no event stream; the
 * provider's error for an error status, and for a JSON error at the end of the body; E1001 for a body read before;
 * E3001 where the connection breaks.
 */
export function fromEventStream(
  source: Response | ReadableStream<Uint8Array>,
  { maxEventBytes }: FromEventStreamOptions = {},
): Observable<EventSourceMessage> {
  const limit = limitOption('maxEventBytes', maxEventBytes, MAX_EVENT_BYTES);
  return requesting<EventSourceMessage>(async (subscriber, onLeave) => {
    const origin = new Origin();
    const [response, body] = 'getReader' in source ? [undefined, source] : [source, source.body];
    if (body?.locked || response?.bodyUsed) {
      throw new WeirError('this body was read before: make the request anew for each subscription', { code: 'E1001' });
    }
    const reader = body?.getReader();
    onLeave(() => reader?.cancel(UNSUBSCRIBED));
    if (response && !response.ok) throw await errorResponse(response, reader, origin);
    const onEvent = (event: EventSourceMessage): false => {
      subscriber.next(event);
      return false;
    };
    const broken = await readEvents(reader, onEvent, origin, limit);
    if (broken) throw classifyError(broken.error, origin);
  });
}
