/**
 * Shows how a server keeps the keys, runs the chat client, and relays chat events and live signals to browsers as server-sent
 * events. A fetch-style handler: the same in Hono, Next route handlers, Bun and Deno, and with `toNodeHandler` in plain Node.
 * `npx tsx examples/relay/server.ts` runs it; `relayedChat.ts` is the browser's half.
 *
 * ```
 * POST   /chat         { messages, maxTokens? }   begins an answer, whose id is in the header `x-run`
 * GET    /chat/<run>   Last-Event-ID, or ?after=  the same answer, from behind that event on
 * DELETE /chat/<run>                              stops it: the provider's request is aborted now
 * GET    /signals                                 the client's live state, again whenever it changes
 * ```
 *
 * An answer is a ChatEvent per event, `id:` counting from 1; behind the last one `event: done`, or `event: error` with
 * `{ code, kind, message, retryAfterMs }`. Runs live in the memory of one process: where there are more, requests have to find
 * theirs (on Cloudflare: a Durable Object). Whoever reaches the handler spends your money: ask who it is before you call it.
 */
import { map, ReplaySubject, takeUntil } from 'rxjs';
import type { ChatClient } from 'rx-weir';
import { eventStream, frame } from './eventStream';
import { RelayedRun } from './RelayedRun';
import { readRequest, Refusal } from './readRequest';

export interface RelayOptions {
  /** Where the handler is mounted, e.g. `/api`. @defaultValue '' */
  basePath?: string;
  /** So long, in ms, an answer goes on that nobody listens to, and one that has ended can still be had. @defaultValue 15000 */
  graceMs?: number;
  /** Runs at a time, those included that have ended and can still be had. @defaultValue 1000 */
  maxRuns?: number;
  /** How often, in ms, a comment keeps proxies from closing a silent connection. @defaultValue 15000 */
  keepAliveMs?: number;
}

export interface Relay {
  /** Answers a request. Never rejects. */
  handle(request: Request): Promise<Response>;
  /** Stops all answers and ends all connections. */
  close(): void;
}

type Route = (request: Request, id: string) => Response | Promise<Response>;

/** Behind one slow connection no more signals wait than this: it is closed then, and its browser connects anew. */
const MAX_SIGNALS_WAITING = 64;

export function createRelay(client: ChatClient, options: RelayOptions = {}): Relay {
  const { basePath = '', graceMs = 15_000, maxRuns = 1_000, keepAliveMs = 15_000 } = options;
  const runs = new Map<string, RelayedRun>();
  const closed = new ReplaySubject<void>(1);
  let isClosed = false;

  /** @throws Refusal for an id that is unknown, or no longer known */
  const find = (id: string): RelayedRun => {
    const run = runs.get(id);
    if (!run) throw new Refusal(404, 'no such run: it was stopped, or it ended too long ago');
    return run;
  };
  const answer = (run: RelayedRun, after: number): Response =>
    // What waits for a slow reader is no more than what the run holds anyway.
    eventStream(run.frames(after), { keepAliveMs, maxWaiting: Infinity, headers: { 'x-run': run.id } });

  const start: Route = async (request) => {
    const asked = await readRequest(request);
    // A browser that does not know whether its request has arrived sends it again, with the same key: that is one answer.
    const key = request.headers.get('idempotency-key');
    const known = [...runs.values()].find((run) => key !== null && run.key === key);
    if (known) return answer(known, 0);
    if (isClosed) throw new Refusal(503, 'the relay is closed');
    if (runs.size >= maxRuns) [...runs.values()].find((run) => run.hasEnded)?.stop();
    if (runs.size >= maxRuns) throw new Refusal(503, 'too many answers at a time', { 'retry-after': '1' });
    const run = new RelayedRun(client.run(asked), { key, graceMs, onForget: () => runs.delete(run.id) });
    runs.set(run.id, run);
    return answer(run, 0);
  };
  const goOn: Route = (request, id) => {
    const after = request.headers.get('last-event-id') ?? new URL(request.url).searchParams.get('after') ?? '0';
    if (!/^\d{1,15}$/.test(after)) throw new Refusal(400, 'Last-Event-ID must be the id of an event, a whole number');
    return answer(find(id), Number(after));
  };
  const stop: Route = (_, id) => {
    find(id).stop();
    return new Response(null, { status: 204 });
  };
  const signals: Route = () => {
    const frames = client.signals$.pipe(
      map((state) => frame(state)),
      takeUntil(closed),
    );
    return eventStream(frames, { keepAliveMs, maxWaiting: MAX_SIGNALS_WAITING });
  };

  const route: Route = (request) => {
    const { pathname } = new URL(request.url);
    const [, kind, id] = /^\/(chat|signals)(?:\/([^/]+))?$/.exec(pathname.slice(basePath.length)) ?? [];
    const methods: Record<string, Route> | undefined =
      kind === 'signals' ? (id ? undefined : { GET: signals }) : id ? { GET: goOn, DELETE: stop } : { POST: start };
    if (!kind || !methods || !pathname.startsWith(basePath)) throw new Refusal(404, 'no such endpoint');
    const act = methods[request.method];
    if (!act) throw new Refusal(405, `${request.method} is not for this`, { allow: Object.keys(methods).join(', ') });
    return act(request, id ?? '');
  };

  return {
    async handle(request) {
      try {
        return await route(request, '');
      } catch (error) {
        // What else is wrong is of no interest to a browser.
        return (error instanceof Refusal ? error : new Refusal(500, 'the relay has failed')).toResponse();
      }
    },
    close() {
      isClosed = true;
      for (const run of runs.values()) run.stop();
      closed.next();
    },
  };
}
