import { whole, within } from './check';
import type { RateDimension, RateState } from './dialects/Dialect';

/** The limits of one provider; what is left out is unlimited. */
export interface ProviderLimitsConfig {
  /** The bucket refills evenly, as the providers' do. */
  requestsPerMinute?: number;
  /** How many requests the bucket holds. @defaultValue requestsPerMinute */
  requestBurst?: number;
  /** Charged at the start: by OpenAI the greater of `max_tokens` and the estimated input, by Anthropic the estimated input. */
  tokensPerMinute?: number;
  /** How many tokens the bucket holds. @defaultValue tokensPerMinute */
  tokenBurst?: number;
  /** Requests in progress. */
  concurrency?: number;
}

class Bucket {
  readonly perMinute: number;
  readonly capacity: number;
  readonly #perMs: number;
  #balance: number;
  #at: number;

  constructor(perMinute: number, capacity: number, now: number) {
    this.perMinute = perMinute;
    this.capacity = capacity;
    this.#perMs = perMinute / 60_000;
    this.#balance = capacity;
    this.#at = now;
  }

  /** Until `cost` is there, in ms. */
  waitMs(cost: number, now: number): number {
    this.#balance = Math.min(this.capacity, this.#balance + Math.max(0, now - this.#at) * this.#perMs);
    this.#at = now;
    // A sum of refills is never exact: what is missing by a rounding error is there.
    const missing = Math.min(cost, this.capacity) - this.#balance;
    return missing > 1e-9 * this.capacity ? missing / this.#perMs : 0;
  }

  take(cost: number): void {
    this.#balance -= Math.min(cost, this.capacity);
  }

  state(): RateDimension {
    const resetMs = (this.capacity - this.#balance) / this.#perMs;
    return { limit: this.perMinute, remaining: Math.max(0, Math.floor(this.#balance + 1e-9)), resetMs };
  }
}

/** Really limits one provider: what it refuses takes nothing. Times are an argument, in ms. */
export class ProviderLimits {
  readonly #concurrency: number;
  readonly #requests: Bucket | undefined;
  readonly #tokens: Bucket | undefined;

  /** @throws RangeError naming the limit and the value */
  constructor(config: ProviderLimitsConfig, now: number) {
    const { requestsPerMinute: rpm, tokensPerMinute: tpm, concurrency = Infinity } = config;
    const { requestBurst = rpm, tokenBurst = tpm } = config;
    if (concurrency !== Infinity) whole('limits.concurrency', concurrency, 0);
    for (const [name, value] of Object.entries({
      requestsPerMinute: rpm,
      requestBurst,
      tokensPerMinute: tpm,
      tokenBurst,
    })) {
      if (value !== undefined) within(`limits.${name}`, value, Number.MIN_VALUE, Number.MAX_SAFE_INTEGER);
    }
    this.#concurrency = concurrency;
    this.#requests = rpm && requestBurst ? new Bucket(rpm, requestBurst, now) : undefined;
    this.#tokens = tpm && tokenBurst ? new Bucket(tpm, tokenBurst, now) : undefined;
  }

  /** Admits or refuses one request. @param active - this provider's requests in progress, without this one */
  admit(tokens: number, active: number, now: number): RateState {
    const requestsMs = this.#requests?.waitMs(1, now) ?? 0;
    const tokensMs = this.#tokens?.waitMs(tokens, now) ?? 0;
    const busy = active >= this.#concurrency;
    const waitMs = Math.max(requestsMs, tokensMs);
    if (!busy && waitMs === 0) {
      this.#requests?.take(1);
      this.#tokens?.take(tokens);
    }
    const state: RateState = {};
    if (this.#requests) state.requests = this.#requests.state();
    if (this.#tokens) state.tokens = this.#tokens.state();
    if (waitMs > 0)
      Object.assign(state, { refusedBy: tokensMs > requestsMs ? 'tokens' : 'requests', retryAfterMs: waitMs });
    else if (busy) state.refusedBy = 'concurrency';
    return state;
  }
}
