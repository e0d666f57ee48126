import type { SchedulerAction, SchedulerLike, Subscription } from 'rxjs';
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
  /** Contents at the last tick, and for how many ticks there were as many. */
  #seen = 0;
  #still = 0;

  constructor(limits: Limits, scheduler: SchedulerLike, attempt: Watched) {
    this.#limits = limits;
    this.#scheduler = scheduler;
    this.#attempt = attempt;
  }

  /** The source is about to be subscribed. */
  start(): void {
    const { firstMs } = this.#limits;
    // By closures, here and below: who wraps a scheduler may not pass a state on.
    if (firstMs < Infinity) this.#timer = this.#scheduler.schedule(() => this.#late(), firstMs);
  }

  /** Nothing has come in time. */
  #late(): void {
    this.#attempt.error(new StreamTimeoutError('first', this.#limits.firstMs));
  }

  /** The first content is here. */
  content(): void {
    this.stop();
    if (this.#limits.idleMs === Infinity) return;
    this.#seen = this.#attempt.contents;
    const look = (timer: SchedulerAction<unknown>): void => this.#look(timer);
    this.#timer = this.#scheduler.schedule(function () {
      look(this);
    }, this.#tickMs);
  }

  /** A tick is over. @param timer - that makes the next */
  #look(timer: SchedulerAction<unknown>): void {
    const { idleMs } = this.#limits;
    const count = this.#attempt.contents;
    this.#still = count === this.#seen ? this.#still + 1 : 0;
    this.#seen = count;
    if (this.#still >= Math.ceil(idleMs / this.#tickMs)) this.#attempt.error(new StreamTimeoutError('idle', idleMs));
    else timer.schedule(undefined, this.#tickMs);
  }

  get #tickMs(): number {
    // A content that came somewhere within a tick is noticed at its end, so with ticks of up to an eighth the limit is met
    // within [idleMs, 1.25 * idleMs]. Counted in ticks, so that a clock that jumps changes nothing.
    return Math.max(1, Math.floor(this.#limits.idleMs / 8));
  }

  stop(): void {
    this.#timer?.unsubscribe();
    this.#timer = undefined;
  }
}
