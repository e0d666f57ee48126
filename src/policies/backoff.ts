import type { ErrorContext } from './ErrorContext';
import { choiceOption, functionOption, objectOption, MAX_DELAY_MS } from './options';
import { numberOptions } from './optionTable';
import { resolveOnPartial, type OnPartial } from './partial';
import type { RetryBudget } from './RetryBudget';

/** How chance spreads the delays of streams that failed together. */
export type Jitter = 'full' | 'equal' | 'decorrelated' | 'none';

/** The schedule of the delays between attempts. */
export interface BackoffConfig {
  /** The delay before the first retry, in ms. @defaultValue 1000 */
  initialDelayMs?: number;
  /** No delay is longer, in ms, jitter included; only a server's Retry-After is. `Infinity`: 2^31 - 1. @defaultValue 30000 */
  maxDelayMs?: number;
  /** What each delay is multiplied with to give the next, at least 1. @defaultValue 2 */
  backoffMultiplier?: number;
  /**
   * With d = min(initialDelayMs * backoffMultiplier^n, maxDelayMs): `'full'` waits U(0, d), `'equal'` d/2 + U(0, d/2),
   * `'none'` d; `'decorrelated'` waits min(maxDelayMs, U(initialDelayMs, 3 * the previous delay)).
   *
   * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
   * @defaultValue 'full'
   */
  jitter?: Jitter;
}

/** What `onRetry` is told. */
export interface RetryInfo extends ErrorContext {
  /** The wait before the next attempt, in ms. */
  readonly delayMs: number;
}

export interface RetryConfig<T = unknown> extends BackoffConfig {
  /** Retries per stream, the first attempt not counted; no value resets it. `Infinity`: no limit. @defaultValue 3 */
  maxRetries?: number;
  /**
   * Whether to retry; not asked about a refusal of the library or a diverged stream, which are never retried.
   *
   * @defaultValue `ctx.error.retryable`
   */
  retryOn?: (error: unknown, ctx: ErrorContext) => boolean | PromiseLike<boolean>;
  /** Whether a server's Retry-After is a floor under the delay. @defaultValue true */
  respectRetryAfter?: boolean;
  /** A longer Retry-After, in ms, fails at once, so that a fallback can take over. `Infinity`: no limit. @defaultValue 60000 */
  maxRetryAfterMs?: number;
  /** No attempt starts later than this after the stream was subscribed, in ms. @defaultValue Infinity */
  maxElapsedMs?: number;
  /** Shared between streams: stops all retries when too much fails. @defaultValue none */
  budget?: RetryBudget;
  /** What happens to an error after the first content. @defaultValue 'fail' */
  onPartial?: OnPartial<T>;
  /** Called when a retry is scheduled. */
  onRetry?: (error: unknown, info: RetryInfo) => void;
}

type Optional = 'retryOn' | 'budget' | 'onRetry';

/** A {@link RetryConfig} with its defaults, checked. */
export type ResolvedRetry<T = unknown> = Readonly<
  Required<Omit<RetryConfig, Optional | 'onPartial'>> & { [K in Optional]: RetryConfig[K] | undefined } & {
    onPartial: OnPartial<T>;
  }
>;

const LIMIT = { infinity: true };

/**
 * A config with its defaults; a number is `initialDelayMs`.
 *
 * @throws TypeError | RangeError for a bad option, naming it
 */
export function resolveRetry<T>(config: RetryConfig<T> | number = {}): ResolvedRetry<T> {
  const given: RetryConfig<T> = typeof config === 'number' ? { initialDelayMs: config } : config;
  objectOption('retryBackoff', given);
  const { retryOn, budget, onRetry, respectRetryAfter = true, jitter = 'full' } = given;
  functionOption('retryOn', retryOn);
  functionOption('onRetry', onRetry);
  choiceOption('jitter', jitter, ['full', 'equal', 'decorrelated', 'none']);
  if (budget && typeof budget.allowed !== 'boolean') throw new TypeError('budget must be a RetryBudget');
  const numbers = numberOptions(given, {
    maxRetries: [3, { ...LIMIT, integer: true }],
    initialDelayMs: [1000],
    maxDelayMs: [30_000, LIMIT],
    backoffMultiplier: [2, { min: 1 }],
    maxRetryAfterMs: [60_000, LIMIT],
    maxElapsedMs: [Infinity, LIMIT],
  });
  const onPartial = resolveOnPartial('onPartial', given.onPartial);
  return { ...numbers, jitter, retryOn, respectRetryAfter, budget, onPartial, onRetry };
}

/** What a delay may depend on beside the number of the attempt. */
export interface BackoffContext {
  /** The delay before this one, in ms; only `'decorrelated'` reads it. @defaultValue `initialDelayMs` */
  previousMs?: number | undefined;
  /** Chance, from 0 to 1. @defaultValue always 1: the longest delay that the schedule may give */
  random?: (() => number) | undefined;
}

/**
 * The schedule as a pure function: the delay in ms after attempt 1, 2, 3, ...; always finite, from 0 to
 * min(maxDelayMs, 2^31 - 1).
 *
 * @throws TypeError | RangeError for a bad option, naming it
 *
 * @example
 * const delay = backoffDelay({ initialDelayMs: 100, jitter: 'none' });
 * [1, 2, 3].map((attempt) => delay(attempt)); // [100, 200, 400]
 */
export function backoffDelay(config?: BackoffConfig | number): (attempt: number, context?: BackoffContext) => number {
  const { initialDelayMs, maxDelayMs, backoffMultiplier, jitter } = resolveRetry(config);
  const cap = Math.min(maxDelayMs, MAX_DELAY_MS);
  return (attempt, { previousMs = initialDelayMs, random = () => 1 } = {}) => {
    // Without the `&&`, 0 * 2^1024 would be NaN, and a timer of NaN ms fires at once.
    const d = initialDelayMs && Math.min(cap, initialDelayMs * backoffMultiplier ** (attempt - 1));
    const [low, high] = {
      full: [0, d],
      equal: [d / 2, d],
      decorrelated: [initialDelayMs, 3 * previousMs],
      none: [d, d],
    }[jitter] as [number, number];
    const ms = low + random() * (high - low);
    return ms >= 0 && ms <= cap ? ms : cap;
  };
}
