import type { SchedulerLike } from 'rxjs';
import { estimateTokens, rateLimitOf, usageOf } from '../../src/events/defaults';
import type { AdmissionPermit } from '../../src/policies/PreflightChecker';
import type { RateLimiter } from '../../src/policies/RateLimiter';

/** What a stream really used of its rate limiter: the provider's own report, or an estimate from its text. */
export class Meter<T> {
  readonly #permit: AdmissionPermit;
  readonly #limiter: RateLimiter;
  readonly #estimate: number;
  readonly #usage: ((value: T) => number | undefined) | undefined;
  /** `undefined`: the limiter does not count tokens, so nobody needs the text. */
  readonly #textOf: ((value: T) => string) | undefined;
  readonly #scheduler: SchedulerLike;
  #reported: number | undefined;
  #characters = 0; // since the last report

  constructor(
    permit: AdmissionPermit,
    limiter: RateLimiter,
    estimate: number,
    usage: ((value: T) => number | undefined) | undefined,
    textOf: ((value: T) => string) | undefined,
    scheduler: SchedulerLike,
  ) {
    this.#permit = permit;
    this.#limiter = limiter;
    this.#estimate = estimate;
    this.#usage = usage;
    this.#textOf = textOf;
    this.#scheduler = scheduler;
  }

  /** Whether it has to see every content, and not just the first and what is none. */
  get countsContents(): boolean {
    return this.#usage !== undefined || this.#textOf !== undefined;
  }

  see(value: T, content: boolean): void {
    const usage = this.#usage ? this.#usage(value) : usageOf(value);
    if (usage !== undefined && usage >= 0 && usage < Infinity) {
      this.#reported = usage;
      this.#characters = 0;
    } else if (content) {
      if (this.#textOf) this.#characters += this.#textOf(value).length;
    } else {
      const info = rateLimitOf(value);
      if (info) this.#limiter.observe(info, this.#scheduler.now());
    }
  }

  /** Settles the estimate. A whole stream without a report keeps it, unless the text alone was more. */
  settle(whole: boolean, now: number): void {
    const text = estimateTokens(this.#characters);
    const reported = this.#reported;
    if (reported !== undefined) this.#permit.settle(reported + (whole ? 0 : text), now);
    else if (!whole || text > this.#estimate) this.#permit.settle(text, now);
  }
}
