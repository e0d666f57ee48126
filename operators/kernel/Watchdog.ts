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

/** From this idle limit on, in ms, a look of an eighth may come at any time; a shorter one is looked at from the first content on. */
const LONG_MS = 1000;

/**
 * Watches one attempt by one timer, which looks at the count of contents every eighth of `idleMs`: nothing is done per
 * content (rxjs `timeout({ each })` re-arms a timer for each: 0.5 us and 890 bytes a token). It does so from the start on, so
 * that the first content need not set another (0.4 us).
 *
 * The time to the first content is the sum of the timer's own delays. The clock only says how late it was, as in a process
 * that is busy, and up to a quarter of `firstMs`: one that jumps, or that a test has stopped, moves the deadline no further.
 */
export class Watchdog {
  readonly #limits: Limits;
  readonly #scheduler: SchedulerLike;
  readonly #attempt: Watched;
  #timer: Subscription | undefined;
  /** How long it has been waiting for the first content, in ms, when the timer was set, and the clock then. */
  #waited = 0;
  #setAt = 0;
  /** The contents at the last look, and the looks since then at which there were no more. */
  #seen = 0;
  #still = 0;

  constructor(limits: Limits, scheduler: SchedulerLike, attempt: Watched) {
    this.#limits = limits;
    this.#scheduler = scheduler;
    this.#attempt = attempt;
  }

  /** The source is about to be subscribed. @param now - in ms */
  start(now: number): void {
    this.#setAt = now;
    this.#await();
  }

  /** The first content is here. */
  content(): void {
    if (this.#timer && this.#isLong) return;
    this.stop();
    if (this.#limits.idleMs === Infinity) return;
    this.#seen = this.#attempt.contents;
    this.#set(this.#tickMs);
  }

  stop(): void {
    this.#timer?.unsubscribe();
    this.#timer = undefined;
  }

  /** What comes somewhere within a tick is noticed at its end: with an eighth, idle is met within [idleMs, 1.25 * idleMs]. */
  get #tickMs(): number {
    return Math.max(1, Math.floor(this.#limits.idleMs / 8));
  }

  get #isLong(): boolean {
    return this.#limits.idleMs >= LONG_MS && this.#limits.idleMs < Infinity;
  }

  #set(delayMs: number): void {
    this.#timer = this.#scheduler.schedule(() => this.#look(delayMs), delayMs);
  }

  /** Sets the timer while there is no content: without a limit for that there is nothing to look for. */
  #await(): void {
    const { firstMs } = this.#limits;
    if (firstMs < Infinity) this.#set(Math.min(firstMs - this.#waited, this.#isLong ? this.#tickMs : Infinity));
  }

  #look(delayMs: number): void {
    const { firstMs, idleMs } = this.#limits;
    const { contents } = this.#attempt;
    if (contents === 0) {
      const now = this.#scheduler.now();
      this.#waited += Math.min(Math.max(now - this.#setAt, delayMs), delayMs + firstMs / 4);
      this.#setAt = now;
      if (this.#waited >= firstMs) this.#attempt.error(new StreamTimeoutError('first', firstMs));
      else this.#await();
      return;
    }
    this.#still = contents === this.#seen ? this.#still + 1 : 0;
    this.#seen = contents;
    if (this.#still >= Math.ceil(idleMs / this.#tickMs)) this.#attempt.error(new StreamTimeoutError('idle', idleMs));
    else this.#set(this.#tickMs);
  }
}
