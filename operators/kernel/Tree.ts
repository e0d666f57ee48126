import type { SchedulerLike } from 'rxjs';

/** What limits the attempts at one stream. */
export interface AttemptLimit {
  /** Whether there were as many attempts as there may be. */
  readonly isFull: boolean;
  /** Whether one more attempt may start after so many ms; others may have taken its place by then. */
  allows(delayMs?: number): boolean;
  /** One more attempt starts. */
  count(): void;
}

/** Any number of them at any time. */
export const UNLIMITED: AttemptLimit = { isFull: false, allows: () => true, count: () => undefined };

/** What all attempts at one stream share, whoever makes them: retries, fallbacks, hedges, continuations. */
export class Tree implements AttemptLimit {
  /** Attempts whose source was opened, refused ones not counted. */
  attempts = 0;
  readonly #scheduler: SchedulerLike;
  readonly #startedAt: number;
  readonly #maxAttempts: number;
  readonly #maxElapsedMs: number;
  readonly #parent: Tree | undefined;

  /**
   * @param startedAt - when the stream was subscribed, in ms
   * @param parent - that of the stream of which this one is a part: its limits hold as well
   */
  constructor(
    scheduler: SchedulerLike,
    startedAt: number,
    maxAttempts = Infinity,
    maxElapsedMs = Infinity,
    parent?: Tree,
  ) {
    this.#scheduler = scheduler;
    this.#startedAt = startedAt;
    this.#maxAttempts = maxAttempts;
    this.#maxElapsedMs = maxElapsedMs;
    this.#parent = parent;
  }

  get isFull(): boolean {
    return this.attempts >= this.#maxAttempts || (this.#parent?.isFull ?? false);
  }

  allows(delayMs = 0): boolean {
    const inTime = this.#scheduler.now() + delayMs - this.#startedAt <= this.#maxElapsedMs;
    return inTime && !this.isFull && (this.#parent?.allows(delayMs) ?? true);
  }

  count(): void {
    this.attempts++;
    this.#parent?.count();
  }
}
