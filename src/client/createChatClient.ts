import { defer, identity, map, merge, type BehaviorSubject, type Observable } from 'rxjs';
import { resolveLimits } from '../../operators/kernel/limits';
import type { ResilienceConfig, StreamOptions } from '../../operators/kernel/pipeline';
import type { ChatEvent } from '../events/ChatEvent';
import { FallbackChain } from '../policies/FallbackChain';
import type { Cost } from '../policies/waiting';
import type { WeirEvent } from '../signals/WeirEvent';
import type { ChatRequest } from '../sources/ChatRequest';
import { openChat, type ContinuationOptions } from '../sources/streamChat';
import { ChatRun } from './ChatRun';
import { resolveClientConfig, type ChatClientConfig } from './clientConfig';
import { clientSignals, type ClientSignals } from './ClientSignals';
import { inputTokensOf, maxTokensOf } from './requestTokens';
import { ResilientExecutor } from './ResilientExecutor';
import { Resumption } from './Resumption';
import { untilAborted } from './untilAborted';

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
  const { chain, connectMs, hedgeModels, hedging, models, onPartial, providers, resilienceOf, resume } =
    resolveClientConfig(config);
  const { fetch, model, scheduler } = config;
  const priced = new Set<string>();
  const executors = new Map(
    models.map((id) => {
      const resilience = resilienceOf(id);
      if (resilience.cost !== undefined) priced.add(id);
      // The primary's total deadline is over everything, its fallbacks too: they have none of their own.
      const { firstMs, idleMs, totalMs } = resolveLimits(resilience.timeout ?? {});
      const own = {
        timeout: { firstMs, idleMs, totalMs: id === model ? totalMs : Infinity },
        onPartial: onPartial ?? 'fail',
        ...(hedging && id === model && { hedge: hedging }),
      };
      const options = { provider: providerOf(id), model: id, ...(scheduler && { scheduler }) };
      return [id, new ResilientExecutor({ ...resilience, ...own } as ResilienceConfig, options)];
    }),
  );
  let activeModel = model;
  const signals$ = clientSignals(executors, () => activeModel, scheduler);
  const refusing = new Set<string>();

  const ask = (request: ChatRequest, continuation?: ContinuationOptions): Observable<ChatEvent> => {
    const { model: id } = request;
    activeModel = id;
    return openChat(request, { ...providers[providerOf(id)], fetch, connectMs }, continuation);
  };

  const stream = (request: ClientRequest, options: ClientStreamOptions = {}): Observable<ChatEvent> =>
    defer(() => {
      const { priority, cost, signal } = options;
      const inputTokens = inputTokensOf(request);
      const tree = executors.get(model)!.tree();
      const answering = (id: string): void => {
        if (executors.has(id)) activeModel = id;
      };
      const answer = resume === 'off' ? undefined : new Resumption(resume, request, { tree, refusing, answering });
      const costOf = (id: string): Cost | undefined =>
        cost ?? (priced.has(id) ? undefined : { tokens: inputTokens + maxTokensOf(request) });
      const protectedBy = (
        id: string,
        more: StreamOptions<ChatEvent> = {},
        hedgeTargets?: FallbackChain<ChatEvent>,
      ) => {
        const taken = costOf(id);
        const place = { ...more, ...(priority !== undefined && { priority }), ...(taken && { cost: taken }) };
        const context = {
          tree,
          inputTokens: answer?.inputTokens ?? (() => inputTokens),
          hedgeTargets,
          ...(answer && { partials: answer.partials }),
        };
        const source = answer ? answer.attempt(id, ask) : defer(() => ask({ ...request, model: id }));
        return source.pipe(executors.get(id)!.protect<ChatEvent>(place, context));
      };
      const targets = (ids: readonly string[]) =>
        ids.map((name) => ({
          name,
          source: protectedBy(name),
          hasRoom: (now: number) => {
            const { circuitBreaker } = executors.get(name)!.preflight;
            const isTrusted = (circuitBreaker?.snapshot(now).state ?? 'closed') === 'closed';
            return isTrusted && executors.get(name)!.preflight.check(costOf(name), now).passed;
          },
        }));
      const hedgeTargets = hedgeModels.length > 0 ? new FallbackChain(targets(hedgeModels)) : undefined;
      const whole = protectedBy(model, { fallback: targets(chain.slice(1)) }, hedgeTargets);
      return whole.pipe(answer ? answer.assemble() : identity, untilAborted(signal));
    });

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

const providerOf = (id: string): string => id.slice(0, id.indexOf('/'));
