import type { SchedulerLike } from 'rxjs';
import type { HedgeConfig } from '../../operators/kernel/HedgePlan';
import type { ResilienceConfig } from '../../operators/kernel/pipeline';
import type { ChatEvent } from '../events/ChatEvent';
import type { RetryConfig } from '../policies/backoff';
import { choiceOption, describe, functionOption, numberOption, objectOption } from '../policies/options';
import type { OnPartial } from '../policies/partial';
import type { RetryBudget } from '../policies/RetryBudget';
import type { StreamChatOptions } from '../sources/streamChat';

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
  /**
   * How an answer goes on that was cut after its first content, for retry and fallback alike; a `resume` event tells of it.
   *
   * - `'auto'`: the model goes on from its own words where provider and model can, else it is told to go on, and what it repeats is
   *   left out; where that cannot be, the answer begins anew, and a `rewind` event comes only where it differs. After a delivered
   *   tool call, as `'off'`.
   * - `'rewind'`: a `rewind` event to 0, and the answer anew.
   * - `'off'`: the error comes out.
   *
   * @defaultValue 'auto'; where `onPartial` is given, 'off'
   */
  resume?: 'auto' | 'rewind' | 'off';
  /** Instead of `resume`, what happens to an error after the first content. @defaultValue none */
  onPartial?: OnPartial<ChatEvent>;
  /** One more request while the first one says nothing. @defaultValue none */
  hedge?: ClientHedge;
  /** One for all models: retries and hedges take of it. @defaultValue none */
  retryBudget?: RetryBudget;
  /** @defaultValue asyncScheduler */
  scheduler?: SchedulerLike;
}

/** When an answer that is slow to begin is asked for once more. */
export interface ClientHedge extends Omit<HedgeConfig<ChatEvent>, 'targets' | 'preflight'> {
  /** Whom to ask, in order, each with its own protection. @defaultValue the same model again */
  models?: readonly string[];
}

/** A {@link ChatClientConfig}, checked. */
export interface ResolvedClientConfig {
  /** The primary and its fallbacks. */
  readonly chain: readonly string[];
  readonly hedgeModels: readonly string[];
  /** All that can be asked, each once. */
  readonly models: readonly string[];
  readonly hedging: HedgeConfig<ChatEvent> | undefined;
  readonly resume: 'auto' | 'rewind' | 'off';
  readonly onPartial: OnPartial<ChatEvent> | undefined;
  readonly providers: Readonly<Record<string, ProviderSettings>>;
  readonly connectMs: number;
  /** What protects a model. @throws TypeError for what a client cannot take */
  readonly resilienceOf: (model: string) => ResilienceConfig<ChatEvent>;
}

const DEFAULTS: ResilienceConfig<ChatEvent> = {
  retry: {},
  circuitBreaker: {},
  timeout: { firstMs: 120_000, idleMs: 60_000 },
};

/** @throws TypeError, RangeError for a bad option, naming it and its value */
export function resolveClientConfig(config: ChatClientConfig): ResolvedClientConfig {
  if (typeof config !== 'object' || (config as unknown) === null) {
    throw new TypeError(`createChatClient takes { model, ... }, got ${describe(config)}`);
  }
  const { model, fallbacks = [], providers = {}, fetch, connectMs = Infinity } = config;
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
  if (config.hedge !== undefined) objectOption('hedge', config.hedge);
  const { models: hedgeModels = [], ...hedging } = config.hedge ?? {};
  for (const key of ['targets', 'preflight'] as const) {
    if (key in hedging) throw new TypeError(`hedge.${key} is not for a chat client: name the models in hedge.models`);
  }
  if (!Array.isArray(hedgeModels)) throw new TypeError(`hedge.models must be a list, got ${describe(hedgeModels)}`);
  const chain: readonly string[] = [model, ...(fallbacks as readonly string[])];
  const models = [...new Set([...chain, ...(hedgeModels as readonly string[])])];
  models.forEach((id, index) => {
    const name = index === 0 ? 'model' : index < chain.length ? 'fallbacks' : 'hedge.models';
    if (typeof id !== 'string' || !/^[^/]+\/./.test(id))
      throw new TypeError(`${name} must be 'provider/model', got ${describe(id)}`);
  });
  const twice = chain.find((id, index) => chain.indexOf(id) < index);
  const doubled = (hedgeModels as string[]).find((id, at, all) => all.indexOf(id) < at || id === model);
  if (doubled !== undefined) throw new TypeError(`hedge.models must be other models, got ${describe(doubled)} twice`);
  if (twice !== undefined) throw new TypeError(`fallbacks must be other models, got ${describe(twice)} twice`);
  const primary = resilienceOf(config, model);
  // A number has no onPartial either.
  const onPartial = config.onPartial ?? primary.onPartial ?? (primary.retry as RetryConfig<ChatEvent>)?.onPartial;
  const resume = choiceOption('resume', config.resume ?? (onPartial ? 'off' : 'auto'), ['auto', 'rewind', 'off']);
  if (onPartial && resume !== 'off') throw new TypeError(`onPartial takes the place of resume ('${resume}'): give one`);
  return {
    chain,
    hedgeModels: hedgeModels as readonly string[],
    models,
    hedging: config.hedge && hedging,
    resume,
    onPartial,
    providers,
    connectMs,
    resilienceOf: (id) => {
      const resilience = id === model ? primary : resilienceOf(config, id);
      const { retryBudget: budget } = config;
      return budget ? { ...resilience, retry: { ...toRetry(resilience.retry), budget } } : resilience;
    },
  };
}

function resilienceOf({ resilience = DEFAULTS }: ChatClientConfig, model: string): ResilienceConfig<ChatEvent> {
  const config = typeof resilience === 'function' ? resilience(model) : resilience;
  if (typeof config !== 'object' || (config as unknown) === null) {
    throw new TypeError(`resilience must be options or a function that makes them, got ${describe(config)}`);
  }
  const { circuitBreaker, rateLimiter, backpressure, retry, fallback, hedge } = config;
  const budgets = [(retry as RetryConfig | undefined)?.budget, hedge?.budget];
  const parts: unknown[] = [circuitBreaker, rateLimiter, backpressure, ...budgets];
  // Every policy can be watched, by whichever copy of the package it was made.
  const shared = parts.some((part) => 'watch' in (Object(part) as object));
  if ('protect' in config || (config === resilience && shared)) {
    throw new TypeError(
      'resilience must not hold instances, all models would share them: give options, or a function of the model',
    );
  }
  if (hedge?.targets)
    throw new TypeError('resilience.hedge.targets is not for a chat client: name the models in `hedge`');
  if (fallback) throw new TypeError('resilience.fallback is not for a chat client: name the models in `fallbacks`');
  return config;
}

const toRetry = (retry: ResilienceConfig<ChatEvent>['retry']): RetryConfig<ChatEvent> =>
  typeof retry === 'object' ? retry : retry === undefined ? { maxRetries: 0 } : { initialDelayMs: retry };
