import { Observable, type Subscriber, type Subscription, type Unsubscribable } from 'rxjs';
import { classifyError } from '../../src/errors/classifyError';
import { StreamTimeoutError } from '../../src/errors/streamErrors';
import { isRejected, isWeirError } from '../../src/errors/WeirError';
import type { FallbackTarget } from '../../src/policies/FallbackChain';
import type { Outcome, StreamEventBody } from '../../src/signals/WeirEvent';
import { withCause, type Ending } from './Attempt';
import { Delivered } from './Delivered';
import { Lane, type LaneOwner } from './Lane';
import { shaped, type Plan } from './Plan';
import { Race, Solo, type Runners } from './Race';
import type { Decision, Failure, Recovery } from './recovery';
import { targetStream } from './targets';
import { Tree, UNLIMITED, type AttemptLimit } from './Tree';

/** The operator that runs each subscription by a plan. */
export function operatorOf<T>(given: Plan<T>): (source: Observable<T>) => Observable<T> {
  const plan = shaped(given);
  return (source) =>
    new Observable<T>((subscriber) => {
      const run = new StreamRun(plan, source, subscriber);
      subscriber.add(run);
      run.start();
    });
}

const NONE_FAILED = Object.freeze({ attempt: 0, error: undefined });

/**
 * One subscription: its attempts one after another, until one ends well or nothing can be done about its failure. A hedged
 * attempt may get company until one of them has content.
 */
class StreamRun<T> implements LaneOwner<T>, Unsubscribable {
  isOver = false;
  /** Its number at the hub; 0: nobody counts it. */
  stream = 0;
  readonly destination: Subscriber<T>;
  readonly delivered: Delivered<T> | undefined;
  readonly #plan: Plan<T>;
  readonly #source: Observable<T>;
  readonly #startedAt: number;
  readonly #tree: AttemptLimit;
  readonly #race: Runners<T>;
  #attempts = 0;
  /** The one whose contents the consumer has; a failed one stays it until another delivers. */
  #committed: Lane<T> | undefined;
  /** What ended it. */
  #lost: unknown;
  /** The attempt that failed last, with content or without. */
  #last: { readonly attempt: number; readonly error: unknown } = NONE_FAILED;
  /** What it had delivered, until somebody is told what becomes of it. */
  #partial = 0;
  #isPrimary = true;
  /** Who is asked next about a failure to begin the attempt that was decided on. */
  #next = 0;
  #delay: Subscription | undefined;
  #deadline: Subscription | undefined;
  /** Made when they are needed: most streams do not fail. */
  #recoveries: Recovery<T>[] | undefined;

  constructor(plan: Plan<T>, source: Observable<T>, destination: Subscriber<T>) {
    const { hedge, maxAttempts = Infinity, maxElapsedMs = Infinity, partials, scheduler, seam } = plan;
    this.#plan = plan;
    this.#source = source;
    this.destination = destination;
    this.#startedAt = scheduler.now();
    const isLimited = Math.min(maxAttempts, maxElapsedMs) < Infinity;
    this.#tree = isLimited
      ? new Tree(scheduler, this.#startedAt, maxAttempts, maxElapsedMs, plan.tree)
      : (plan.tree ?? UNLIMITED);
    this.#race = hedge ? new Race(hedge, scheduler, this) : new Solo();
    const { collects = 'nothing' } = partials ?? {};
    // What a seam leaves out is not delivered, and must not be counted.
    const isAsked = seam !== undefined || collects !== 'nothing';
    this.delivered = plan.delivered ?? (isAsked ? new Delivered(plan, collects) : undefined);
  }

  start(): void {
    const { hub, scheduler, totalMs = Infinity } = this.#plan;
    if (totalMs < Infinity) {
      this.#deadline = scheduler.schedule(() => {
        this.#stop();
        this.#fail(new StreamTimeoutError('total', totalMs));
      }, totalMs);
    }
    this.stream = hub?.streamStarted() ?? 0;
    if (!this.isOver) this.#open(this.#source);
  }

  /** The consumer leaves, or has been told the end. */
  unsubscribe(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#stop();
    this.#plan.hub?.streamEnded('cancelled');
  }

  opening(lane: Lane<T>): void {
    // Where this is a part of a whole, whoever protects a target counts its attempts.
    if (lane.isGuarded || !this.#plan.tree) this.#tree.count();
    // A fallback target brings its own protection.
    if (this.#isPrimary) this.#race.opening();
  }

  committing(lane: Lane<T>): readonly T[] {
    const { partials, rewindValue } = this.#plan;
    this.#race.won(lane);
    const emitted = this.#emitted;
    const told: T[] = [];
    if (emitted > 0 && partials?.rewinds) {
      try {
        told.push(rewindValue(emitted, this.#lost));
      } catch (thrown) {
        throw withCause(thrown, this.#lost);
      }
    } else lane.goOnFrom(emitted);
    this.#committed = lane;
    return told;
  }

  settled(lane: Lane<T>, outcome: Outcome): void {
    if (outcome !== 'success' || !this.#isPrimary || !(lane.isGuarded || !this.#plan.tree)) return;
    this.#plan.budget?.succeeded();
    this.#plan.hedge?.succeeded();
  }

  ended(lane: Lane<T>, ending: Exclude<Ending, { kind: 'cancel' }>): void {
    this.#race.ended(lane);
    if (this.isOver) return;
    if (ending.kind === 'error') {
      this.#failed(lane, ending.error);
      return;
    }
    this.#finish('completed');
    this.destination.complete();
  }

  /** Contents that the consumer has. */
  get #emitted(): number {
    return this.#plan.partials?.emitted?.() ?? this.delivered?.contents ?? this.#committed?.emitted ?? 0;
  }

  /** Starts an attempt; with `target` at a fallback, or a hedge, that brings its own protection. */
  #open(source: Observable<T>, target?: string, beside = false): void {
    const { fallbackHub: hub, partials, seam: own } = this.#plan;
    const seam = this.delivered?.contents ? partials?.seam?.(this.delivered) : own?.();
    const isGuarded = target === undefined;
    // What a target's own protection does and tells is not done and told twice.
    const plan = isGuarded
      ? this.#plan
      : { ...this.#plan, admission: undefined, limits: undefined, verify: undefined, hub };
    this.#race.enter(new Lane<T>({ source, plan, number: ++this.#attempts, isGuarded, seam }, this), beside);
  }

  /** Takes the source again or the target, or what stands in for it behind a partial output. */
  #goOn(source: Observable<T>, target?: string): void {
    if (this.#tree.isFull) {
      // Others, of which this stream is a part, took the last place while it waited.
      this.#recover(this.#last.error, this.#next);
      return;
    }
    let next: Observable<T>;
    try {
      next = this.#continuation(target) ?? source;
    } catch (thrown) {
      if (!this.isOver) this.#recover(withCause(thrown, this.#lost), this.#next);
      return;
    }
    if (!this.isOver) this.#open(next, target);
  }

  /** @throws what makes it throws */
  #continuation(target?: string): Observable<T> | undefined {
    const { partials } = this.#plan;
    const { delivered } = this;
    if (!delivered?.contents || !partials?.source) return undefined;
    return partials.source({
      values: [...(delivered.values ?? [])],
      text: delivered.text,
      ...this.#last,
      ...(target !== undefined && { target }),
    });
  }

  /** No content has come for a while: starts one more attempt, if that costs nobody else anything. */
  hedge(afterMs: number, race: Race<T>): void {
    const { admission, hedge, scheduler } = this.#plan;
    if (!hedge) return;
    const { budget } = hedge;
    const chain = this.#plan.hedgeTargets ?? hedge.chain;
    const now = scheduler.now();
    if (!this.#tree.allows() || budget?.allowed === false) return;
    let source: Observable<T>;
    let target: FallbackTarget<T> | undefined;
    try {
      const error = new StreamTimeoutError('first', afterMs);
      const ctx = { error, attempt: this.#attempts, emitted: this.#emitted, elapsedMs: now - this.#startedAt };
      if (chain) {
        const { tried } = race;
        do {
          target = chain.next(tried, error, ctx);
          if (target) tried.add(target);
        } while (target?.hasRoom?.(now) === false);
        if (!target) return;
      } else {
        const cost = typeof admission?.cost === 'function' ? admission.cost() : admission?.cost;
        if (!hedge.hasRoom(cost, now)) return;
      }
      if (!race.isOpen) return;
      source = this.#continuation(target?.name) ?? (target ? targetStream(target, error, ctx) : this.#source);
    } catch (thrown) {
      this.#stop();
      this.#fail(this.#emitted > 0 ? withCause(thrown, this.#lost) : thrown);
      return;
    }
    // Whatever was called may have left, or made an attempt speak or fail.
    if (!race.isOpen) return;
    budget?.failed();
    this.#tell({ type: 'hedge', afterMs, ...(target && { target: target.name }) });
    if (race.isOpen) this.#open(source, target?.name, true);
  }

  #failed(lane: Lane<T>, error: unknown): void {
    if (lane === this.#committed) {
      this.#lost = error;
      this.#partial = this.#emitted;
    }
    this.#last = { attempt: lane.number, error };
    const all = this.#race.lost(lane, error);
    if (all) this.#recover(all.error);
  }

  /** Asks each way to recover in turn, from the one at `index`; what one throws is the error that the next one sees. */
  #recover(error: unknown, index = 0): void {
    const { partials, recoveries, scheduler } = this.#plan;
    const emitted = this.#emitted;
    const recovery = (this.#recoveries ??= recoveries?.map((make) => make()) ?? [])[index];
    if (!recovery || this.isOver) {
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
      allows: (delayMs) => this.#tree.allows(delayMs),
      isOver: () => this.isOver,
      final: emitted > 0 && !(partials && (partials.allows?.(this.delivered) ?? true)),
      primary: this.#isPrimary,
      replaced: emitted > 0 && partials?.source !== undefined,
    };
    const failed = (thrown: unknown): void => {
      if (!this.isOver) this.#recover(withCause(thrown, error), index + 1);
    };
    const apply = (decision: Decision<T> | undefined): void => {
      if (this.isOver) return;
      this.#next = index + 1;
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
    this.#tellOfPartial(this.#plan.partials?.action ?? 'fail');
    if (decision.type === 'retry') {
      const { delayMs } = decision;
      this.#tell({ type: 'retry.scheduled', delayMs, error });
      // Always by the scheduler, also with no delay: a source that fails synchronously must not grow the stack.
      if (!this.isOver) this.#delay = this.#plan.scheduler.schedule(() => this.#goOn(this.#source), delayMs);
      return;
    }
    const { from, to, source } = decision;
    this.#isPrimary = false;
    this.#tell({ type: 'fallback', from, to, error });
    if (!this.isOver) this.#goOn(source, to);
  }

  #tellOfPartial(action: 'fail' | 'rewind' | 'skip' | 'resume'): void {
    const emitted = this.#partial;
    this.#partial = 0;
    if (emitted > 0) this.#tell({ type: 'partial', emitted, action });
  }

  #tell(body: StreamEventBody): void {
    this.#plan.hub?.tell(this.stream, this.#attempts, body);
  }

  /** Ends whatever goes on: the attempts, the wait in a queue, the wait before a retry. */
  #stop(): void {
    this.#delay?.unsubscribe();
    this.#deadline?.unsubscribe();
    this.#race.leave();
  }

  #finish(how: 'completed' | 'failed' | 'rejected'): void {
    this.isOver = true;
    this.#stop();
    this.#plan.hub?.streamEnded(how);
  }

  #fail(error: unknown): void {
    if (this.isOver) return;
    const emitted = this.#emitted;
    this.#tellOfPartial('fail');
    if (this.isOver) return;
    // Also 0 over what the same error object said of another stream.
    if (isWeirError(error) && (emitted > 0 || error.emitted) && Object.isExtensible(error)) error.emitted = emitted;
    this.#finish(isRejected(error) ? 'rejected' : 'failed');
    this.destination.error(error);
  }
}
