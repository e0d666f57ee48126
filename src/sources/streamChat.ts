import { NEVER, timer, type Observable } from 'rxjs';
import { classifyError } from '../errors/classifyError';
import { parseRateLimit } from '../errors/headers';
import { redact, safeCause } from '../errors/redact';
import { StreamTimeoutError } from '../errors/streamErrors';
import { WeirError } from '../errors/WeirError';
import type { ChatEvent } from '../events/ChatEvent';
import { createCompletionCheck } from '../events/completion';
import { createAnswer } from './Answer';
import { createAnswerReader } from './AnswerReader';
import type { ChatRequest } from './ChatRequest';
import { Origin } from './dialect';
import { dropEcho } from './dropEcho';
import { errorResponse } from './errorResponse';
import { onAbort } from './onAbort';
import { limitOption, requesting, UNSUBSCRIBED } from './plumbing';
import { prepareCall, type CallOptions, type ChatCall } from './prepareCall';
import { MAX_EVENT_BYTES, readEvents } from './readEvents';

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
  return openChat(request, options);
}

/** What only the client asks for, when an answer that was cut goes on. */
export interface ContinuationOptions {
  /** Whether the last message is the beginning of the answer, and the model goes on from it. @defaultValue false */
  prefix?: boolean | undefined;
  /** Whether an answer without any content is whole with its terminator: nothing was missing. @defaultValue false */
  mayBeEmpty?: boolean | undefined;
  /** Called with the start event before it is emitted, if anybody is still there. */
  began?: ((start: ChatEvent) => void) | undefined;
}

/** {@link streamChat}, also for the rest of an answer. */
export function openChat(
  request: ChatRequest,
  options: StreamChatOptions,
  { prefix, mayBeEmpty, began }: ContinuationOptions = {},
): Observable<ChatEvent> {
  const connectMs = limitOption('connectMs', options.connectMs, Infinity);
  return requesting<ChatEvent>(async (subscriber, onLeave) => {
    const { signal } = options;
    const origin = new Origin();
    const { secrets } = origin;
    const cancelled = (): WeirError => {
      const cause = safeCause(signal?.reason, secrets);
      const { provider, model, requestId } = origin;
      return new WeirError('cancelled by options.signal', { provider, model, requestId, code: 'E4002', cause });
    };
    const prepare = (): ChatCall => {
      try {
        return prepareCall(request, options, origin, prefix);
      } catch (error) {
        throw signal?.aborted ? cancelled() : error; // a request that nobody wants need not be right
      }
    };
    const { provider, model, dialect, config, url, ...init } = prepare();
    if (signal?.aborted) throw cancelled();
    if (signal) subscriber.add(onAbort(signal, () => subscriber.error(cancelled())));

    const connecting = (connectMs < NEVER_MS ? timer(connectMs) : NEVER).subscribe(() =>
      subscriber.error(new StreamTimeoutError('connect', connectMs, origin)),
    );
    subscriber.add(connecting);

    const check = createCompletionCheck({ allowEmpty: mayBeEmpty });
    const emit = (event: ChatEvent): void => {
      check.see(event);
      subscriber.next(event);
    };
    const { content = '' } = (prefix && config.prefix?.echoes && request.messages.at(-1)) || {};
    const answer = createAnswer(content ? dropEcho(content, emit) : emit, origin);
    const { onEvent, onEnd } = createAnswerReader(
      dialect.decoder(answer, config),
      config,
      origin,
      () => subscriber.closed,
    );

    const read = async (response: Response): Promise<void> => {
      try {
        connecting.unsubscribe();
        const { headers, body, ok } = response;
        const reader = body?.getReader();
        onLeave(() => reader?.cancel(UNSUBSCRIBED));
        const requestId = redact(headers.get('x-request-id') ?? headers.get('request-id') ?? '', secrets) || undefined;
        origin.requestId = requestId;
        if (!ok) throw await errorResponse(response, reader, origin);
        const rateLimit = parseRateLimit(headers, origin.now);
        const start: ChatEvent = {
          type: 'start',
          provider,
          model,
          ...(requestId && { requestId }),
          ...(Object.keys(rateLimit).length && { rateLimit }),
        };
        if (!subscriber.closed) began?.(start);
        emit(start);
        const broken = await readEvents(reader, onEvent, origin, MAX_EVENT_BYTES, onEnd);
        const verdict = check.verdict(origin);
        // A connection that breaks after the terminator has taken nothing from the answer.
        if (verdict) throw broken ? broken.error : verdict;
      } catch (error) {
        throw classifyError(error, origin);
      }
    };

    let response: Response;
    try {
      const controller = new AbortController();
      onLeave(() => controller.abort(UNSUBSCRIBED));
      response = await (options.fetch ?? fetch)(url, { ...init, method: 'POST', signal: controller.signal });
    } catch (error) {
      throw classifyError(error, origin);
    }
    // Not awaited: the frame of this function holds the request, which may be long, and which nobody needs any more.
    return read(response);
  });
}
