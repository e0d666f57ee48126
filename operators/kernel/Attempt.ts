import { Subscription, throwError, type Observable, type Observer, type Subscriber } from 'rxjs';
import { classifyError } from '../../src/errors/classifyError';
import { ERROR_CODES } from '../../src/errors/codes';
import { isRejected } from '../../src/errors/WeirError';
import { outputTokensOf, rewindOf } from '../../src/events/defaults';
import type { AdmissionPermit } from '../../src/policies/PreflightChecker';
import type { SignalsHub } from '../../src/signals/SignalsHub';
import type { Outcome } from '../../src/signals/WeirEvent';
import type { Meter } from './Meter';
import type { Runtime } from './runtime';
import { Watchdog, type Limits } from './Watchdog';

/** How an attempt ended: by its source, by a user's callback that threw, or left by its consumer. */
export type Ending =
  | { readonly kind: 'complete' | 'cancel' }
  | { readonly kind: 'error'; readonly error: unknown; readonly byCallback?: boolean };

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
}

/** What an attempt reports to. */
export interface AttemptOwner<T> {
  /**
   * The first content, or a completion without any, is about to be delivered. What it throws ends the attempt.
   *
   * @returns what the consumer must be told before
   */
  committing(attempt: Attempt<T>): readonly T[];
  /** The attempt is over: its source is closed, its permit given back. Always called, once. */
  settled(attempt: Attempt<T>, outcome: Outcome, error: unknown): void;
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
  readonly #settings: AttemptSettings<T>;
  readonly #isContent: (value: T) => boolean;
  readonly #owner: AttemptOwner<T>;
  readonly #destination: Subscriber<T>;
  readonly #permit: AdmissionPermit | undefined;
  readonly #meter: Meter<T> | undefined;
  readonly #verifier: Verifier<T> | undefined;
  readonly #watchdog: Watchdog | undefined;
  readonly #tally: { tokens: number };
  #held: T[] | undefined;
  /** What is being delivered at the first content: whatever the consumer makes the source say meanwhile comes behind it. */
  #backlog: T[] | undefined;
  #late: Ending | undefined;
  #done = false;
  #rewoundAt = 0;
  #opening = false;
  #complete = false;
  #openedAt: number | undefined;
  #contentAt: number | undefined;
  #outputTokens: number | undefined;
  #ending: Ending | undefined;

  constructor(
    settings: AttemptSettings<T>,
    owner: AttemptOwner<T>,
    destination: Subscriber<T>,
    permit?: AdmissionPermit,
    meter?: Meter<T>,
  ) {
    super();
    const { hold, hub, limits, scheduler, verify } = settings;
    this.#settings = settings;
    this.#isContent = settings.isContent;
    this.#owner = owner;
    this.#destination = destination;
    this.#permit = permit;
    this.#meter = meter;
    this.#verifier = verify?.();
    this.#tally = hub?.tally ?? NO_TALLY;
    this.#held = hold ? [] : undefined;
    this.#watchdog = limits && new Watchdog(limits, scheduler, this);
  }

  /** Contents that the consumer has of this attempt: those since the last rewind. */
  get emitted(): number {
    return this.contents - this.#rewoundAt;
  }

  /** Subscribes to the source. */
  open(source: Observable<T>): void {
    const { hub, scheduler } = this.#settings;
    this.#openedAt = scheduler.now();
    hub?.opened();
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
      this.#verifier?.see(value);
      this.#meter?.see(value, content);
    } catch (error) {
      this.#stop({ kind: 'error', error, byCallback: true });
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
      if (rewindOf(value) === 0) this.#rewoundAt = this.contents;
      this.#outputTokens = outputTokensOf(value) ?? this.#outputTokens;
    }
    const aside = this.#held ?? this.#backlog;
    if (aside) aside.push(value);
    else this.#destination.next(value);
  }

  error(error: unknown): void {
    this.#stop({ kind: 'error', error });
  }

  complete(): void {
    if (this.#done) return;
    let error: unknown;
    let byCallback = false;
    try {
      error = this.#verifier?.verdict();
    } catch (thrown) {
      error = thrown;
      byCallback = true;
    }
    if (error !== undefined) {
      this.#stop({ kind: 'error', error, byCallback });
      return;
    }
    // Whoever leaves at what was held back until now leaves a source that is complete.
    this.#complete = this.#done = true;
    if (this.contents === 0) this.#deliver(this.#held ?? [], []);
    this.#stop({ kind: 'complete' });
  }

  /** The consumer leaves. */
  override unsubscribe(): void {
    this.#stop({ kind: 'cancel' });
  }

  /** The first content: from here on nothing can be taken back. */
  #commit(value: T): void {
    const { hub, scheduler } = this.#settings;
    const held = this.#held ?? [];
    const backlog = [value];
    this.#held = undefined;
    this.#backlog = backlog;
    this.#watchdog?.content();
    if (hub || this.#permit) {
      const now = (this.#contentAt = scheduler.now());
      this.#permit?.content(now);
      hub?.delivering(this.#openedAt ?? now, now);
    }
    this.#deliver(held, backlog);
  }

  #deliver(held: readonly T[], backlog: T[]): void {
    try {
      // Whoever was told of the first content may have left.
      if (!this.#ending) backlog.unshift(...this.#owner.committing(this), ...held);
    } catch (error) {
      this.#late = { kind: 'error', error, byCallback: true };
      backlog.length = 0;
    }
    this.#backlog = backlog;
    for (let at = 0; at < backlog.length && !this.#ending; at++) this.#destination.next(backlog[at]!);
    this.#backlog = undefined;
    if (this.#late) this.#stop(this.#late);
  }

  #stop(ending: Ending): void {
    if (this.#ending) return;
    this.#done = true;
    if (this.#backlog && ending.kind !== 'cancel') {
      this.#late ??= ending;
      return;
    }
    this.#ending = ending;
    try {
      super.unsubscribe();
    } catch (error) {
      reportUnhandled(error); // a source's teardown that throws: whatever follows must still happen
    }
    if (!this.#opening) this.#settle();
  }

  #settle(): void {
    let ending = this.#ending!;
    const { hub, scheduler } = this.#settings;
    this.#watchdog?.stop();
    let outcome: Outcome;
    try {
      outcome = this.#conclude(ending, scheduler.now());
    } catch (thrown) {
      // `isFailure` threw; the permit was given back all the same.
      outcome = 'ignored';
      ending = { kind: 'error', error: withCause(thrown, errorOf(ending)), byCallback: true };
    }
    if (this.#openedAt !== undefined) hub?.closed(this.contents, this.#contentAt, this.#outputTokens);
    this.#owner.settled(this, outcome, errorOf(ending));
    if (ending.kind !== 'cancel') this.#owner.ended(this, ending);
  }

  /** Decides the outcome and gives the permit back with it. */
  #conclude(ending: Ending, now: number): Outcome {
    const permit = this.#permit;
    const meter = this.#meter;
    const whole = this.#complete && ending.kind !== 'error';
    if (permit && meter) permit.settling = () => meter.settle(whole, now);
    if (ending.kind === 'error' && !ending.byCallback && !isRejected(ending.error)) {
      return (permit?.fail(ending.error, now) ?? isCounted(ending.error)) ? 'failure' : 'ignored';
    }
    if (whole || (ending.kind === 'cancel' && this.contents > 0)) {
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
