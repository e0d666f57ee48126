import {
  asyncScheduler,
  type BehaviorSubject,
  type MonoTypeOperatorFunction,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import {
  Pipeline,
  type ResilienceConfig,
  type StreamContext,
  type StreamOptions,
} from '../../operators/kernel/pipeline';
import type { Tree } from '../../operators/kernel/Tree';
import { describe, numberOption } from '../policies/options';
import type { PreflightChecker } from '../policies/PreflightChecker';
import { SignalsHub } from '../signals/SignalsHub';
import type { SignalsSnapshot } from '../signals/SignalsSnapshot';
import type { WeirEvent } from '../signals/WeirEvent';
import type { Environment } from '../sources/processEnv';
import { resilienceFromEnv } from './environment';

/** What an executor is told beside its policies. */
export interface ExecutorOptions {
  /** Shown in signals. */
  provider?: string | undefined;
  /** Shown in signals. */
  model?: string | undefined;
  /** @defaultValue asyncScheduler */
  scheduler?: SchedulerLike;
  /** Chance, in [0, 1). @defaultValue Math.random */
  random?(): number;
  /** How often `signals$` emits at the most, in ms; circuit transitions are emitted at once. @defaultValue 50 */
  everyMs?: number;
}

/**
 * One set of policies for many streams, with their live state.
 *
 * ```ts
 * const executor = new ResilientExecutor({ retry: {}, circuitBreaker: {}, backpressure: 4 });
 * executor.signals$.subscribe(({ circuitState }) => badge.show(circuitState));
 * chat$.pipe(executor.protect()).subscribe(show);
 * ```
 *
 * Each part is optional, and is a policy (shared with whoever else has it) or its options.
 */
export class ResilientExecutor {
  /** The live state; its `value` is the truth now. */
  readonly signals$: BehaviorSubject<SignalsSnapshot>;
  /** What happens to each stream. */
  readonly events$: Observable<WeirEvent>;
  readonly #hub: SignalsHub;
  readonly #pipeline: Pipeline<unknown>;

  /** @throws TypeError, RangeError for a bad option, naming it and its value */
  constructor(config: ResilienceConfig = {}, options: ExecutorOptions = {}) {
    if (typeof config !== 'object' || (config as unknown) === null || 'protect' in config) {
      throw new TypeError(`a ResilientExecutor takes options, got ${describe(config)}`);
    }
    const { provider, model, everyMs = 50, scheduler = config.scheduler ?? asyncScheduler, random } = options;
    this.#pipeline = new Pipeline<unknown>(config, { scheduler, ...(random && { random }) });
    const { circuitBreaker, rateLimiter, backpressure } = this.#pipeline.checker;
    const sources = { circuitBreaker, rateLimiter, backpressure, provider, model };
    this.#hub = new SignalsHub(sources, numberOption('everyMs', everyMs, { min: 1 }), scheduler);
    this.signals$ = this.#hub.signals$;
    this.events$ = this.#hub.events$;
  }

  /** So that Vue's `ref` puts no proxy around it, behind which it could not work. */
  get [Symbol.toStringTag](): string {
    return 'ResilientExecutor';
  }

  /** Retries, a rate of 10 requests a second, a breaker and 10 slots: the defaults of every part. */
  static production(options?: ExecutorOptions): ResilientExecutor {
    return new ResilientExecutor(
      { retry: {}, rateLimiter: { requestsPerSecond: 10 }, circuitBreaker: {}, backpressure: {} },
      options,
    );
  }

  /** Two retries, and nothing else. */
  static minimal(options?: ExecutorOptions): ResilientExecutor {
    return new ResilientExecutor({ retry: { maxRetries: 2 } }, options);
  }

  /**
   * Retries, and what `AI_LIB_RPS` or `AI_LIB_RPM`, `AI_LIB_BREAKER_FAILURE_THRESHOLD`, `AI_LIB_BREAKER_COOLDOWN_SECS` and
   * `AI_LIB_MAX_INFLIGHT` ask for.
   *
   * @param env - @defaultValue `process.env` where there is one
   * @throws TypeError, RangeError naming the variable and its value
   */
  static fromEnv(env?: Environment, options?: ExecutorOptions): ResilientExecutor {
    return new ResilientExecutor({ retry: {}, ...resilienceFromEnv(env) }, options);
  }

  /** The policies, to ask them before a stream is made (`check`), or to act on them (`circuitBreaker.isolate()`). */
  get preflight(): PreflightChecker {
    return this.#pipeline.checker;
  }

  /**
   * The operator that puts all of it on a stream.
   *
   * @param options - what this stream costs, its priority, and where to go when it fails, instead of what is configured
   */
  protect<T>(options?: StreamOptions<T>, /** @internal */ context?: StreamContext<T>): MonoTypeOperatorFunction<T> {
    return this.#pipeline.operator<T>(this.#hub, options, context);
  }

  /** @internal The limits of one stream, which its parts share. */
  tree(): Tree {
    return this.#pipeline.tree();
  }

  /** The state now. */
  snapshot(): SignalsSnapshot {
    return this.#hub.snapshot();
  }

  /** Closes the circuit (isolations stay), fills the bucket and forgets what was counted. Streams that run go on. */
  reset(): void {
    const { circuitBreaker, rateLimiter } = this.#pipeline.checker;
    circuitBreaker?.reset();
    rateLimiter?.reset();
    this.#hub.reset();
  }
}
