import { Subscription, throwError, type Observable, type Observer } from 'rxjs';
import { classifyError } from '../../src/errors/classifyError';
import { ERROR_CODES } from '../../src/errors/codes';
import { isRejected } from '../../src/errors/WeirError';
import { rewindOf } from '../../src/events/defaults';
import type { AdmissionPermit } from '../../src/policies/PreflightChecker';
import type { SignalsHub } from '../../src/signals/SignalsHub';
import type { Outcome, Usage } from '../../src/signals/WeirEvent';
import { Consumption } from './Consumption';
import { Delivery, type Outlet } from './Delivery';
import type { Meter } from './Meter';
import type { Runtime } from './runtime';
import { Watchdog, type Limits } from './Watchdog';

/**
 * How an attempt ended: by its source, by a user's callback that threw, or left by its consumer; also by the library, which
 * finds that it cannot use what the source says.
 */
export type Ending =
  | { readonly kind: 'complete' | 'cancel' }
  | { readonly kind: 'error'; readonly error: unknown; readonly by?: 'callback' | 'consumer' };

/** Looks at every value of an attempt, and says at its completion whether it was whole. */
export interface Verifier<T> {
  see(value: T): void;
  verdict(): Error | undefined;
}

/** What every attempt of one operator shares. */
export interface AttemptSettings<T> extends Runtime<T> {
  /** Whether what comes before the first content is held back until then, or dropped with the attempt. */
  readonly hold: boolean;
  readonly limits?: Limits | undefined;
  readonly verify?: (() => Verifier<T>) | undefined;
  readonly hub?: SignalsHub | undefined;
  /** What the request itself has in LLM tokens, where the provider does not say. @defaultValue 0 */
  readonly inputTokens?: (() => number) | undefined;
}

/** What an attempt reports to. */
export interface AttemptOwner<T> extends Outlet<T> {
  readonly plan: AttemptSettings<T>;
  /** When it opened the attempt, in ms. */
  readonly openedAt: number | undefined;
  /**
   * The first content, or a completion without any, is about to be delivered. What it throws ends the attempt.
   *
   * @returns what the consumer must be told before
   */
  committing(attempt: Attempt<T>): readonly T[];
  /** The attempt is over: its source is closed, its permit given back. Always called, once. */
  settled(attempt: Attempt<T>, outcome: Outcome, error: unknown, usage: Usage | undefined): void;
  /** Called after it, unless the consumer left: the terminal event may be forwarded. */
  ended(attempt: Attempt<T>, ending: Exclude<Ending, { kind: 'cancel' }>): void;
}

/** Where contents are counted when nobody wants to know. */
const NO_TALLY = { tokens: 0 };

/** RxJS's own way to tell of an error that has no receiver. */
export const reportUnhandled = (error: unknown): void => void throwError(() => error).subscribe();

/** What a user's callback threw, with the error that was being dealt with as its cause. */
export function withCause(thrown: unknown, pending: unknown): unknown {
  if (thrown instanceof Error && thrown !== pending && thrown.cause === undefined && Object.isExtensible(thrown)) {
    Object.defineProperty(thrown, 'cause', { value: pending, configurable: true, writable: true });
  }
  return thrown;
}

/**
 * One subscription to a source. It is a Subscription that is also an Observer, both public: RxJS then takes it as the
 * subscriber itself, so that a synchronous source sees at once when it is closed, and a token costs one plain call.
 *
 * Its end is decided once. Then, in this order: the source is closed, timers are stopped, the permit is given back with
 * the outcome, and only then may its owner forward the terminal event.
 */
export class Attempt<T> extends Subscription implements Observer<T> {
  /** Contents so far. */
  contents = 0;
  /** Contents that the consumer had already, and that this attempt goes on from. */
  before = 0;
  readonly #isContent: (value: T) => boolean;
  readonly #owner: AttemptOwner<T>;
  /** Let go of behind the first content, where nothing has to be done with values on their way. */
  #delivery: Delivery<T> | undefined;
  readonly #permit: AdmissionPermit | undefined;
  readonly #meter: Meter<T> | undefined;
  /** The same, where it wants to see contents behind the first as well. */
  readonly #contentMeter: Meter<T> | undefined;
  readonly #verifier: Verifier<T> | undefined;
  readonly #watchdog: Watchdog | undefined;
  readonly #tally: { tokens: number };
  /** Kept where somebody wants to know. */
  readonly #consumption: Consumption | undefined;
  #held: T[] | undefined;
  /** Whether anybody but the consumer looks at the values. */
  readonly #isWatched: boolean;
  /** Where contents go behind the first one, if nothing is done with them on their way: two calls less for each. */
  #direct: { next(value: T): void } | undefined;
  /** Its end, which came while something was being delivered. */
  #late: Ending | undefined;
  #done = false;
  #rewoundAt = 0;
  #opening = false;
  #complete = false;
  #contentAt: number | undefined;
  #ending: Ending | undefined;

  constructor(owner: AttemptOwner<T>, permit?: AdmissionPermit, meter?: Meter<T>) {
    super();
    const { plan } = owner;
    const { hold, hub, limits, scheduler, verify } = plan;
    this.#isContent = plan.isContent;
    this.#owner = owner;
    this.#delivery = new Delivery(owner, this);
    this.#permit = permit;
    this.#meter = meter;
    this.#contentMeter = meter?.countsContents ? meter : undefined;
    this.#verifier = verify?.();
    this.#tally = hub?.tally ?? NO_TALLY;
    this.#consumption = hub && new Consumption(plan);
    this.#isWatched = (this.#verifier ?? meter ?? this.#consumption) !== undefined;
    this.#held = hold ? [] : undefined;
    this.#watchdog = limits && new Watchdog(limits, scheduler, this);
  }

  /** Contents that the consumer has, now that this attempt delivers: those since the last rewind. */
  get emitted(): number {
    return this.before + this.contents - this.#rewoundAt;
  }

  /** Subscribes to the source. Called once, at once. */
  open(source: Observable<T>): void {
    this.#owner.plan.hub?.opened();
    if (this.#ending) return;
    // Until `subscribe` returns, the source's own teardown is not known: an end before that is settled after it.
    this.#opening = true;
    this.#watchdog?.start();
    try {
      const subscription = source.subscribe(this);
      if (subscription !== this) this.add(subscription); // an Observable of another kind wrapped it
    } catch (error) {
      if (this.#ending)
        reportUnhandled(error); // the teardown of a source that has ended synchronously
      else this.error(error);
    }
    this.#opening = false;
    if (this.#ending) this.#settle();
  }

  next(value: T): void {
    if (this.#done) return;
    let content: boolean;
    try {
      content = this.#isContent(value);
      if (this.#isWatched) this.#watch(value, content);
    } catch (error) {
      this.#stop({ kind: 'error', error, by: 'callback' });
      return;
    }
    if (this.#ending) return; // a callback left
    if (content) {
      this.#tally.tokens++;
      if (this.contents++ === 0) {
        this.#commit(value);
        return;
      }
    } else {
      if (rewindOf(value) === 0) {
        this.#rewoundAt = this.contents;
        this.before = 0;
      }
      this.#consumption?.note(value, this.contents);
    }
    if (this.#direct) this.#direct.next(value);
    else if (this.#held) this.#held.push(value);
    else this.#delivery?.pass(value);
  }

  /** @throws what the callbacks throw */
  #watch(value: T, content: boolean): void {
    this.#verifier?.see(value);
    (content && this.contents > 0 ? this.#contentMeter : this.#meter)?.see(value, content);
    if (content) this.#consumption?.content(value);
  }

  error(error: unknown): void {
    this.#stop({ kind: 'error', error });
  }

  complete(): void {
    if (this.#done) return;
    let ending: Ending | undefined;
    try {
      const error = this.#verifier?.verdict();
      if (error !== undefined) ending = { kind: 'error', error };
    } catch (error) {
      ending = { kind: 'error', error, by: 'callback' };
    }
    if (ending) {
      this.#stop(ending);
      return;
    }
    // Whoever leaves at what was held back until now leaves a source that is complete.
    this.#complete = this.#done = true;
    if (this.contents === 0) this.#deliver(this.#hold([]));
    this.#stop({ kind: 'complete' });
  }

  /** Called by what is behind it: it has delivered all that waited, and the end may follow. */
  drained(): void {
    if (this.contents > 0 && (this.#direct = this.#delivery?.direct)) this.#delivery = undefined;
    if (this.#late) this.#stop(this.#late);
  }

  /** What it delivers turned out to be of no use to the consumer, who therefore leaves. */
  abandon(error: unknown, by: 'callback' | 'consumer'): void {
    this.#end({ kind: 'error', error, by });
  }

  /** The consumer leaves. */
  override unsubscribe(): void {
    this.#stop({ kind: 'cancel' });
  }

  /** The first content: from here on nothing can be taken back. */
  #commit(value: T): void {
    const { openedAt, plan } = this.#owner;
    const { hub, scheduler } = plan;
    // Before anybody is told, who may make the source say more: that comes behind it.
    const held = this.#hold([value]);
    this.#watchdog?.content();
    if (hub || this.#permit) {
      const now = (this.#contentAt = scheduler.now());
      this.#permit?.content(now);
      hub?.delivering(openedAt ?? now, now);
    }
    this.#deliver(held);
  }

  /** From now on values wait behind these. @returns what was held back, which comes before them */
  #hold(values: T[]): readonly T[] {
    const held = this.#held ?? [];
    this.#held = undefined;
    this.#delivery?.wait(values);
    return held;
  }

  /** What was held back, and what waits behind it. */
  #deliver(held: readonly T[]): void {
    let told: readonly T[];
    try {
      // Whoever was told of the first content may have left.
      if (this.#ending) return;
      told = this.#owner.committing(this);
    } catch (error) {
      this.abandon(error, 'callback');
      return;
    }
    this.#delivery?.drain(told.length > 0 ? [...told, ...held] : held);
  }

  #stop(ending: Ending): void {
    if (this.#ending) return;
    this.#done = true;
    if (this.#delivery?.isBusy && ending.kind !== 'cancel') {
      this.#late ??= ending;
      return;
    }
    if (ending.kind === 'complete') this.#delivery?.rest();
    this.#end(ending);
  }

  #end(ending: Ending): void {
    if (this.#ending) return;
    this.#done = true;
    this.#ending = ending;
    this.#delivery?.close();
    try {
      super.unsubscribe();
    } catch (error) {
      reportUnhandled(error); // a source's teardown that throws: whatever follows must still happen
    }
    if (!this.#opening) this.#settle();
  }

  #settle(): void {
    let ending = this.#ending!;
    const { hub, scheduler } = this.#owner.plan;
    this.#watchdog?.stop();
    let outcome: Outcome;
    try {
      outcome = this.#conclude(ending, scheduler.now());
    } catch (thrown) {
      // `isFailure` threw; the permit was given back all the same.
      outcome = 'ignored';
      ending = { kind: 'error', error: withCause(thrown, errorOf(ending)), by: 'callback' };
    }
    const { contents } = this;
    const usage = this.#consumption?.usage(contents, this.#complete);
    hub?.closed(contents, this.#contentAt, this.#consumption?.tokens(contents, this.#complete), usage);
    this.#owner.settled(this, outcome, errorOf(ending), usage);
    if (ending.kind !== 'cancel') this.#owner.ended(this, ending);
  }

  /** Decides the outcome and gives the permit back with it. */
  #conclude(ending: Ending, now: number): Outcome {
    const permit = this.#permit;
    const meter = this.#meter;
    const left = ending.kind === 'cancel' || (ending.kind === 'error' && ending.by === 'consumer');
    const whole = this.#complete && (left || ending.kind === 'complete');
    if (permit && meter) permit.settling = () => meter.settle(whole, now);
    if (ending.kind === 'error' && !ending.by && !isRejected(ending.error)) {
      return (permit?.fail(ending.error, now) ?? isCounted(ending.error)) ? 'failure' : 'ignored';
    }
    if (whole || (left && this.contents > 0)) {
      permit?.succeed(now);
      return 'success';
    }
    permit?.ignore(now);
    return ending.kind === 'error' && isRejected(ending.error) ? 'rejected' : 'ignored';
  }
}

const errorOf = (ending: Ending): unknown => (ending.kind === 'error' ? ending.error : undefined);

/** Whether an error says something about the provider's health, where no breaker has its own opinion. */
const isCounted = (error: unknown): boolean => ERROR_CODES[classifyError(error).code].counted;
