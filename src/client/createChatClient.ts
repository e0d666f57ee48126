import { defer, merge, map, type BehaviorSubject, type Observable, type SchedulerLike } from 'rxjs';
import { resolveLimits } from '../../operators/kernel/limits';
import type { ResilienceConfig, StreamOptions } from '../../operators/kernel/pipeline';
import type { ChatEvent } from '../events/ChatEvent';
import type { RetryConfig } from '../policies/backoff';
import { describe, functionOption, numberOption } from '../policies/options';
import type { OnPartial } from '../policies/partial';
import type { Cost } from '../policies/waiting';
import type { WeirEvent } from '../signals/WeirEvent';
import type { ChatRequest } from '../sources/ChatRequest';
import { streamChat, type StreamChatOptions } from '../sources/streamChat';
import { ChatRun } from './ChatRun';
import { clientSignals, type ClientSignals } from './ClientSignals';
import { ResilientExecutor } from './ResilientExecutor';
import { untilAborted } from './untilAborted';

/** What a client knows of one provider. */
export type ProviderSettings = Pick<StreamChatOptions, 'apiKey' | 'baseUrl' | 'headers'>;

/** Options of {@link createChatClient}. */
export interface ChatClientConfig {
  /** The primary model, `'provider/model'`. */
  model: string;
  /** Models to fall back to, in order. @defaultValue none */
  fallbacks?: readonly string[];
  /**
   * The protection that each model gets for itself: options, or what makes them for a model. Instances are refused in plain
   * options, as all models would share them.
   *
   * @defaultValue retries, a breaker, 2 minutes to the first content and 1 minute between two
   */
  resilience?: ResilienceConfig<ChatEvent> | ((model: string) => ResilienceConfig<ChatEvent>);
  /** By provider name. @defaultValue the provider's own address, the key from its environment variable */
  providers?: Readonly<Record<string, ProviderSettings>>;
  /** @defaultValue the global `fetch` */
  fetch?: typeof globalThis.fetch;
  /** The longest time until a response's headers, in ms; it counts into `timeout.firstMs`. @defaultValue no limit of its own */
  connectMs?: number;
  /** What happens to an error after the first content, for retry and fallback alike. @defaultValue 'rewind' */
  onPartial?: OnPartial<ChatEvent>;
  /** @defaultValue asyncScheduler */
  scheduler?: SchedulerLike;
}

/** A chat request without its model: the client knows the models. */
export type ClientRequest = Omit<ChatRequest, 'model'>;

/** What can be said of one stream. */
export interface ClientStreamOptions {
  /** Its abort ends the stream with E4002. */
  signal?: AbortSignal;
  /** Higher is served first where streams queue. @defaultValue 0 */
  priority?: number;
  /** What the stream takes from a rate limiter. @defaultValue `resilience.cost`, else an estimate from the messages' length and `maxTokens` */
  cost?: Cost;
}

/** Chats with a model and its fallbacks. */
export interface ChatClient {
  /** One chat answer, cold: every subscription is a request of its own. */
  stream(request: ClientRequest, options?: ClientStreamOptions): Observable<ChatEvent>;
  /** One chat answer, started now and once, however many subscribe to it. */
  run(request: ClientRequest, options?: ClientStreamOptions): ChatRun;
  /** The live state of all models; its `value` is the truth now. */
  readonly signals$: BehaviorSubject<ClientSignals>;
  /** What happens to each stream, with the model it happens to. */
  readonly events$: Observable<WeirEvent & { readonly model: string }>;
  /** The state now. */
  snapshot(): ClientSignals;
}

const DEFAULTS: ResilienceConfig<ChatEvent> = {
  retry: {},
  circuitBreaker: {},
  timeout: { firstMs: 120_000, idleMs: 60_000 },
};

/**
 * A chat client whose streams survive a failing provider: each model has its own breaker, limits and retries, and the next
 * model takes over when one fails for good.
 *
 * ```ts
 * const client = createChatClient({ model: 'openai/gpt-4o', fallbacks: ['anthropic/claude-3-5-sonnet'] });
 * client.stream({ messages: [{ role: 'user', content: 'Hello' }] }).subscribe(show);
 * ```
 *
 * @throws TypeError, RangeError for a bad option, naming it and its value
 */
export function createChatClient(config: ChatClientConfig): ChatClient {
  if (typeof config !== 'object' || (config as unknown) === null) {
    throw new TypeError(`createChatClient takes { model, ... }, got ${describe(config)}`);
  }
  const { model, fallbacks = [], providers = {}, fetch, connectMs = Infinity, scheduler } = config;
  if (!Array.isArray(fallbacks)) throw new TypeError(`fallbacks must be a list of models, got ${describe(fallbacks)}`);
  numberOption('connectMs', connectMs, { infinity: true });
  functionOption('fetch', fetch);
  for (const [name, settings] of Object.entries({ providers, ...providers })) {
    if (typeof settings !== 'object' || (settings as unknown) === null) {
      throw new TypeError(
        `${name === 'providers' ? name : `providers.${name}`} must be an object, got ${describe(settings)}`,
      );
    }
  }
  const models: readonly string[] = [model, ...(fallbacks as readonly string[])];
  models.forEach((id, index) => {
    const name = index === 0 ? 'model' : 'fallbacks';
    if (typeof id !== 'string' || !/^[^/]+\/./.test(id))
      throw new TypeError(`${name} must be 'provider/model', got ${describe(id)}`);
    if (models.indexOf(id) < index) throw new TypeError(`fallbacks must be other models, got ${describe(id)} twice`);
  });
  const primary = resilienceOf(config, model);
  // A number has no onPartial either.
  const onPartial =
    config.onPartial ?? primary.onPartial ?? (primary.retry as RetryConfig<ChatEvent>)?.onPartial ?? 'rewind';
  const priced = new Set<string>();
  const executors = new Map(
    models.map((id) => {
      const resilience = id === model ? primary : resilienceOf(config, id);
      if (resilience.cost !== undefined) priced.add(id);
      // The primary's total deadline is over everything, its fallbacks too: they have none of their own.
      const { firstMs, idleMs, totalMs } = resolveLimits(resilience.timeout ?? {});
      const timeout = { firstMs, idleMs, totalMs: id === model ? totalMs : Infinity };
      const options = { provider: providerOf(id), model: id, ...(scheduler && { scheduler }) };
      return [id, new ResilientExecutor({ ...resilience, timeout, onPartial } as ResilienceConfig, options)];
    }),
  );
  let activeModel = model;
  const signals$ = clientSignals(executors, () => activeModel, scheduler);

  const attempt = (id: string, request: ClientRequest): Observable<ChatEvent> =>
    defer(() => {
      activeModel = id;
      const settings = providers[providerOf(id)];
      return streamChat({ ...request, model: id }, { ...settings, fetch, connectMs });
    });

  const stream = (request: ClientRequest, options: ClientStreamOptions = {}): Observable<ChatEvent> => {
    const { priority, cost, signal } = options;
    const estimate = estimateCost(request);
    const place = (id: string): StreamOptions<ChatEvent> => {
      const taken = cost ?? (priced.has(id) ? undefined : estimate);
      return { ...(priority !== undefined && { priority }), ...(taken && { cost: taken }) };
    };
    const [source, ...targets] = models.map((id) => ({ name: id, source: attempt(id, request) }));
    const fallback = targets.map(({ name, source }) => ({
      name,
      source: source.pipe(executors.get(name)!.protect<ChatEvent>(place(name))),
    }));
    const protect = executors.get(model)!.protect<ChatEvent>({ ...place(model), fallback });
    return source!.source.pipe(protect, untilAborted(signal));
  };

  return {
    stream,
    run: (request, options) =>
      new ChatRun(stream(request, options), () => clientSignals(executors, () => activeModel, scheduler)),
    signals$,
    events$: merge(
      ...[...executors].map(([id, { events$ }]) => events$.pipe(map((event) => ({ ...event, model: id })))),
    ),
    snapshot: () => signals$.value,
  };
}

function resilienceOf({ resilience = DEFAULTS }: ChatClientConfig, model: string): ResilienceConfig<ChatEvent> {
  const config = typeof resilience === 'function' ? resilience(model) : resilience;
  if (typeof config !== 'object' || (config as unknown) === null) {
    throw new TypeError(`resilience must be options or a function that makes them, got ${describe(config)}`);
  }
  const { circuitBreaker, rateLimiter, backpressure, retry, fallback } = config;
  const parts: unknown[] = [circuitBreaker, rateLimiter, backpressure, (retry as RetryConfig | undefined)?.budget];
  // Every policy can be watched, by whichever copy of the package it was made.
  const shared = parts.some((part) => 'watch' in (Object(part) as object));
  if ('protect' in config || (config === resilience && shared)) {
    throw new TypeError(
      'resilience must not hold instances, all models would share them: give options, or a function of the model',
    );
  }
  if (fallback) throw new TypeError('resilience.fallback is not for a chat client: name the models in `fallbacks`');
  return config;
}

const providerOf = (id: string): string => id.slice(0, id.indexOf('/'));

/** What a request takes from a rate limiter: a token for 4 characters of text, and the whole answer that it allows. */
function estimateCost(request: ClientRequest): Cost {
  // Whatever is wrong with the request, its stream will say so.
  const { messages, maxTokens = 0 } = (request as ClientRequest | null) ?? { messages: [] };
  const characters = lengthOf(Array.isArray(messages) ? messages : []);
  return { tokens: Math.ceil(characters / 4) + (maxTokens > 0 && maxTokens < Infinity ? maxTokens : 0) };
}

/** The characters of a text, a part, a message, or of all in a list. */
function lengthOf(content: unknown): number {
  if (typeof content === 'string') return content.length;
  if (Array.isArray(content)) return content.reduce((sum: number, part: unknown) => sum + lengthOf(part), 0);
  const { content: inner, text } = Object(content) as { content?: unknown; text?: unknown };
  return inner === undefined ? (typeof text === 'string' ? text.length : 0) : lengthOf(inner);
}
