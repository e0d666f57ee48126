import type { RejectedError } from '../errors/WeirError';
import { Watchable } from './Watchable';

/** What a stream takes from a rate limiter: both dimensions at once, or neither. */
export interface Cost {
  /** @defaultValue 1 */
  readonly requests?: number;
  /** LLM tokens, input and output together: an estimate, settled at the end. @defaultValue 0 */
  readonly tokens?: number;
}

/** The cost of a stream of which nothing is said. */
export const USUAL_COST: Required<Cost> = Object.freeze({ requests: 1, tokens: 0 });

/** A stream in a queue, as a policy must see it to let nobody overtake. */
export interface Waiter {
  readonly cost: Required<Cost>;
  readonly priority: number;
  /** Order of arrival, comparable between all queues that share a policy. */
  readonly order: number;
}

/** One queue in front of a policy; only its first waiter competes. */
export interface WaitLine {
  readonly size: number;
  readonly head: Waiter | undefined;
  /** Whether the head's turn has come, though nobody has started it yet. @defaultValue false */
  readonly isDue?: boolean;
  /** What all those together cost who are not behind `priority`. */
  ahead(priority: number): Required<Cost>;
}

/** Whether `a` is to be served before `b`: the higher priority, then the earlier arrival. */
export const precedes = (a: Waiter, b: Waiter): boolean =>
  a.priority === b.priority ? a.order < b.order : a.priority > b.priority;

/** A policy that streams queue for. The queues themselves are kept by the operators, which have the timers. */
export abstract class Queueable extends Watchable {
  /** The queues that have somebody waiting. */
  readonly lines = new Set<WaitLine>();
  /** The highest order given out; a queue in front of two policies takes one more than the higher of both. */
  order = 0;
  /** @internal Whether the operators are serving its lines just now, and whether it changed meanwhile. */
  readonly service = { busy: false, again: false };

  get queued(): number {
    let sum = 0;
    for (const { size } of this.lines) sum += size;
    return sum;
  }

  abstract readonly config: { readonly maxQueue: number; readonly maxWaitMs: number };

  /** Whether a cost could not be taken now, waiters aside. */
  abstract lacks(cost: Required<Cost>, now: number): boolean;

  /** How long until a cost alone could be taken, in ms; `Infinity`: never; `undefined`: nobody knows. */
  abstract waitMs(cost: Required<Cost>, now: number): number | undefined;

  /** The same behind others. */
  abstract backlogMs(ahead: Required<Cost>, cost: Required<Cost>, now: number): number | undefined;

  /** The refusal of a stream that cannot wait, for a reason. */
  abstract refuse(why?: string, retryAfterMs?: number): RejectedError;

  /** Whether `cost` can be taken now without overtaking anybody who lacks it: `who` waits already, a newcomer comes last. */
  ready(cost: Required<Cost>, now: number, who?: Waiter): boolean {
    if (this.lacks(cost, now)) return false;
    for (const line of this.lines) {
      const { head } = line;
      if (!head || head === who || (who && precedes(who, head))) continue;
      if (this.lacks(head.cost, now) || (!who && line.isDue)) return false;
    }
    return true;
  }
}
