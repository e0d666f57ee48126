import type { Observable, SchedulerLike } from 'rxjs';
import { isRejected } from '../../src/errors/WeirError';
import type { AdmissionPermit } from '../../src/policies/PreflightChecker';
import { USUAL_COST } from '../../src/policies/waiting';
import type { Outcome, StreamEventBody, Usage } from '../../src/signals/WeirEvent';
import { admit } from './admission';
import { Attempt, type AttemptOwner, type Ending } from './Attempt';
import type { Delivered } from './Delivered';
import type { Applicant, Place, Waited } from './Gate';
import { Meter } from './Meter';
import type { Plan } from './Plan';
import type { Seam } from './seams';

/** What a lane reports to. */
export interface LaneOwner<T> {
  /** Whether nobody waits for the stream any more. */
  readonly isOver: boolean;
  /** Which one it is, where it tells of itself. */
  readonly stream: number;
  /** Who gets the values. */
  readonly destination: { next(value: T): void };
  /** Where it is collected what that has. */
  readonly delivered: Delivered<T> | undefined;
  /** Its source is about to be opened. */
  opening(lane: Lane<T>): void;
  /** As of {@link AttemptOwner}. */
  committing(lane: Lane<T>): readonly T[];
  /** Its attempt is over, with success or not. */
  settled(lane: Lane<T>, outcome: Outcome): void;
  /** It has come to its end, or was refused, and whoever waits for it must be told. */
  ended(lane: Lane<T>, ending: Exclude<Ending, { kind: 'cancel' }>): void;
}

/** What one lane is about. */
export interface LaneSetup<T> {
  readonly source: Observable<T>;
  readonly plan: Plan<T>;
  readonly number: number;
  /** Whether it is at the source itself, with all that protects that; a target brings its own protection. */
  readonly isGuarded: boolean;
  readonly seam: Seam<T> | undefined;
}

/** One try at one source: it is let in, then it has its attempt. */
export class Lane<T> implements AttemptOwner<T>, Applicant {
  readonly plan: Plan<T>;
  /** Which attempt of its stream it is. */
  readonly number: number;
  readonly isGuarded: boolean;
  /** What joins its values to what was delivered before. */
  readonly seam: Seam<T> | undefined;
  /** What it takes from the rate limiter. */
  cost = USUAL_COST;
  /** When its source was opened, in ms; not while it waits. */
  openedAt: number | undefined;
  readonly #source: Observable<T>;
  readonly #owner: LaneOwner<T>;
  #attempt: Attempt<T> | undefined;
  #place: Place | undefined;
  #waiting = false;
  #ended = false;

  constructor({ source, plan, number, isGuarded, seam }: LaneSetup<T>, owner: LaneOwner<T>) {
    this.plan = plan;
    this.number = number;
    this.isGuarded = isGuarded;
    this.seam = seam;
    this.#source = source;
    this.#owner = owner;
  }

  get destination(): { next(value: T): void } {
    return this.#owner.destination;
  }

  get delivered(): Delivered<T> | undefined {
    return this.#owner.delivered;
  }

  /** Contents that the consumer has, once this lane delivers. */
  get emitted(): number {
    return this.#attempt?.emitted ?? 0;
  }

  get priority(): number {
    return this.plan.admission?.priority ?? 0;
  }

  get scheduler(): SchedulerLike {
    return this.plan.scheduler;
  }

  /** Contents that it has given. */
  get contents(): number {
    return this.#attempt?.contents ?? 0;
  }

  /** Contents that the consumer had before it delivers. */
  goOnFrom(contents: number): void {
    if (this.#attempt) this.#attempt.before = contents;
  }

  start(): void {
    this.#tell({ type: 'attempt.start' });
    if (this.#ended) return;
    const { admission } = this.plan;
    if (!admission) {
      this.#open(this.scheduler.now());
      return;
    }
    const { checker, wait, cost } = admission;
    try {
      this.cost = checker.cost(typeof cost === 'function' ? cost() : cost);
    } catch (thrown) {
      this.refused(thrown);
      return;
    }
    if (this.#ended) return; // it was left in the callback
    if (!wait) {
      const permit = checker.tryAdmit(this.cost, this.scheduler.now());
      if (isRejected(permit)) this.refused(permit);
      else this.admitted(permit);
      return;
    }
    this.#waiting = true;
    const place = admit(checker, this);
    if (!this.#waiting) return;
    // Whoever was started when it joined the queue may have left this stream.
    if (this.#ended) place?.leave();
    else this.#place = place;
  }

  admitted(permit: AdmissionPermit, waited?: Waited): void {
    this.#waiting = false;
    this.#place = undefined;
    if (waited && waited.waitedMs > 0) this.#tell({ type: 'wait.end', ...waited });
    // Taking the permit is news to signals$, as is the end of the wait; whoever listens may have left this stream just then, and
    // taken a while.
    const now = this.scheduler.now();
    if (this.#ended) permit.cancel(now);
    else this.#open(now, permit, this.#meter(permit));
  }

  refused(error: unknown): void {
    this.#waiting = false;
    this.#place = undefined;
    const rejected = isRejected(error);
    if (rejected) this.#tell({ type: 'rejected', component: error.component, error });
    if (this.#ended) return; // it was left for that
    this.#end(rejected ? 'rejected' : 'ignored', error);
    if (!this.#owner.isOver) this.#owner.ended(this, { kind: 'error', error });
  }

  /** Nobody wants it any more: it leaves its queue, or its request is aborted now. */
  leave(): void {
    this.#place?.leave();
    // An attempt tells of its end itself: one left while its source is being opened, only after that.
    if (this.#attempt) this.#attempt.unsubscribe();
    else this.#end('ignored');
  }

  committing(): readonly T[] {
    return this.#owner.committing(this);
  }

  settled(_attempt: Attempt<T>, outcome: Outcome, error: unknown, usage: Usage | undefined): void {
    this.#owner.settled(this, outcome);
    this.#end(outcome, error, usage);
  }

  ended(_attempt: Attempt<T>, ending: Exclude<Ending, { kind: 'cancel' }>): void {
    // A lane that waited long is old memory, and would keep its young attempt alive until a full collection: granting 100 000
    // waiters took a third longer.
    if (ending.kind === 'complete') this.#attempt = undefined;
    this.#owner.ended(this, ending);
  }

  #open(now: number, permit?: AdmissionPermit, meter?: Meter<T>): void {
    this.openedAt = now;
    this.#owner.opening(this);
    this.#attempt = new Attempt(this, permit, meter);
    this.#attempt.open(this.#source);
  }

  #meter(permit: AdmissionPermit): Meter<T> | undefined {
    const { admission, scheduler, textOf } = this.plan;
    const { rateLimiter } = admission?.checker ?? {};
    if (!rateLimiter) return undefined;
    const text = admission?.countsTokens ? textOf : undefined;
    return new Meter(permit, rateLimiter, this.cost.tokens, admission?.usage, text, scheduler);
  }

  #end(outcome: Outcome, error?: unknown, usage?: Usage): void {
    if (this.#ended) return;
    this.#ended = true;
    if (!this.plan.hub?.isHeard) return;
    this.#tell({ type: 'attempt.end', outcome, ...(error !== undefined && { error }), ...(usage && { usage }) });
  }

  #tell(body: StreamEventBody): void {
    this.plan.hub?.tell(this.#owner.stream, this.number, body);
  }
}
