import { Observable, type Subscriber, type Subscription } from 'rxjs';
import { classifyError } from '../../src/errors/classifyError';
import { StreamTimeoutError } from '../../src/errors/streamErrors';
import { isRejected, isWeirError } from '../../src/errors/WeirError';
import type { AdmissionPermit, PreflightChecker } from '../../src/policies/PreflightChecker';
import type { Cost } from '../../src/policies/waiting';
import type { SignalsHub } from '../../src/signals/SignalsHub';
import type { Outcome, StreamEventBody } from '../../src/signals/WeirEvent';
import { admit } from './admission';
import { Attempt, withCause, type AttemptOwner, type AttemptSettings, type Ending } from './Attempt';
import { Meter } from './Meter';
import type { Decision, Failure, Recovery } from './recovery';

/** What every attempt at the source itself has to pass. */
export interface Admission<T> {
  readonly checker: PreflightChecker;
  /** Whether to wait for a slot and the bucket, or to be refused at once. */
  readonly wait: boolean;
  readonly cost?: Cost | (() => Cost) | undefined;
  readonly usage?: ((value: T) => number | undefined) | undefined;
  readonly priority?: number | undefined;
  /** Whether the rate limiter has a dimension of LLM tokens. */
  readonly countsTokens: boolean;
}

/** What an operator does, fixed when it is called; shared by all its subscriptions. */
export interface Plan<T> extends AttemptSettings<T> {
  readonly admission?: Admission<T> | undefined;
  /** The whole stream, in ms. */
  readonly totalMs?: number | undefined;
  readonly onPartial?: 'fail' | 'rewind';
  /** Where the attempts at fallback targets are counted. */
  readonly fallbackHub?: SignalsHub | undefined;
  /** The ways to recover from a failure, the innermost first. */
  readonly recoveries?: (() => Recovery<T>)[];
}

/** The operator that runs each subscription by a plan. */
export const operatorOf =
  <T>(plan: Plan<T>): ((source: Observable<T>) => Observable<T>) =>
  (source) =>
    new Observable<T>((subscriber) => {
      const run = new StreamRun(plan, source, subscriber);
      subscriber.add(() => run.leave());
      run.start();
    });

/** One subscription: its attempts one after another, until one ends well or nothing can be done about its failure. */
class StreamRun<T> implements AttemptOwner<T> {
  readonly #plan: Plan<T>;
  readonly #source: Observable<T>;
  readonly #destination: Subscriber<T>;
  readonly #recoveries: Recovery<T>[];
  readonly #startedAt: number;
  #number = 0;
  #attempts = 0;
  #attempt: Attempt<T> | undefined;
  /** The one whose contents the consumer has; a failed one stays it until another delivers. */
  #committed: Attempt<T> | undefined;
  /** What ended it. */
  #lost: unknown;
  /** What it had delivered, until somebody is told what becomes of it. */
  #partial = 0;
  #isPrimary = true;
  #inAttempt = false;
  #over = false;
  #leaveQueue: (() => void) | undefined;
  #delay: Subscription | undefined;
  #deadline: Subscription | undefined;

  constructor(plan: Plan<T>, source: Observable<T>, destination: Subscriber<T>) {
    this.#plan = plan;
    this.#source = source;
    this.#destination = destination;
    this.#recoveries = plan.recoveries?.map((make) => make()) ?? [];
    this.#startedAt = plan.scheduler.now();
  }

  start(): void {
    const { hub, scheduler, totalMs = Infinity } = this.#plan;
    if (totalMs < Infinity) {
      this.#deadline = scheduler.schedule(() => {
        this.#stop();
        this.#fail(new StreamTimeoutError('total', totalMs));
      }, totalMs);
    }
    this.#number = hub?.streamStarted() ?? 0;
    this.#tryPrimary();
  }

  /** The consumer leaves, or has been told the end. */
  leave(): void {
    if (this.#over) return;
    this.#over = true;
    this.#stop();
    this.#plan.hub?.streamEnded('cancelled');
  }

  committing(attempt: Attempt<T>): readonly T[] {
    const emitted = this.#committed?.emitted ?? 0;
    const told: T[] = [];
    try {
      if (emitted > 0) told.push(this.#plan.rewindValue(emitted, this.#lost));
    } catch (thrown) {
      throw withCause(thrown, this.#lost);
    }
    this.#committed = attempt;
    return told;
  }

  settled(_attempt: Attempt<T>, outcome: Outcome, error: unknown): void {
    if (outcome === 'success' && this.#isPrimary) for (const recovery of this.#recoveries) recovery.succeeded?.();
    this.#attemptEnds(outcome, error);
  }

  ended(attempt: Attempt<T>, ending: Exclude<Ending, { kind: 'cancel' }>): void {
    this.#attempt = undefined;
    if (this.#over) return;
    if (ending.kind === 'error') {
      if (attempt === this.#committed) {
        this.#lost = ending.error;
        this.#partial = attempt.emitted;
      }
      this.#recover(ending.error);
      return;
    }
    this.#finish('completed');
    this.#destination.complete();
  }

  #tryPrimary(): void {
    const { admission, scheduler } = this.#plan;
    if (!this.#attemptStarts()) return;
    if (!admission) {
      this.#open(this.#source, this.#plan);
      return;
    }
    const { checker, wait, cost: given, priority = 0 } = admission;
    let cost: Required<Cost>;
    try {
      cost = checker.cost(typeof given === 'function' ? given() : given);
    } catch (thrown) {
      this.#refused(thrown);
      return;
    }
    if (this.#over) return; // it left in the callback
    const admitted = (permit: AdmissionPermit): void => {
      this.#leaveQueue = undefined;
      const { rateLimiter } = checker;
      const { usage, countsTokens } = admission;
      const textOf = countsTokens ? this.#plan.textOf : undefined;
      const meter = rateLimiter && new Meter(permit, rateLimiter, cost.tokens, usage, textOf, scheduler);
      // Taking the permit is news to signals$, and whoever listens may have left this stream just then.
      if (this.#over) permit.cancel(scheduler.now());
      else this.#open(this.#source, this.#plan, permit, meter);
    };
    if (!wait) {
      const permit = checker.tryAdmit(cost, scheduler.now());
      if (isRejected(permit)) this.#refused(permit);
      else admitted(permit);
      return;
    }
    let decided = false;
    const leaveQueue = admit(checker, {
      cost,
      priority,
      scheduler,
      admitted: (permit, waited) => {
        decided = true;
        if (waited && waited.waitedMs > 0) this.#tell({ type: 'wait.end', ...waited });
        admitted(permit);
      },
      refused: (error) => {
        decided = true;
        this.#leaveQueue = undefined;
        this.#refused(error);
      },
    });
    if (decided) return;
    // Whoever was started when it joined the queue may have left this stream.
    if (this.#over) leaveQueue?.();
    else this.#leaveQueue = leaveQueue;
  }

  #open(source: Observable<T>, settings: AttemptSettings<T>, permit?: AdmissionPermit, meter?: Meter<T>): void {
    this.#attempt = new Attempt(settings, this, this.#destination, permit, meter);
    this.#attempt.open(source);
  }

  #refused(error: unknown): void {
    const rejected = isRejected(error);
    if (rejected) this.#tell({ type: 'rejected', component: error.component, error });
    this.#attemptEnds(rejected ? 'rejected' : 'ignored', error);
    if (!this.#over) this.#recover(error);
  }

  /** Asks each way to recover in turn, from the one at `index`; what one throws is the error that the next one sees. */
  #recover(error: unknown, index = 0): void {
    const { onPartial = 'fail', scheduler } = this.#plan;
    const emitted = this.#committed?.emitted ?? 0;
    const recovery = this.#recoveries[index];
    if (!recovery || this.#over) {
      this.#fail(error);
      return;
    }
    const now = scheduler.now();
    const failure: Failure = {
      error,
      classified: classifyError(error, { now }),
      now,
      emitted,
      elapsedMs: () => scheduler.now() - this.#startedAt,
      isOver: () => this.#over,
      final: emitted > 0 && onPartial === 'fail',
      primary: this.#isPrimary,
    };
    const failed = (thrown: unknown): void => {
      if (!this.#over) this.#recover(withCause(thrown, error), index + 1);
    };
    const apply = (decision: Decision<T> | undefined): void => {
      if (this.#over) return;
      if (decision) this.#apply(decision, error);
      else this.#recover(error, index + 1);
    };
    try {
      const decision = recovery.decide(failure);
      if (decision && 'then' in decision) decision.then(apply, failed);
      else apply(decision);
    } catch (thrown) {
      failed(thrown);
    }
  }

  #apply(decision: Decision<T>, error: unknown): void {
    if (decision.type === 'fail') {
      this.#fail(decision.error);
      return;
    }
    this.#tellOfPartial('rewind');
    if (decision.type === 'retry') {
      const { delayMs } = decision;
      this.#tell({ type: 'retry.scheduled', delayMs, error });
      // Always by the scheduler, also with no delay: a source that fails synchronously must not grow the stack.
      if (!this.#over) this.#delay = this.#plan.scheduler.schedule(() => this.#tryPrimary(), delayMs);
      return;
    }
    const { from, to, source } = decision;
    this.#isPrimary = false;
    this.#tell({ type: 'fallback', from, to, error });
    // A target brings its own protection: none of what guards the source applies to it.
    if (this.#attemptStarts())
      this.#open(source, { ...this.#plan, limits: undefined, verify: undefined, hub: this.#plan.fallbackHub });
  }

  #attemptStarts(): boolean {
    if (this.#over) return false;
    this.#attempts++;
    this.#inAttempt = true;
    this.#tellOfAttempt({ type: 'attempt.start' });
    return !this.#over;
  }

  #attemptEnds(outcome: Outcome, error?: unknown): void {
    if (!this.#inAttempt) return;
    this.#inAttempt = false;
    this.#tellOfAttempt({ type: 'attempt.end', outcome, ...(error !== undefined && { error }) });
  }

  /** What a fallback target's own protection tells of is not told twice. */
  #tellOfAttempt(body: StreamEventBody): void {
    const { hub, fallbackHub } = this.#plan;
    (this.#isPrimary ? hub : fallbackHub)?.tell(this.#number, this.#attempts, body);
  }

  #tellOfPartial(action: 'fail' | 'rewind'): void {
    const emitted = this.#partial;
    this.#partial = 0;
    if (emitted > 0) this.#tell({ type: 'partial', emitted, action });
  }

  #tell(body: StreamEventBody): void {
    this.#plan.hub?.tell(this.#number, this.#attempts, body);
  }

  /** Ends whatever goes on: the attempt, the wait in a queue, the wait before a retry. */
  #stop(): void {
    this.#leaveQueue?.();
    this.#delay?.unsubscribe();
    this.#deadline?.unsubscribe();
    // An attempt tells of its end itself: one left while its source is being opened, only after that.
    if (this.#attempt) this.#attempt.unsubscribe();
    else this.#attemptEnds('ignored');
  }

  #finish(how: 'completed' | 'failed' | 'rejected'): void {
    this.#over = true;
    this.#stop();
    this.#plan.hub?.streamEnded(how);
  }

  #fail(error: unknown): void {
    if (this.#over) return;
    const emitted = this.#committed?.emitted ?? 0;
    this.#tellOfPartial('fail');
    if (this.#over) return;
    // Also 0 over what the same error object said of another stream.
    if (isWeirError(error) && (emitted > 0 || error.emitted) && Object.isExtensible(error)) error.emitted = emitted;
    this.#finish(isRejected(error) ? 'rejected' : 'failed');
    this.#destination.error(error);
  }
}
