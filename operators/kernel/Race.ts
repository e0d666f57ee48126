import type { SchedulerLike, Subscription } from 'rxjs';
import { isRejected } from '../../src/errors/WeirError';
import { MAX_DELAY_MS } from '../../src/policies/options';
import type { HedgePlan } from './HedgePlan';
import type { FallbackTarget } from '../../src/policies/FallbackChain';
import type { Lane } from './Lane';

/** The attempts that run at the same time. */
export interface Runners<T> {
  /** One starts. @param beside - whether it enters beside those that run */
  enter(lane: Lane<T>, beside: boolean): void;
  /** The newest is about to be opened. */
  opening(): void;
  /** One has content: whoever lost is aborted before the winner is heard. */
  won(lane: Lane<T>): void;
  /** One has come to its end. */
  ended(lane: Lane<T>): void;
  /** One that has ended has failed. @returns the error of the earliest when all have; others may still have something to say */
  lost(lane: Lane<T>, error: unknown): { readonly error: unknown } | undefined;
  /** Nobody waits for them any more. */
  leave(): void;
}

/** One at a time, as where nothing is hedged. */
export class Solo<T> implements Runners<T> {
  #lane: Lane<T> | undefined;

  enter(lane: Lane<T>): void {
    this.#lane = lane;
    lane.start();
  }

  opening(): void {}

  won(): void {}

  ended(): void {
    this.#lane = undefined;
  }

  lost(_lane: Lane<T>, error: unknown): { readonly error: unknown } {
    return { error };
  }

  leave(): void {
    const lane = this.#lane;
    this.#lane = undefined;
    lane?.leave();
  }
}

/** Whom it tells that nothing has come for a while, and one more may enter. */
interface Starter<T> {
  hedge(afterMs: number, race: Race<T>): void;
}

/** One, and while it says nothing others beside it: until one of them has content. */
export class Race<T> implements Runners<T> {
  readonly #hedge: HedgePlan<T>;
  readonly #scheduler: SchedulerLike;
  readonly #starter: Starter<T>;
  #lanes: Lane<T>[] = [];
  #timer: Subscription | undefined;
  /** Whether it goes on, and is not decided: one more may enter. */
  isOpen = false;
  /** How many have entered it since it began. */
  entered = 0;
  #tried: Set<FallbackTarget<T>> | undefined;
  /** Of those that failed the earliest. */
  #failed: { readonly number: number; readonly error: unknown } | undefined;

  constructor(hedge: HedgePlan<T>, scheduler: SchedulerLike, starter: Starter<T>) {
    this.#hedge = hedge;
    this.#scheduler = scheduler;
    this.#starter = starter;
  }

  /** The targets that have entered it, with those that could not. */
  get tried(): Set<FallbackTarget<T>> {
    return (this.#tried ??= new Set());
  }

  enter(lane: Lane<T>, beside: boolean): void {
    this.isOpen = true;
    this.entered = beside ? this.entered + 1 : 1;
    if (!beside) this.#tried = undefined;
    // Made anew: an array that grows by itself has room for 17.
    this.#lanes = this.#lanes.concat(lane);
    lane.start();
  }

  /** If it says nothing for a while, it gets company. */
  opening(): void {
    this.#timer?.unsubscribe();
    const { afterMs, max } = this.#hedge;
    if (this.entered >= max || afterMs === undefined || afterMs > MAX_DELAY_MS) return;
    this.#timer = this.#scheduler.schedule(() => this.#starter.hedge(afterMs, this), afterMs);
  }

  won(lane: Lane<T>): void {
    this.isOpen = false;
    this.#failed = undefined;
    this.#timer?.unsubscribe();
    const now = this.#scheduler.now();
    // Those that lost as well, as slow as they were at least: else the fast ones alone would make the percentile.
    for (const one of this.#lanes) {
      const { isGuarded, openedAt } = one;
      if (isGuarded && openedAt !== undefined && (one !== lane || lane.contents > 0)) this.#hedge.saw(now - openedAt);
    }
    const losers = this.#lanes.filter((other) => other !== lane);
    this.#lanes = [lane];
    for (const loser of losers) loser.leave();
  }

  ended(lane: Lane<T>): void {
    this.#lanes = this.#lanes.filter((other) => other !== lane);
  }

  lost({ number, isGuarded }: Lane<T>, error: unknown): { readonly error: unknown } | undefined {
    if (!this.#failed || number < this.#failed.number) this.#failed = { number, error };
    if (this.#lanes.length > 0) {
      if (isRejected(error) && !isGuarded) this.#again(); // refused where it went
      return undefined;
    }
    const failed = this.#failed;
    this.#failed = undefined;
    this.isOpen = false;
    this.#timer?.unsubscribe();
    return failed;
  }

  leave(): void {
    this.isOpen = false;
    this.#timer?.unsubscribe();
    for (const lane of this.#lanes.splice(0)) lane.leave();
  }

  /** One that had entered beside was refused: another may in its place, now. */
  #again(): void {
    const { afterMs } = this.#hedge;
    if (!this.isOpen || afterMs === undefined) return;
    this.entered--;
    this.#starter.hedge(afterMs, this);
  }
}
