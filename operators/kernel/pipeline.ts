import type { MonoTypeOperatorFunction } from 'rxjs';
import { resolveRetry, type RetryConfig } from '../../src/policies/backoff';
import type { FallbackChain } from '../../src/policies/FallbackChain';
import { functionOption, numberOption } from '../../src/policies/options';
import { resolveOnPartial, type OnPartial } from '../../src/policies/partial';
import type { AdmissionParts, PreflightChecker } from '../../src/policies/PreflightChecker';
import type { SignalsHub } from '../../src/signals/SignalsHub';
import { resolveAdmission, type CostOptions, type PriorityOptions } from './admissionOptions';
import { FallbackRecovery, type FallbackCallbacks } from './FallbackRecovery';
import { HedgePlan, type HedgeConfig } from './HedgePlan';
import { resolveLimits, type TimeoutConfig } from './limits';
import { partialPlanOf, type PartialPlan } from './partials';
import type { Recovery } from './recovery';
import { RetryRecovery } from './RetryRecovery';
import { resolveRuntime, type RuntimeOptions } from './runtime';
import type { Plan } from './Plan';
import { operatorOf } from './StreamRun';
import { Tree } from './Tree';
import { toChain, type FallbackInput } from './targets';

/** Every protection of a stream, each optional: policies as instances (shared) or as their options. */
export interface ResilienceConfig<T = unknown>
  extends AdmissionParts, FallbackCallbacks, CostOptions<T>, PriorityOptions, RuntimeOptions<T> {
  /** Options, or just `initialDelayMs`. @defaultValue no retries */
  retry?: RetryConfig<T> | number | undefined;
  /** `firstMs` and `idleMs` hold for each attempt, `totalMs` for everything. @defaultValue no limits */
  timeout?: TimeoutConfig | undefined;
  /** Where to go when the source fails for good; targets bring their own protection. @defaultValue nowhere */
  fallback?: FallbackChain<T> | readonly FallbackInput<T>[] | undefined;
  /** What happens to an error after the first content, for retry and fallback alike. @defaultValue 'fail' */
  onPartial?: OnPartial<T>;
  /** One more attempt while the first says nothing. @defaultValue none */
  hedge?: HedgeConfig<T> | undefined;
  /**
   * Attempts at one stream: the first, retries, hedges, fallbacks; those that were refused are not counted, nor what a fallback
   * does inside. `retry.maxElapsedMs` and `retry.budget` hold for all of them as well; of the budget a fallback is free, or an
   * outage would end the streams that could be served elsewhere.
   *
   * @defaultValue Infinity
   */
  maxAttempts?: number | undefined;
}

/** @internal What a stream shares with those that it is a part of. */
export interface StreamContext<T> {
  /** Instead of what is configured. */
  readonly partials?: PartialPlan<T> | undefined;
  readonly tree?: Tree | undefined;
  readonly hedgeTargets?: FallbackChain<T> | undefined;
  /** An estimate of what the request has in LLM tokens. */
  readonly inputTokens?: (() => number) | undefined;
}

/** What can be said anew for each stream that one pipeline protects. */
export interface StreamOptions<T = unknown> extends CostOptions<T>, PriorityOptions, RuntimeOptions<T> {
  /** Instead of the configured targets; what these deliver is counted by whoever protects them. */
  fallback?: readonly FallbackInput<T>[] | undefined;
}

/**
 * The whole pipeline, fused: one subscription per attempt, whatever is configured. Outermost first: total deadline,
 * fallback, retry, breaker, admission (rate and slot), first and idle timeouts, source.
 */
export class Pipeline<T> {
  readonly checker: PreflightChecker;
  readonly #config: ResilienceConfig<T>;
  readonly #plan: Plan<T>;
  readonly #retry: (() => Recovery<T>) | undefined;
  readonly #chain: FallbackChain<T> | undefined;

  /** @throws TypeError, RangeError naming the option */
  constructor(config: ResilienceConfig<T>, options?: RuntimeOptions<T>) {
    const runtime = resolveRuntime<T>(config, options);
    const {
      retry,
      fallback,
      timeout = {},
      circuitBreaker,
      rateLimiter,
      backpressure,
      shouldFallback,
      onFallback,
      hedge,
      maxAttempts = Infinity,
    } = config;
    const clock = (): number => runtime.scheduler.now();
    functionOption('shouldFallback', shouldFallback);
    functionOption('onFallback', onFallback);
    const { limits, totalMs } = resolveLimits(timeout);
    const resolved = retry === undefined ? undefined : resolveRetry<T>(retry);
    const admission = resolveAdmission<T>({ circuitBreaker, rateLimiter, backpressure }, runtime, config);
    this.#config = config;
    this.checker = admission.checker;
    this.#retry = resolved && (() => new RetryRecovery(resolved, runtime.random));
    this.#chain = fallback && toChain<T>(fallback);
    this.#plan = {
      ...runtime,
      admission,
      limits,
      totalMs,
      hold: false,
      partials: partialPlanOf(resolveOnPartial('onPartial', config.onPartial ?? resolved?.onPartial), runtime),
      hedge: hedge && new HedgePlan<T>(hedge, clock, { budget: resolved?.budget, preflight: admission.checker }),
      maxAttempts: numberOption('maxAttempts', maxAttempts, { min: 1, integer: true, infinity: true }),
      maxElapsedMs: resolved?.maxElapsedMs,
      budget: resolved?.budget,
    };
  }

  /** The limits of one stream, to be shared with others that are a part of it. */
  tree(): Tree {
    const { maxAttempts, maxElapsedMs, scheduler } = this.#plan;
    return new Tree(scheduler, scheduler.now(), maxAttempts, maxElapsedMs);
  }

  /** The operator that runs streams by it, reporting to `hub`. */
  operator<U extends T>(
    hub?: SignalsHub,
    options: StreamOptions<U> = {},
    { partials = this.#plan.partials as PartialPlan<U> | undefined, ...context }: StreamContext<U> = {},
  ): MonoTypeOperatorFunction<U> {
    const { cost, usage, priority, fallback } = options;
    const plan = this.#plan as unknown as Plan<U>;
    const chain = fallback ? toChain<U>(fallback) : (this.#chain as FallbackChain<U> | undefined);
    const recoveries = [this.#retry, chain && (() => new FallbackRecovery(chain, this.#config))].filter(
      (recovery) => recovery !== undefined,
    ) as (() => Recovery<U>)[];
    functionOption('usage', usage);
    if (priority !== undefined) numberOption('priority', priority, { min: -Number.MAX_VALUE });
    const admission = plan.admission && {
      ...plan.admission,
      ...(cost !== undefined && { cost }),
      ...(usage && { usage }),
      ...(priority !== undefined && { priority }),
    };
    return operatorOf<U>({
      ...plan,
      ...context,
      partials,
      ...resolveRuntime<U>(plan, options),
      admission,
      recoveries,
      hold: recoveries.length > 0 || plan.hedge !== undefined,
      hub,
      fallbackHub: fallback ? undefined : hub,
    });
  }
}
