import { isDiverged } from '../../src/errors/streamErrors';
import { isRejected } from '../../src/errors/WeirError';
import { backoffDelay, type ResolvedRetry } from '../../src/policies/backoff';
import type { ErrorContext } from '../../src/policies/ErrorContext';
import { MAX_DELAY_MS } from '../../src/policies/options';
import type { Decision, Failure, Recovery } from './recovery';

/** Whether and when one stream tries its source again. */
export class RetryRecovery<T> implements Recovery<T> {
  readonly #config: Omit<ResolvedRetry, 'onPartial'>;
  readonly #random: () => number;
  #delayOf: ReturnType<typeof backoffDelay> | undefined;
  #retries = 0;
  #previousMs: number | undefined;

  constructor(config: Omit<ResolvedRetry, 'onPartial'>, random: () => number) {
    this.#config = config;
    this.#random = random;
  }

  decide(failure: Failure): Decision<T> | undefined | PromiseLike<Decision<T> | undefined> {
    const { error, classified, emitted, elapsedMs, final, primary } = failure;
    const { retryOn, budget, maxRetries } = this.#config;
    // A refusal is never retried: whoever refused knows better when to come again.
    if (!primary || isRejected(error)) return undefined;
    if (final || this.#retries >= maxRetries || isDiverged(error)) {
      if (classified.retryable) budget?.failed();
      return undefined;
    }
    const ctx = { error: classified, attempt: this.#retries + 1, emitted, elapsedMs: elapsedMs() };
    const verdict = retryOn ? retryOn(error, ctx) : classified.retryable;
    return verdict && typeof verdict === 'object'
      ? verdict.then((retryable) => this.#schedule(retryable, failure, ctx))
      : this.#schedule(verdict, failure, ctx);
  }

  #schedule(
    retryable: boolean,
    { error, elapsedMs, isOver, classified, allows }: Failure,
    ctx: ErrorContext,
  ): Decision<T> | undefined {
    if (!retryable || isOver()) return undefined;
    const { budget, respectRetryAfter, maxRetryAfterMs, maxElapsedMs, onRetry } = this.#config;
    budget?.failed();
    if (budget && !budget.allowed) return undefined;
    const asked = (respectRetryAfter && classified.retryAfterMs) || 0;
    const delayMs = Math.max(asked, this.#nextDelay(ctx.attempt));
    // A server's wait is never cut short: one that is too long fails now, so that a fallback can take over.
    if (asked > maxRetryAfterMs || delayMs > MAX_DELAY_MS || elapsedMs() + delayMs > maxElapsedMs || !allows(delayMs)) {
      return undefined;
    }
    onRetry?.(error, { ...ctx, delayMs });
    this.#retries++;
    return { type: 'retry', delayMs };
  }

  #nextDelay(attempt: number): number {
    const delayOf = (this.#delayOf ??= backoffDelay(this.#config));
    return (this.#previousMs = delayOf(attempt, { previousMs: this.#previousMs, random: this.#random }));
  }
}
