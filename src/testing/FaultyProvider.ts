import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { askedOf } from './continuationOf';
import { requestId } from './dialects/Dialect';
import type { FaultyProviderOptions } from './FaultyProviderOptions';
import { corsHeaders, jsonBody, safeHeaders } from './http';
import type { Plan } from './Plan';
import { DIALECTS } from './planReply';
import { playPlan, type PlayListener } from './playPlan';
import type { ProviderLimitsConfig } from './ProviderLimits';
import { Recorder, type OpenRecord, type RequestRecord } from './Recorder';
import type { Script } from './Reply';
import { Responder } from './Responder';
import { routeOf, type Route } from './route';

const now = (): number => performance.now();

/** A running faulty provider; {@link startFaultyProvider} makes one. */
export class FaultyProvider {
  readonly #options: FaultyProviderOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #recorder = new Recorder();
  /** What breaks off each request in progress. */
  readonly #exchanges = new Set<() => void>();
  #port = 0;
  #responder: Responder;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(options: FaultyProviderOptions, server: Server) {
    this.#options = options;
    this.#responder = new Responder(options, now());
    this.#server = server;
    this.#server.on('request', (request, response) => void this.#handle(request, response));
    this.#server.on('connection', (socket) => {
      socket.setNoDelay(true);
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  /** @internal */
  listen(): Promise<this> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ port: this.#options.port ?? 0, host: '127.0.0.1' }, () => {
        this.#port = (this.#server.address() as AddressInfo).port;
        resolve(this);
      });
    });
  }

  /** The server's origin, e.g. `http://127.0.0.1:40123`; once it is closed, one that refuses connections. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /**
   * What to give an SDK or `streamChat` as its base URL, so that one server plays many providers: with `/v1` for the OpenAI
   * dialect, without for Anthropic. In a path `/beta` does as well as `/v1`, or nothing.
   *
   * @param provider - any name in letters, digits, `.`, `_` and `-`
   */
  baseUrl(provider: string): string {
    return `${this.url}/${provider}${provider === 'anthropic' ? '' : '/v1'}`;
  }

  /** The chat requests since the start or the last {@link reset}, in order of arrival. Live: they change while in progress. */
  get requests(): readonly RequestRecord[] {
    return this.#recorder.records;
  }

  /** How many chat requests are in progress. */
  get active(): number {
    return this.#recorder.active();
  }

  /** The tokens that {@link requests} are billed in sum. */
  get billed(): { inputTokens: number; outputTokens: number } {
    const billed = { inputTokens: 0, outputTokens: 0 };
    for (const { billedInputTokens, billedOutputTokens } of this.requests) {
      billed.inputTokens += billedInputTokens;
      billed.outputTokens += billedOutputTokens;
    }
    return billed;
  }

  /** How many connections are open; clients keep them for a while after their last request. */
  get openSockets(): number {
    return this.#sockets.size;
  }

  /**
   * Sets what one provider answers from now on. Where its script is at its end, returns `undefined`, or is removed by
   * leaving it out, the `script` of the options answers, else a healthy answer.
   *
   * @throws RangeError, TypeError naming a field of a reply that is out of range
   */
  script(provider: string, script?: Script): void {
    this.#responder.script(provider, script);
  }

  /** Sets one provider's limits, with full buckets; left out, they are lifted. @throws RangeError naming the limit */
  limit(provider: string, limits?: ProviderLimitsConfig): void {
    this.#responder.limit(provider, limits, now());
  }

  /**
   * The first request for which `predicate` holds, as soon as one does; it is asked again on every change of a record.
   * Rejects if the provider is closed before, or with what `predicate` throws.
   */
  when(predicate: (request: RequestRecord) => boolean): Promise<RequestRecord> {
    return this.#recorder.until(() => this.requests.find(predicate));
  }

  /** Resolves as soon as no chat request is in progress (one that has not arrived yet is not); rejects if closed before. */
  async idle(): Promise<void> {
    await this.#recorder.until(() => this.active === 0 || undefined);
  }

  /** Back to the state after the start: what is in progress is cut; records, scripts, limits and chance begin anew. */
  reset(): void {
    this.#cutAll();
    this.#recorder.clear();
    this.#responder = new Responder(this.#options, now());
  }

  /** Cuts what is in progress and destroys every socket; resolves when all is gone. The records stay readable. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#cutAll();
      for (const socket of this.#sockets) socket.destroy();
      this.#recorder.close();
    });
    return this.#closing;
  }

  #cutAll(): void {
    for (const cut of this.#exchanges) cut();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => undefined); // a write that crosses with the client's close
    const { exposeHeaders = false, keepAlive = true, models = ['weir-1'] } = this.#options;
    const headers = { ...corsHeaders(request, exposeHeaders), ...(keepAlive ? {} : { connection: 'close' }) };
    const path = (request.url ?? '/').replace(/\?.*/s, '');
    const route = routeOf(request.method ?? 'GET', path);
    if (request.method === 'OPTIONS') {
      response.writeHead(204, headers).end();
    } else if (route?.action === 'chat') {
      await this.#chat(request, response, { ...route, path }, headers);
    } else {
      const isAnthropic = route?.provider === 'anthropic' || 'anthropic-version' in request.headers;
      const dialect = DIALECTS[isAnthropic ? 'anthropic' : 'openai'];
      const message = `No such endpoint: ${request.method} ${path}`;
      const body = route ? dialect.models(models) : dialect.errorBody(404, { message }, requestId(0));
      response.writeHead(route ? 200 : 404, { ...headers, 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    }
  }

  async #chat(
    request: IncomingMessage,
    response: ServerResponse,
    { dialect, provider, path }: Extract<Route, { action: 'chat' }> & { path: string },
    headers: Record<string, string>,
  ): Promise<void> {
    const startedAt = now();
    const body = await jsonBody(request).catch(() => undefined);
    const { socket } = request;
    if (body === undefined || socket.destroyed) return; // the client left before its request was whole
    const { continues, ...asked } = askedOf(body);
    const record: OpenRecord = {
      index: this.requests.length,
      nth: this.#recorder.count(provider),
      provider,
      dialect,
      model: typeof body['model'] === 'string' ? body['model'] : '',
      path,
      stream: body['stream'] === true,
      body,
      ...asked,
      ...safeHeaders(request),
      status: 0,
      outcome: 'open',
      startedAt,
      sentText: '',
      billedInputTokens: 0,
      billedOutputTokens: 0,
    };
    const left = new AbortController();
    const stop = (outcome: 'aborted' | 'cut'): void => {
      // Where all was sent and only the socket was kept open, the outcome stands.
      const pending = record.outcome === 'open' || record.outcome === 'stalled';
      this.#recorder.end(record, pending ? outcome : record.outcome, now());
      left.abort();
    };
    const leave = (): void => stop('aborted');
    const cut = (): void => {
      stop('cut');
      socket.destroy();
    };
    this.#exchanges.add(cut);
    socket.once('close', leave);
    const active = this.#recorder.active(provider);
    this.#recorder.add(record);
    try {
      const request = continues ? { ...record, continues } : record;
      const answer = this.#responder.respond(request, active, now(), Date.now());
      if (answer.plan.continues) {
        record.continues = answer.plan.continues;
        this.#recorder.changed();
      }
      const listener = this.#listener(record, answer.plan);
      await playPlan(answer.plan, response, { ...headers, ...answer.headers }, left.signal, listener);
    } catch (error) {
      if (left.signal.aborted) return;
      // A reply that cannot be played, e.g. a header that HTTP cannot carry.
      this.#recorder.end(record, 'error', now());
      if (response.headersSent) socket.destroy();
      else
        response.writeHead(500, { 'content-type': 'text/plain' }).end(`the reply cannot be played: ${String(error)}`);
    } finally {
      this.#exchanges.delete(cut);
      socket.off('close', leave);
    }
  }

  #listener(record: OpenRecord, plan: Plan): PlayListener {
    const recorder = this.#recorder;
    let chars = 0;
    return {
      head() {
        record.status = plan.status;
        record.billedInputTokens = plan.inputTokens;
        recorder.changed();
      },
      sent(text, more) {
        chars += more;
        record.sentText += text;
        record.billedOutputTokens = Math.ceil((plan.outputTokens * chars) / plan.chars);
        recorder.changed();
      },
      stalled() {
        record.outcome = 'stalled';
        recorder.changed();
      },
      done(outcome, open) {
        record.outcome = outcome;
        if (open) recorder.changed();
        else recorder.end(record, outcome, now());
      },
    };
  }
}
