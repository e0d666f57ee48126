import { classifyError } from '../errors/classifyError';
import { PreflightError, type PreflightFailure } from '../errors/rejections';
import { isRejected, type RejectedError } from '../errors/WeirError';
import { toBackpressure, type Backpressure, type BackpressureConfig } from './Backpressure';
import { CircuitBreaker, type CircuitBreakerConfig, type CircuitCall } from './CircuitBreaker';
import { describe, wallClock } from './options';
import { RateLimiter, type RateCharge, type RateLimiterConfig } from './RateLimiter';
import { USUAL_COST, type Cost, type Queueable, type Waiter } from './waiting';

/** What a stream must be admitted by; each part an instance (shared) or its options (made here). */
export interface AdmissionParts {
  circuitBreaker?: CircuitBreaker | CircuitBreakerConfig | undefined;
  rateLimiter?: RateLimiter | RateLimiterConfig | undefined;
  backpressure?: Backpressure | BackpressureConfig | number | undefined;
}

/** What {@link PreflightChecker.check} found. */
export interface PreflightReport {
  readonly passed: boolean;
  readonly failures: readonly PreflightFailure[];
}

function isGiven<P extends object>(name: string, part: P | undefined): part is P {
  if (part !== undefined && (typeof part !== 'object' || part === null)) {
    throw new TypeError(`${name} must be an instance or options, got ${describe(part)}`);
  }
  return part !== undefined;
}

/**
 * Everything that one admitted stream holds. The first of `succeed`, `fail` and `ignore` decides its outcome, settles
 * the breaker and gives the slot back; whatever comes later does nothing.
 */
export class AdmissionPermit {
  readonly #checker: PreflightChecker;
  readonly #call: CircuitCall | undefined;
  readonly #charge: RateCharge | undefined;
  #held = true;
  /** @internal Called once the outcome is decided, before the slot is given back. */
  settling: (() => void) | undefined;

  constructor(checker: PreflightChecker, cost: Required<Cost>, call: CircuitCall | undefined, now: number) {
    this.#checker = checker;
    this.#call = call;
    checker.backpressure?.enter();
    this.#charge = checker.rateLimiter?.charge(cost, now);
  }

  /** The source gave its first content. */
  content(now: number = this.#checker.clock()): void {
    if (this.#held && this.#call) this.#checker.circuitBreaker?.content(this.#call, now);
  }

  /** The real cost in LLM tokens, in place of the estimate; the last report wins, also one after the end. */
  settle(tokens: number, now: number = this.#checker.clock()): void {
    this.#charge?.settle(tokens, now);
  }

  succeed(now: number = this.#checker.clock()): void {
    this.#end(() => this.#leave(now, false));
  }

  /**
   * A failure counts in the breaker or not, by its class; a 429 that says how long pauses the rate limiter. What `isFailure` throws is thrown here, with nothing held any more.
   *
   * @returns whether it counted; `undefined` where there is no breaker to say, or nothing was held
   */
  fail(error: unknown, now: number = this.#checker.clock()): boolean | undefined {
    let counts: boolean | undefined;
    this.#end(() => {
      const { circuitBreaker, rateLimiter } = this.#checker;
      const classified = classifyError(error, { now });
      const { code, retryAfterMs } = classified;
      try {
        counts = circuitBreaker?.counts(error, { error: classified });
      } finally {
        // Kept as the cause of refusals: the raw error, or what is left of it without the secrets that it shows.
        if (counts) this.#leave(now, true, classified === error ? error : classified.cause);
        else this.#leave(now);
        if (code === 'E2001' && retryAfterMs && !isRejected(error)) rateLimiter?.observe({ retryAfterMs }, now);
      }
    });
    return counts;
  }

  ignore(now: number = this.#checker.clock()): void {
    this.#end(() => this.#leave(now));
  }

  /** The stream was left before its source was opened: what it cost is given back too. */
  cancel(now: number = this.#checker.clock()): void {
    if (this.#held) this.#charge?.cancel(now);
    this.ignore(now);
  }

  /** The same as {@link ignore}. */
  release(now?: number): void {
    this.ignore(now);
  }

  /** @param failed - as the breaker takes it */
  #leave(now: number, failed?: boolean, error?: unknown): void {
    if (this.#call) this.#checker.circuitBreaker?.leave(this.#call, now, failed, error);
  }

  #end(decide: () => void): void {
    if (!this.#held) return;
    this.#held = false;
    try {
      decide();
    } finally {
      // Last: who waits is started here and must meet the breaker, and the bucket's pause, as this outcome left them.
      this.settling?.();
      this.#checker.backpressure?.leave();
    }
  }
}

/**
 * Asks a breaker, a rate limiter and a concurrency limit together: all or nothing.
 *
 * @throws TypeError, RangeError for a bad part
 */
export class PreflightChecker {
  readonly circuitBreaker: CircuitBreaker | undefined;
  readonly rateLimiter: RateLimiter | undefined;
  readonly backpressure: Backpressure | undefined;
  /** @internal The parts that one may have to wait for. */
  readonly queues: readonly Queueable[];
  /** @internal */
  readonly clock: () => number;

  /** @param parts - `clock` (default: the wall clock) is used by the parts that are made here, and where no `now` is given */
  constructor(parts: AdmissionParts & { clock?: () => number }) {
    if (typeof parts !== 'object' || (parts as unknown) === null) {
      throw new TypeError(`preflight takes { circuitBreaker?, rateLimiter?, backpressure? }, got ${describe(parts)}`);
    }
    const { circuitBreaker: breaker, rateLimiter: limiter, backpressure, clock = wallClock } = parts;
    this.clock = clock;
    // By their methods, not by instanceof: an instance of another copy of the package is as good.
    this.circuitBreaker = isGiven('circuitBreaker', breaker)
      ? 'tryAcquire' in breaker
        ? breaker
        : new CircuitBreaker({ clock, ...breaker })
      : undefined;
    this.rateLimiter = isGiven('rateLimiter', limiter)
      ? 'take' in limiter
        ? limiter
        : new RateLimiter({ clock, ...limiter })
      : undefined;
    this.backpressure = backpressure === undefined ? undefined : toBackpressure(backpressure);
    this.queues = [this.rateLimiter, this.backpressure].filter((part) => part !== undefined);
  }

  /** Whether a stream would be admitted now. Takes and changes nothing. */
  check(cost?: Cost, now: number = this.clock()): PreflightReport {
    const failures = this.#failures(this.cost(cost), now);
    return { passed: failures.length === 0, failures };
  }

  /** Takes a probe or permit, a slot and the cost at once, or nothing. @returns the permit, or the reason as an error */
  tryAdmit(cost?: Cost, now: number = this.clock()): AdmissionPermit | PreflightError {
    const whole = this.cost(cost);
    const [first, ...rest] = this.#failures(whole, now);
    return first ? new PreflightError([first, ...rest]) : (this.take(whole, now) as AdmissionPermit);
  }

  /** @internal The cost with its defaults. @throws TypeError, RangeError */
  cost(cost?: Cost): Required<Cost> {
    return this.rateLimiter?.cost(cost) ?? USUAL_COST;
  }

  /** @internal Whether slot and bucket are free for `who`, the breaker aside. */
  ready(cost: Required<Cost>, now: number, who?: Waiter): boolean {
    return (this.backpressure?.ready(cost, now, who) ?? true) && (this.rateLimiter?.ready(cost, now, who) ?? true);
  }

  /** @internal Takes everything; the caller has checked {@link ready}. The breaker may still refuse. */
  take(cost: Required<Cost>, now: number): AdmissionPermit | RejectedError {
    // Each part tells that it changed: who acts on that must not come between the taking of one and of the next.
    const { circuitBreaker, rateLimiter, backpressure } = this;
    circuitBreaker?.hold();
    rateLimiter?.hold();
    backpressure?.hold();
    let permit: AdmissionPermit | RejectedError;
    try {
      const call = circuitBreaker?.enter(now);
      permit = isRejected(call) ? call : new AdmissionPermit(this, cost, call, now);
    } finally {
      // Whatever a listener throws, the others are told as well, and nothing stays held back.
      try {
        circuitBreaker?.tell();
      } finally {
        try {
          rateLimiter?.tell();
        } finally {
          backpressure?.tell();
        }
      }
    }
    return permit;
  }

  #failures(cost: Required<Cost>, now: number): PreflightFailure[] {
    const refusals = [
      this.circuitBreaker?.check(now),
      this.rateLimiter?.check(cost, now),
      this.backpressure?.check(cost, now),
    ];
    return refusals.flatMap((error) =>
      error ? [{ component: error.component, retryAfterMs: error.retryAfterMs, reason: error.message }] : [],
    );
  }
}
