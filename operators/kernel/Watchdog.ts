import type { SchedulerLike, Subscription } from 'rxjs';
import { StreamTimeoutError } from '../../src/errors/streamErrors';

/** Limits of one attempt, in ms; `Infinity`: none. */
export interface Limits {
  readonly firstMs: number;
  readonly idleMs: number;
}

interface Watched {
  readonly contents: number;
  error(error: StreamTimeoutError): void;
}

/**
 * Watches one attempt: an exact timer until the first content, then ticks that compare the count of contents. Nothing is
 * done per content (rxjs `timeout({ each })` re-arms a timer for each: 0.5 us and 890 bytes a token).
 */
export class Watchdog {
  readonly #limits: Limits;
  readonly #scheduler: SchedulerLike;
  readonly #attempt: Watched;
  #timer: Subscription | undefined;

  constructor(limits: Limits, scheduler: SchedulerLike, attempt: Watched) {
    this.#limits = limits;
    this.#scheduler = scheduler;
    this.#attempt = attempt;
  }

  /** The source is about to be subscribed. */
  start(): void {
    const { firstMs } = this.#limits;
    if (firstMs < Infinity) {
      this.#timer = this.#scheduler.schedule(
        () => this.#attempt.error(new StreamTimeoutError('first', firstMs)),
        firstMs,
      );
    }
  }

  /** The first content is here. */
  content(): void {
    this.stop();
    const { idleMs } = this.#limits;
    if (idleMs === Infinity) return;
    // A content that came somewhere within a tick is noticed at its end, so with ticks of up to an eighth the limit is met
    // within [idleMs, 1.25 * idleMs]. Counted in ticks, so that a clock that jumps changes nothing.
    const tickMs = Math.max(1, Math.floor(idleMs / 8));
    const enough = Math.ceil(idleMs / tickMs);
    let seen = this.#attempt.contents;
    let still = 0;
    const attempt = this.#attempt;
    this.#timer = this.#scheduler.schedule(function () {
      const count = attempt.contents;
      still = count === seen ? still + 1 : 0;
      seen = count;
      if (still >= enough) attempt.error(new StreamTimeoutError('idle', idleMs));
      else this.schedule(undefined, tickMs);
    }, tickMs);
  }

  stop(): void {
    this.#timer?.unsubscribe();
    this.#timer = undefined;
  }
}
