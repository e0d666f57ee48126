import { NEVER, timer, type Observable } from 'rxjs';
import type { EventSourceMessage } from 'eventsource-parser';
import { classifyError } from '../errors/classifyError';
import { parseRateLimit } from '../errors/headers';
import { errorOfFrame } from '../errors/providerError';
import { redact, safeCause } from '../errors/redact';
import { MalformedStreamError, StreamTimeoutError } from '../errors/streamErrors';
import { isWeirError, WeirError } from '../errors/WeirError';
import type { ChatEvent } from '../events/ChatEvent';
import { createCompletionCheck } from '../events/completion';
import { createAnswer } from './Answer';
import type { ChatRequest } from './ChatRequest';
import { errorResponse } from './errorResponse';
import { originOf } from './dialect';
import { limitOption, requesting, UNSUBSCRIBED } from './plumbing';
import { prepareCall, type CallOptions, type ChatCall } from './prepareCall';
import { errorIn, MAX_EVENT_BYTES, readEvents } from './readEvents';

export interface StreamChatOptions extends CallOptions {
  /** @defaultValue the global `fetch` */
  fetch?: typeof globalThis.fetch | undefined;
  /** Its abort ends the stream with E4002. */
  signal?: AbortSignal | undefined;
  /** The longest time until the response's headers, in ms. @defaultValue no limit of our own */
  connectMs?: number | undefined;
}

/** What is longer fits no host timer. */
const NEVER_MS = 2 ** 31;

/**
 * One streamed chat answer.
 *
 * ```
 * subscribe:    request──headers───────────────────────────[DONE]
 * streamChat:   ─────────start──text──text──…──usage──finish──|
 * unsubscribe:  the request is aborted in the same instant, whatever it waits for
 * ```
 *
 * Cold: one subscription is one request; nothing is repeated by itself. It completes only if the answer is whole: the
 * provider gave a finish reason and no error, and there was content (or the reason why there is none). A connection
 * closed before that is an {@link IncompleteStreamError}, an {@link EmptyStreamError} without any content. `finish` is
 * the last event. All errors are WeirErrors with `provider` and `model`, and none shows the key.
 *
 * Further errors: E1001 for an unknown provider or what its dialect cannot say; E1002 for a missing key, naming its
 * environment variable; {@link ProviderError} for the provider's own; {@link MalformedStreamError};
 * {@link StreamTimeoutError} `'connect'`; E3001 where the connection fails; E4002 when `signal` is aborted.
 *
 * @throws TypeError, RangeError at the call for a bad `connectMs`
 *
 * @example
 * streamChat({ model: 'openai/gpt-4o', messages: [{ role: 'user', content: 'Why is the sky blue?' }] })
 *   .pipe(text())
 *   .subscribe((delta) => process.stdout.write(delta));
 */
export function streamChat(request: ChatRequest, options: StreamChatOptions = {}): Observable<ChatEvent> {
  const connectMs = limitOption('connectMs', options.connectMs, Infinity);
  return requesting<ChatEvent>(async (subscriber, onLeave) => {
    const { signal } = options;
    const secrets: string[] = [];
    const unknown = undefined as string | undefined;
    const origin = originOf({ provider: unknown, model: unknown, secrets, requestId: unknown });
    const cancelled = (): WeirError => {
      const cause = safeCause(signal?.reason, secrets);
      return new WeirError('cancelled by options.signal', { ...origin, code: 'E4002', cause });
    };
    const prepare = (): ChatCall => {
      try {
        return prepareCall(request, options, origin);
      } catch (error) {
        throw signal?.aborted ? cancelled() : error; // a request that nobody wants need not be right
      }
    };
    const { provider, model, dialect, config, url, ...init } = prepare();
    if (signal?.aborted) throw cancelled();
    const onAbort = (): void => subscriber.error(cancelled());
    signal?.addEventListener('abort', onAbort);
    subscriber.add(() => signal?.removeEventListener('abort', onAbort));

    const connecting = (connectMs < NEVER_MS ? timer(connectMs) : NEVER).subscribe(() =>
      subscriber.error(new StreamTimeoutError('connect', connectMs, origin)),
    );
    subscriber.add(connecting);

    const check = createCompletionCheck();
    const emit = (event: ChatEvent): void => {
      check.see(event);
      subscriber.next(event);
    };
    const decoder = dialect.decoder(createAnswer(emit, origin), config);
    let over = false;
    let done = false;
    const onEvent = ({ data, event }: EventSourceMessage, cut: boolean): boolean => {
      if (subscriber.closed) return false;
      if (data.startsWith('[DONE]')) return (over = done = true);
      let payload: unknown;
      try {
        payload = JSON.parse(data);
      } catch {
        // An event that the end of the body cut in two is missing, and the completion check says so.
        if (cut || !data.trim()) return false;
        if (event === 'error') throw errorOfFrame(data, origin);
      }
      const error = errorIn(payload, event);
      if (error) throw errorOfFrame(error, origin);
      if (over) return true; // behind the end only an error is of interest
      const malformed = (what: string): MalformedStreamError =>
        new MalformedStreamError(`an event is ${what}: ${redact(data, secrets).slice(0, 100)}`, origin);
      if (Object(payload) !== payload) throw malformed('no JSON object');
      try {
        return (over = decoder.read(payload as object));
      } catch (error) {
        throw isWeirError(error) ? error : malformed(`not of the ${config.dialect ?? 'openai'} format`);
      }
    };

    try {
      const controller = new AbortController();
      onLeave(() => controller.abort(UNSUBSCRIBED));
      const response = await (options.fetch ?? fetch)(url, { ...init, method: 'POST', signal: controller.signal });
      connecting.unsubscribe();
      const { headers, body, ok } = response;
      const reader = body?.getReader();
      onLeave(() => reader?.cancel(UNSUBSCRIBED));
      const requestId = redact(headers.get('x-request-id') ?? headers.get('request-id') ?? '', secrets) || undefined;
      origin.requestId = requestId;
      if (!ok) throw await errorResponse(response, reader, origin);
      const rateLimit = parseRateLimit(headers, origin.now);
      emit({
        type: 'start',
        provider,
        model,
        ...(requestId && { requestId }),
        ...(Object.keys(rateLimit).length && { rateLimit }),
      });
      const broken = await readEvents(reader, onEvent, origin, MAX_EVENT_BYTES, () => decoder.end(done));
      const verdict = check.verdict(origin);
      // A connection that breaks after the terminator has taken nothing from the answer.
      if (verdict) throw broken ? broken.error : verdict;
    } catch (error) {
      throw classifyError(error, origin);
    }
  });
}
