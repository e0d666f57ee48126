/**
 * Shows the browser's half of a relay (`createRelay.ts` is the server's): chat events as `createChatClient` gives them, with no
 * key in the page. No DOM is needed; `page.ts` is a page that uses it, `npx tsx examples/relay/server.ts` serves that.
 *
 * ```ts
 * relayedChat('/api', { messages }).pipe(accumulate()).subscribe(({ text }) => show(text));
 * ```
 *
 * - A connection that breaks is made again, and the answer goes on behind its last event: nothing is lost, nothing comes twice.
 * - Unsubscribing stops the answer at the provider; not so while the page is unloaded, so that a reload can go on with it.
 */
import { map, Observable, retry, takeWhile, throwError, timer } from 'rxjs';
import {
  backoffDelay,
  classifyError,
  fromEventStream,
  MalformedStreamError,
  retryBackoff,
  verifyComplete,
  WeirError,
  type BackoffConfig,
  type ChatEvent,
  type ClientRequest,
  type ClientSignals,
  type WeirErrorDetails,
} from 'rx-weir';
import { keep, type Place, type PlaceStorage } from './place';

export interface RelayedOptions {
  /** @defaultValue the global `fetch` */
  fetch?: typeof globalThis.fetch;
  /** How long to wait before a broken connection is made again. @defaultValue 250 ms, then longer */
  backoff?: BackoffConfig;
}

const BACKOFF: BackoffConfig = { initialDelayMs: 250, maxDelayMs: 2_000 };
/** With those waits about as long as the relay keeps a run that nobody listens to. */
const MAX_RETRIES = 10;

export interface RelayedChatOptions extends RelayedOptions {
  /** Where a reload finds what to go on with, e.g. `sessionStorage`. @defaultValue none */
  storage?: PlaceStorage;
}

/** One answer, cold: each subscription asks for one. All errors are WeirErrors. */
export function relayedChat(
  base: string,
  request: ClientRequest,
  options: RelayedChatOptions = {},
): Observable<ChatEvent> {
  return follow(base, { run: '', lastId: 0, text: '' }, request, options);
}

/**
 * The rest of an answer that was begun before, of this page or of another; first comes the text that its place has, so that
 * `accumulate()` gives the whole text again. E1004 where the relay no longer knows the run.
 */
export function resumeChat(base: string, place: Place, options: RelayedChatOptions = {}): Observable<ChatEvent> {
  return follow(base, place, undefined, options);
}

/**
 * The live state of the relay's client, for as long as somebody listens. Each subscription is a connection, of which a browser
 * opens six to a server that has no HTTP/2: `share()` it.
 */
export function relayedSignals(base: string, options: RelayedOptions = {}): Observable<ClientSignals> {
  const { fetch = globalThis.fetch, backoff } = options;
  const delay = backoffDelay({ ...BACKOFF, ...backoff });
  return connection((signal) => fetch(`${base}/signals`, { signal })).pipe(
    map(({ data }) => data as ClientSignals),
    verifyComplete({ isTerminal: () => false }), // it never ends by itself
    // Not retryBackoff, which counts a stream's retries for as long as it lasts: this one has no end.
    retry({
      resetOnSuccess: true,
      delay: (error: unknown, attempt) =>
        classifyError(error).retryable ? timer(delay(attempt, { random: Math.random })) : throwError(() => error),
    }),
  );
}

function follow(
  base: string,
  from: Place,
  request: ClientRequest | undefined,
  { fetch = globalThis.fetch, storage, backoff }: RelayedChatOptions,
): Observable<ChatEvent> {
  return new Observable((subscriber) => {
    let place = from;
    let isOver = false;
    let posted: Promise<unknown> | undefined;

    // The same for each attempt: a relay that has begun already goes on with that answer. Only secure contexts have it.
    const key = (globalThis.crypto as Partial<Crypto>).randomUUID?.();
    const post = async (): Promise<Response> => {
      const headers = { 'content-type': 'application/json', ...(key && { 'idempotency-key': key }) };
      const response = await fetch(`${base}/chat`, { method: 'POST', headers, body: JSON.stringify(request) });
      const run = response.headers.get('x-run') ?? '';
      if (response.ok && !run) throw new WeirError('the response has no x-run header, or CORS hides it');
      place = { ...place, run };
      return response;
    };
    const answer = connection((signal) => {
      const headers = { 'last-event-id': String(place.lastId) };
      if (!request || place.run) return fetch(`${base}/chat/${place.run}`, { headers, signal });
      // Not aborted by the signal: to stop a run one has to know which it is.
      const response = post();
      posted = response;
      return response;
    }).pipe(
      takeWhile(({ event }) => event === undefined, true),
      verifyComplete({ isTerminal: ({ event }) => event !== undefined, allowEmpty: true }),
    );

    const tell = (event: ChatEvent, lastId: number): void => {
      let { text } = place;
      if (event.type === 'text') text += event.text;
      if (event.type === 'rewind') text = text.slice(0, event.to);
      place = { ...place, lastId, text };
      keep(storage, place);
      subscriber.next(event);
    };
    const end = (error?: unknown): void => {
      isOver = true;
      if (error === undefined) subscriber.complete();
      else subscriber.error(classifyError(error));
    };
    const stop = (): void => {
      if (place.run) fetch(`${base}/chat/${place.run}`, { method: 'DELETE', keepalive: true }).catch(() => undefined);
    };

    const page = watchPage();
    if (from.text) subscriber.next({ type: 'text', text: from.text });
    if (!subscriber.closed) {
      const mended = answer.pipe(
        retryBackoff({
          ...{ ...BACKOFF, ...backoff, maxRetries: MAX_RETRIES },
          // Of this stream every event is content: none is held back until the first text, and none is asked for again.
          onPartial: () => answer,
        }),
      );
      const told = mended.subscribe({
        next: ({ id, event, data }) => {
          if (event === undefined) tell(data as ChatEvent, id);
          else if (event === 'error') end(relayedError(data as RelayedError));
          else end();
        },
        error: end,
      });
      subscriber.add(told);
    }
    subscriber.add(() => {
      page.leave();
      if (page.isUnloading && !isOver) return;
      keep(storage, undefined);
      if (isOver) return;
      if (place.run) stop();
      else posted?.then(stop, () => undefined);
    });
  });
}

/** Whether the page goes away, be it for a reload: not the same as a user who has had enough. */
function watchPage(): { readonly isUnloading: boolean; leave(): void } {
  const page: Partial<EventTarget> = globalThis; // Node has none
  const types = ['pagehide', 'pageshow'];
  const watch = { isUnloading: false, leave: () => types.forEach((type) => page.removeEventListener?.(type, onPage)) };
  const onPage = ({ type }: Event): void => void (watch.isUnloading = type === 'pagehide');
  for (const type of types) page.addEventListener?.(type, onPage);
  return watch;
}

interface Frame {
  readonly id: number;
  /** `undefined`: a chat event or signals. */
  readonly event: string | undefined;
  readonly data: unknown;
}

/** The events of one response. */
function connection(open: (signal: AbortSignal) => Promise<Response>): Observable<Frame> {
  return new Observable<Frame>((subscriber) => {
    const controller = new AbortController();
    subscriber.add(() => controller.abort());
    open(controller.signal).then(
      (response) => {
        if (subscriber.closed) void response.body?.cancel();
        else fromEventStream(response).pipe(map(toFrame)).subscribe(subscriber);
      },
      (error: unknown) => subscriber.error(error),
    );
  });
}

/** @throws MalformedStreamError for an event that was cut, by a proxy perhaps that ended the response in good order */
function toFrame({
  id = '',
  event,
  data,
}: {
  id?: string | undefined;
  event?: string | undefined;
  data: string;
}): Frame {
  try {
    return { id: Number(id), event, data: JSON.parse(data) as unknown };
  } catch {
    throw new MalformedStreamError('an event of the relay is no JSON');
  }
}

type RelayedError = Pick<WeirErrorDetails, 'code' | 'retryAfterMs'> & { message: string };

const relayedError = ({ message, code, retryAfterMs }: RelayedError): WeirError =>
  new WeirError(message, { code, retryAfterMs });
