import {
  BehaviorSubject,
  filter,
  Observable,
  Subject,
  skip,
  type Observer,
  type SchedulerLike,
  type Subscription,
} from 'rxjs';

/** What a {@link LiveSubject} shows. */
export interface LiveState<S> {
  /** The state now; `previous` itself where nothing changed, the time aside. */
  read(previous: S | undefined): S;
  /** Whether two states differ by more than what time alone does to them. */
  differ(a: S, b: S): boolean;
  /** Begins to tell the subject what changes. @returns a function that ends it */
  watch(): () => void;
  /** Whether something may move that tells nobody (a count), so that it must be looked at again. */
  moving(): boolean;
  /** When the state changes by itself; absolute, in ms. */
  nextChangeAt(now: number): number | undefined;
  /** That time has come. */
  advance(now: number): void;
}

/**
 * A BehaviorSubject over a state that lives elsewhere: `value` is always the truth now, and so is what a subscriber gets
 * first; then it gets changes, coalesced. Nothing is watched and no timer runs while nobody subscribes. It is read-only:
 * it has one writer, and every observer sees the same order.
 */
export class LiveSubject<S> extends BehaviorSubject<S> {
  readonly #state: LiveState<S>;
  readonly #everyMs: number;
  readonly #scheduler: SchedulerLike;
  readonly #changes = new Subject<S>();
  readonly #live: Observable<S>;
  readonly #queue: S[] = [];
  #current: S;
  #emitted: S;
  #emitting = false;
  #done = false;
  #dirty = false;
  #unwatch: (() => void) | undefined;
  #pause: Subscription | undefined;
  #alarm: Subscription | undefined;
  #alarmAt: number | undefined;

  constructor(state: LiveState<S>, everyMs: number, scheduler: SchedulerLike) {
    const first = state.read(undefined);
    super(first);
    this.#state = state;
    this.#current = this.#emitted = first;
    this.#everyMs = everyMs;
    this.#scheduler = scheduler;
    this.#live = new Observable<S>((subscriber) => {
      if (this.#done) {
        subscriber.next(this.getValue());
        subscriber.complete();
        return;
      }
      this.#unwatch ??= this.#state.watch();
      let last = this.getValue();
      if (!this.observed) this.#emitted = last;
      // What is still to be told to the others is older than what the newcomer is told first, or the same.
      const isNews = (value: S): boolean => this.#state.differ(last, value) && !!(last = value);
      subscriber.add(this.#changes.pipe(skip(this.#queue.length), filter(isNews)).subscribe(subscriber));
      subscriber.add(() => {
        if (!this.observed) this.#rest();
      });
      subscriber.next(last);
      this.#look();
    });
  }

  /** So that Vue's `ref` puts no proxy around it, behind which it could not work. */
  get [Symbol.toStringTag](): string {
    return 'LiveSubject';
  }

  override get observed(): boolean {
    return this.#changes.observed;
  }

  override getValue(): S {
    return this.#done ? this.#current : (this.#current = this.#state.read(this.#current));
  }

  override subscribe(
    observerOrNext?: Partial<Observer<S>> | ((value: S) => void) | null,
    error?: ((error: unknown) => void) | null,
    complete?: (() => void) | null,
  ): Subscription {
    const isNext = typeof observerOrNext === 'function';
    const observer: Partial<Observer<S>> = isNext ? { next: observerOrNext } : (observerOrNext ?? {});
    // Beside a function: RxJS's old signature, and the way Svelte subscribes to a store.
    return this.#live.subscribe(
      isNext ? { ...observer, ...(error && { error }), ...(complete && { complete }) } : observer,
    );
  }

  override next(): void {
    throw new TypeError('this subject is read-only: the library is its only writer');
  }

  /** Nothing changes any more: the last value, then completion. */
  override complete(): void {
    if (this.#done) return;
    this.getValue();
    this.changedNow();
    this.#done = true;
    this.#rest();
    this.#changes.complete();
    super.complete();
  }

  /** Something changed: emitted now, or together with what follows within `everyMs`. */
  changed(): void {
    if (!this.observed) return;
    this.#dirty = true;
    if (!this.#pause) this.#look();
  }

  /** Something changed that must be seen at once. */
  changedNow(): void {
    if (!this.observed) return;
    this.#publish();
    this.#setAlarm();
  }

  #look(): void {
    if (!this.observed) return;
    if (this.#dirty || this.#state.moving()) {
      this.#pause ??= this.#after(this.#everyMs, () => {
        this.#pause = undefined;
        this.#look();
      });
      this.#dirty = false;
      this.#publish();
    }
    this.#setAlarm();
  }

  #setAlarm(): void {
    if (!this.observed) return;
    const now = this.#scheduler.now();
    const at = this.#state.nextChangeAt(now);
    if (at === this.#alarmAt) return;
    this.#alarm?.unsubscribe();
    this.#alarmAt = at;
    this.#alarm =
      at === undefined
        ? at
        : this.#after(Math.max(0, Math.ceil(at - now)), () => {
            this.#alarmAt = undefined;
            this.#state.advance(this.#scheduler.now());
            this.changedNow();
          });
  }

  /** One drain loop: an observer that causes a change sees it after every observer saw the one before. */
  #publish(): void {
    const queue = this.#queue;
    const value = this.getValue();
    if (!this.#state.differ(queue.at(-1) ?? this.#emitted, value)) return;
    queue.push(value);
    if (this.#emitting) return;
    this.#emitting = true;
    try {
      for (let next; (next = queue.shift()) !== undefined;) {
        this.#emitted = next;
        this.#changes.next(next);
      }
    } finally {
      this.#emitting = false;
    }
  }

  #rest(): void {
    this.#unwatch?.();
    this.#pause?.unsubscribe();
    this.#alarm?.unsubscribe();
    this.#unwatch = this.#pause = this.#alarm = this.#alarmAt = undefined;
    this.#dirty = false;
  }

  #after(ms: number, work: () => void): Subscription {
    const action = this.#scheduler.schedule(work, Math.min(ms, 2_147_483_647));
    // Looking on must not keep a process alive. Only asyncScheduler's actions in Node have this; elsewhere it is nothing.
    (action as { id?: { unref?(): void } }).id?.unref?.();
    return action;
  }
}
