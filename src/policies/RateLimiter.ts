import type { RateLimitInfo } from '../errors/headers';
import { RateLimitExceededError } from '../errors/rejections';
import { functionOption, wallClock } from './options';
import { needs, numberOptions } from './optionTable';
import { both, grownAt, refill, type Buckets, type Limit, type Limits } from './tokenBuckets';
import { Queueable, USUAL_COST, type Cost, type Waiter } from './waiting';

/** A token bucket in up to two dimensions; with no rate at all it is unlimited. */
export interface RateLimiterConfig {
  /** Requests per second. `Infinity`: no limit. @defaultValue no limit */
  requestsPerSecond?: number;
  /** Requests per minute, instead of `requestsPerSecond`. `Infinity`: no limit. @defaultValue no limit */
  requestsPerMinute?: number;
  /** Requests that may start at once after a quiet time, at least 1. @defaultValue max(1, ceil(requests per second)) */
  burstSize?: number;
  /** LLM tokens per minute, input and output together. `Infinity`: no limit. @defaultValue no limit */
  tokensPerMinute?: number;
  /** Tokens that may be taken at once after a quiet time: no stream may cost more. @defaultValue `tokensPerMinute` */
  tokenBurst?: number;
  /** Streams that may wait; one more is refused at once. `Infinity`: no limit. @defaultValue Infinity */
  maxQueue?: number;
  /** A stream that would wait longer, in ms, is refused at once. `Infinity`: no limit. @defaultValue Infinity */
  maxWaitMs?: number;
  /** Whether {@link RateLimiter.observe} is heeded. @defaultValue true */
  adaptive?: boolean;
  /** Where `now` comes from when a method is not told, in ms. @defaultValue the wall clock */
  clock?: () => number;
}

/** The limiter at one instant; each number is `null` where its dimension is unlimited. */
export interface RateSnapshot {
  /** Requests that may start now; a fraction is one on its way. */
  readonly remaining: number | null;
  /** In requests. */
  readonly capacity: number | null;
  /** In requests. */
  readonly refillPerSecond: number | null;
  /** LLM tokens left; negative: a debt, made by answers longer than their estimate. */
  readonly tokensRemaining: number | null;
  /** Streams waiting. */
  readonly queued: number;
  /** Until when nothing can start, in ms on the clock; `null`: something can start now. */
  readonly throttledUntil: number | null;
}

/** What a stream took. */
export interface RatePermit {
  /**
   * Replaces the estimate by what the stream really cost (LLM tokens, input and output): refunds or debits the
   * difference, also below zero. May be called again, the last report wins; NaN and negatives are ignored.
   */
  settle(actualTokens: number, now?: number): void;
  /** Gives everything back: nothing was started. */
  cancel(now?: number): void;
}

/** What one stream was charged, as it can be changed later. */
export class RateCharge implements RatePermit {
  readonly #limiter: RateLimiter;
  readonly #cost: Required<Cost>;
  #tokens: number;

  /** Charges nothing: that was done. */
  constructor(limiter: RateLimiter, cost: Required<Cost>) {
    this.#limiter = limiter;
    this.#cost = cost;
    this.#tokens = cost.tokens;
  }

  settle(actualTokens: number, now?: number): void {
    if (!(actualTokens >= 0 && actualTokens < Infinity)) return;
    const refund = this.#tokens - actualTokens;
    this.#tokens = actualTokens;
    this.#limiter.giveBack(0, refund, now);
  }

  cancel(now?: number): void {
    this.#limiter.giveBack(this.#cost.requests, this.#tokens, now);
  }
}

/** One that waits says that nothing can start. */
const SMALLEST: Required<Cost> = { requests: 1, tokens: 1 };

const finite = (value: number): number | null => (value < Infinity ? value : null);

/**
 * Keeps streams below a provider's rate limits, shared between streams. Costs are taken in both dimensions or in neither.
 *
 * @example
 * const limiter = new RateLimiter({ requestsPerMinute: 500, tokensPerMinute: 200_000 });
 * source$.pipe(throttleTokens(limiter, { cost: { tokens: 1500 } }));
 */
export class RateLimiter extends Queueable {
  override readonly config: Readonly<{ maxQueue: number; maxWaitMs: number; adaptive: boolean; clock: () => number }>;
  readonly #limits: Limits;
  #buckets: Buckets;
  /** The same on a clock that was put back; void when the clock is again where it was. */
  #behind: Buckets | undefined;

  /** @throws TypeError | RangeError for a bad option, two rates for requests, or a burst without its rate */
  constructor(config: RateLimiterConfig = {}) {
    super();
    const { adaptive = true, clock = wallClock } = config;
    const rate = { min: 1e-6, infinity: true }; // slower, and no timer could wait for the next request
    const numbers = numberOptions(config, {
      maxQueue: [Infinity, { integer: true, infinity: true }],
      maxWaitMs: [Infinity, { infinity: true }],
      requestsPerSecond: [undefined, rate],
      requestsPerMinute: [undefined, rate],
      burstSize: [undefined, { min: 1 }],
      tokensPerMinute: [Infinity, { min: 1, infinity: true }],
      tokenBurst: [undefined, { min: 1 }],
    });
    functionOption('clock', clock);
    needs(config, 'burstSize', 'requestsPerSecond', 'requestsPerMinute');
    needs(config, 'tokenBurst', 'tokensPerMinute');
    const { maxQueue, maxWaitMs, requestsPerSecond, tokensPerMinute: tpm } = numbers;
    if (requestsPerSecond && numbers.requestsPerMinute) {
      throw new TypeError('requestsPerSecond and requestsPerMinute exclude each other');
    }
    const rpm = numbers.requestsPerMinute ?? (requestsPerSecond ?? Infinity) * 60;
    const limit = (perMinute: number, capacity: number): Limit => ({
      capacity: perMinute < Infinity ? capacity : Infinity,
      perSecond: perMinute / 60,
      msEach: 60_000 / perMinute || 1,
    });
    this.config = Object.freeze({ maxQueue, maxWaitMs, adaptive, clock });
    this.#limits = {
      requests: limit(rpm, numbers.burstSize ?? Math.max(1, Math.ceil(rpm / 60))),
      tokens: limit(tpm, numbers.tokenBurst ?? tpm),
    };
    this.#buckets = this.#full(0);
  }

  /** A cost with its defaults. @throws TypeError | RangeError where a part is NaN, negative, infinite or no number */
  cost(cost?: Cost): Required<Cost> {
    return cost === undefined ? USUAL_COST : numberOptions(cost, { requests: [1], tokens: [0] });
  }

  /** How long until `cost` alone could be taken, in ms, a pause included. 0: now; `Infinity`: never. */
  override waitMs(cost: Required<Cost>, now: number = this.config.clock()): number {
    return Math.max(0, this.#readyAt(cost, now) - now);
  }

  /** How long until `ahead` and then `cost` could have been taken, in ms. */
  override backlogMs(ahead: Required<Cost>, cost: Required<Cost>, now: number = this.config.clock()): number {
    const from = this.#base(now);
    // In a pause the buckets fill, but never above their capacity.
    const then = refill(from, Math.max(now, from.pausedUntil), this.#limits);
    const all = both((d) => ahead[d] + cost[d]);
    return Math.max(this.waitMs(cost, now), grownAt(then, all, this.#limits) - now);
  }

  override lacks(cost: Required<Cost>, now: number = this.config.clock()): boolean {
    // With time the balances only grow: where they are enough, nothing has to be computed.
    const { at, pausedUntil, requests, tokens } = this.#base(now);
    const isThere = cost.requests <= requests && cost.tokens <= tokens && now >= at && now >= pausedUntil;
    return !(isThere && this.#fits(cost)) && this.waitMs(cost, now) > 0;
  }

  /**
   * The refusal that a stream would get now if it could not wait; changes nothing.
   *
   * @param who - the waiter that asks, if it waits already
   */
  check(cost: Required<Cost>, now: number = this.config.clock(), who?: Waiter): RateLimitExceededError | undefined {
    if (this.ready(cost, now, who)) return undefined;
    const heads = [...this.lines].map(({ head }) => (head ? this.waitMs(head.cost, now) : 0));
    return this.refuse(undefined, Math.max(this.waitMs(cost, now), ...heads));
  }

  override refuse(why?: string, retryAfterMs = 0): RateLimitExceededError {
    return retryAfterMs < Infinity
      ? new RateLimitExceededError(why && `the rate limit is exhausted: ${why}`, { retryAfterMs })
      : new RateLimitExceededError('the cost is above burstSize or tokenBurst');
  }

  /** Takes `cost`; the caller has checked. */
  take(cost: Required<Cost>, now: number = this.config.clock()): RatePermit {
    const charge = this.charge(cost, now);
    // As functions, so that they can be taken apart and passed on.
    return { settle: (actualTokens, at) => charge.settle(actualTokens, at), cancel: (at) => charge.cancel(at) };
  }

  /** @internal As {@link take}, for a quarter of the memory. */
  charge(cost: Required<Cost>, now: number): RateCharge {
    this.giveBack(-cost.requests, -cost.tokens, now);
    return new RateCharge(this, cost);
  }

  /** @internal */
  giveBack(requests: number, tokens: number, now: number = this.config.clock()): void {
    const is = this.#refilled(now);
    const { at, pausedUntil } = is;
    this.#become({ at, pausedUntil, requests: is.requests + requests, tokens: is.tokens + tokens });
  }

  /**
   * Heeds what the provider says of its limits (see `parseRateLimit`): lowers the balances and pauses, nothing else. NaN
   * and negatives are ignored; `resetMs` pauses only where some remaining is 0, or none is said.
   */
  observe(info: RateLimitInfo, now: number = this.config.clock()): void {
    if (!this.config.adaptive) return;
    const said = (value = NaN, otherwise: number): number => (value >= 0 ? value : otherwise);
    const left = { requests: said(info.remainingRequests, Infinity), tokens: said(info.remainingTokens, Infinity) };
    const least = Math.min(left.requests, left.tokens);
    const pauseMs = Math.max(said(info.retryAfterMs, 0), least > 0 && least < Infinity ? 0 : said(info.resetMs, 0));
    const is = this.#refilled(now);
    const { requests, tokens } = both((d) => (this.#limits[d].capacity < Infinity ? Math.min(is[d], left[d]) : is[d]));
    // JSON has no Infinity; what no timer can wait for is refused by the operators.
    const pausedUntil = Math.max(is.pausedUntil, Math.min(now + pauseMs, Number.MAX_SAFE_INTEGER));
    this.#become({ at: is.at, pausedUntil, requests, tokens });
  }

  snapshot(now: number = this.config.clock()): RateSnapshot {
    const { requests, tokens } = this.#refilled(now);
    const { capacity, perSecond } = this.#limits.requests;
    const throttledUntil = this.#readyAt(SMALLEST, now);
    return {
      remaining: finite(Math.max(0, requests)),
      capacity: finite(capacity),
      refillPerSecond: finite(perSecond),
      tokensRemaining: finite(tokens),
      queued: this.queued,
      throttledUntil: throttledUntil > now ? throttledUntil : null,
    };
  }

  /** Whether not even the smallest stream (one request, one token) could start now. */
  isThrottled(now: number = this.config.clock()): boolean {
    return this.lacks(SMALLEST, now);
  }

  /** Full buckets, no pause. */
  reset(now: number = this.config.clock()): void {
    this.#become(this.#full(now));
  }

  #full(at: number): Buckets {
    return { at, pausedUntil: -Infinity, ...both((d) => this.#limits[d].capacity) };
  }

  /** From the last change, not from `now`: an instant that does not tremble with the time of looking. */
  #readyAt(cost: Required<Cost>, now: number): number {
    const from = this.#base(now);
    return this.#fits(cost) ? Math.max(from.pausedUntil, grownAt(from, cost, this.#limits)) : Infinity;
  }

  /** Whether full buckets hold it. */
  #fits({ requests, tokens }: Required<Cost>): boolean {
    return !(requests > this.#limits.requests.capacity || tokens > this.#limits.tokens.capacity);
  }

  /**
   * What to count from. On a clock that was put back nothing would be gained until it is where it was before, so time
   * counts anew from the first look, and a pause keeps what it had left. A little back is no such clock: somebody read it
   * before somebody else did.
   */
  #base(now: number): Buckets {
    const isBack = ({ at }: Buckets): boolean => now < at - 100;
    if (!isBack(this.#buckets)) {
      this.#behind = undefined;
      return this.#buckets;
    }
    const last = this.#behind ?? this.#buckets;
    if (isBack(last)) this.#behind = { ...last, at: now, pausedUntil: last.pausedUntil + now - last.at };
    return this.#behind ?? last;
  }

  #refilled(now: number): Buckets {
    return refill(this.#base(now), now, this.#limits);
  }

  /** A refund above the capacity is cut by the next refill, which comes before anything is taken. */
  #become(buckets: Buckets): void {
    this.#buckets = buckets;
    this.#behind = undefined;
    this.changed();
  }
}
