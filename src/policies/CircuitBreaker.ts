import { ERROR_CODES } from '../errors/codes';
import { CircuitOpenError } from '../errors/rejections';
import { isRejected, type WeirError } from '../errors/WeirError';
import { resolveCircuit, type CircuitBreakerConfig, type ResolvedCircuit } from './circuitConfig';
import * as states from './circuitState';
import type { CircuitJSON, Inner } from './circuitState';
import { Watchable } from './Watchable';

export type { CircuitBreakerConfig, CircuitWindow } from './circuitConfig';
export type { CircuitJSON } from './circuitState';

/** `isolated`: held open by {@link CircuitBreaker.isolate}. */
export type CircuitState = 'closed' | 'open' | 'half_open' | 'isolated';

export interface CircuitTransition {
  readonly from: CircuitState;
  readonly to: CircuitState;
  readonly reason: string;
}

/** The circuit at one instant. */
export interface CircuitSnapshot {
  readonly state: CircuitState;
  /** Consecutive failures, or those in the window; while it is open or half-open, those that opened it. */
  readonly failureCount: number;
  readonly failureThreshold: number;
  /** Successful probes while half-open, else 0. */
  readonly successCount: number;
  /** In ms on the clock; `null` where it is not open. */
  readonly openUntil: number | null;
}

/**
 * One call that was let through. One-shot: the first of `succeed`, `fail` and `ignore` decides, and only while the circuit
 * is in the state that gave the permit. `now` defaults to the breaker's clock.
 */
export interface CircuitPermit {
  /** The source gave its first content; a probe with the verdict `'first'` succeeds here. */
  content(now?: number): void;
  /** The stream was a success. */
  succeed(now?: number): void;
  /** The stream failed with an error that {@link CircuitBreaker.counts}. */
  fail(error: unknown, now?: number): void;
  /** The stream says nothing about the provider: no count changes, a probe gives its place back. */
  ignore(now?: number): void;
}

/** @internal What a breaker knows of one call that it let through. */
export interface CircuitCall {
  /** The state that let it through. */
  readonly given: Inner;
  readonly startedAt: number;
  contentAt: number | undefined;
  isOver: boolean;
}

/**
 * Refuses streams to a provider that fails, shared between streams, and lets single ones through to see whether it is
 * back. A pure state machine over the instants that it is told: it has no timers.
 *
 * @example
 * const breaker = new CircuitBreaker({ failureThreshold: 3, cooldownMs: 10_000 });
 * source$.pipe(circuitBreak(breaker));
 */
export class CircuitBreaker extends Watchable<CircuitTransition | undefined> {
  readonly config: ResolvedCircuit;
  #inner: Inner = states.closed();
  #lastError: unknown;
  readonly #isolations = new Set<object>();
  #events: (CircuitTransition | undefined)[] = [];

  /** @throws TypeError | RangeError for a bad option or combination, naming it */
  constructor(config: CircuitBreakerConfig = {}) {
    super();
    this.config = resolveCircuit(config);
  }

  /**
   * A breaker that goes on where {@link toJSON} was called. What was half-open is open and lets a probe through at once;
   * isolation and `lastError` do not come back.
   *
   * @throws TypeError | RangeError for what `toJSON` cannot have given, naming the field
   */
  static from(json: unknown, config?: CircuitBreakerConfig): CircuitBreaker {
    const breaker = new CircuitBreaker(config);
    breaker.#inner = states.fromJSON(json);
    return breaker;
  }

  /** The state now. */
  get state(): CircuitState {
    return this.snapshot().state;
  }

  /** The last failure that was counted; forgotten when the circuit closes. */
  get lastError(): unknown {
    return this.#lastError;
  }

  /** The refusal that a call would get now; changes nothing. */
  check(now: number = this.config.clock()): CircuitOpenError | undefined {
    if (this.#inner.state === 'closed' && this.#isolations.size === 0) return undefined;
    const { halfOpenMaxProbes, cooldownMs } = this.config;
    const inner = this.#at(now);
    const state = this.#visible(inner);
    let retryAfterMs = (this.nextChangeAt(now) ?? NaN) - now;
    if (state === 'half_open') {
      if (states.probing(inner, now, this.config) < halfOpenMaxProbes) return undefined;
      retryAfterMs ||= Math.max(1, cooldownMs); // probes that have content may run for minutes more
    }
    return new CircuitOpenError(`the circuit is ${state}`, {
      retryAfterMs: retryAfterMs || undefined,
      cause: this.#lastError,
    });
  }

  /** Lets a call through, or tells why not. */
  tryAcquire(now: number = this.config.clock()): CircuitPermit | CircuitOpenError {
    const call = this.enter(now);
    if (isRejected(call)) return call;
    const { clock } = this.config;
    // As functions, so that they can be taken apart and passed on.
    return {
      content: (at = clock()) => this.content(call, at),
      succeed: (at = clock()) => this.leave(call, at, false),
      fail: (error, at = clock()) => this.leave(call, at, true, error),
      ignore: (at = clock()) => this.leave(call, at),
    };
  }

  /** @internal As {@link tryAcquire}, for a fifth of the memory. */
  enter(now: number): CircuitCall | CircuitOpenError {
    return this.#write(now, () => this.check(now) ?? this.#call(now));
  }

  /** @internal The call gave its first content. */
  content(call: CircuitCall, now: number): void {
    const { given } = call;
    call.contentAt ??= now;
    if (given.state !== 'half_open' || !given.probes.has(call)) return;
    if (this.config.probeVerdict === 'first') this.leave(call, now, false);
    else this.#write(now, () => this.#turn('', () => given.probes.set(call, Infinity)));
  }

  /** @internal The call is over. @param failed - `undefined`: it says nothing about the provider */
  leave(call: CircuitCall, now: number, failed?: boolean, error?: unknown): void {
    if (call.isOver) return;
    call.isOver = true;
    this.#write(now, () => this.#settle(call, now, failed, error));
  }

  /** Whether an error is a failure of the provider. @throws what the user's `isFailure` throws */
  counts(error: unknown, ctx: { error: WeirError }): boolean {
    const { isFailure, countRateLimits } = this.config;
    const { code, errors } = ctx.error as WeirError & { errors?: readonly { error: unknown }[] };
    // Nor is a chain of nothing but refusals: nobody was asked.
    if (isRejected(ctx.error) || errors?.every((part) => isRejected(part.error))) return false;
    return isFailure ? isFailure(error, ctx) : code === 'E2001' ? countRateLimits : ERROR_CODES[code].counted;
  }

  /** When time alone will change the state, in ms on the clock; `undefined`: never. */
  nextChangeAt(now: number = this.config.clock()): number | undefined {
    const due = this.#isolations.size ? Infinity : states.dueAt(this.#at(now));
    return due < Infinity ? due : undefined;
  }

  /** Stores what time alone has changed by now, and tells it: for those who wait for {@link nextChangeAt}. */
  advance(now: number = this.config.clock()): void {
    this.#write(now, () => undefined);
  }

  /**
   * Refuses all calls until everybody who isolated it has released it; what the circuit is beneath goes on.
   *
   * @returns what releases this isolation (once)
   */
  isolate(now: number = this.config.clock()): (now?: number) => void {
    const key = {};
    this.#write(now, () => this.#turn('isolated', () => this.#isolations.add(key)));
    return (at = this.config.clock()) =>
      this.#write(at, () => this.#turn('released', () => this.#isolations.delete(key)));
  }

  /** Closes the circuit and forgets all counts; streams that run decide nothing more. Isolation stays. */
  reset(now: number = this.config.clock()): void {
    this.#write(now, () => this.#become(states.closed(), 'reset'));
  }

  snapshot(now: number = this.config.clock()): CircuitSnapshot {
    const inner = this.#at(now);
    const { window, failureThreshold } = this.config;
    return {
      state: this.#visible(inner),
      failureCount: window && inner.state === 'closed' ? states.totals(inner, window, now)[1]! : inner.failures,
      failureThreshold,
      successCount: inner.state === 'half_open' ? inner.successes : 0,
      openUntil: inner.state === 'open' ? inner.openUntil : null,
    };
  }

  /** The state for {@link from}. @param now - in ms; what is no number (JSON.stringify gives a key) is ignored */
  toJSON(now?: unknown): CircuitJSON {
    const at = typeof now === 'number' ? now : this.config.clock();
    return states.toJSON(this.#at(at), at);
  }

  #at(now: number): Inner {
    return states.advance(this.#inner, now, this.config);
  }

  #visible({ state }: Inner): CircuitState {
    return this.#isolations.size ? 'isolated' : state;
  }

  /** Stores what time has changed, changes, and tells of it all when it is done. */
  #write<R>(now: number, change: () => R): R {
    for (let next; (next = states.step(this.#inner, now, this.config)) !== this.#inner;) {
      this.#become(next, next.state === 'open' ? 'probe timeout' : 'cooldown over');
    }
    const result = change();
    const events = this.#events;
    if (events.length > 0) {
      this.#events = [];
      for (const event of events) this.changed(event);
    }
    return result;
  }

  #turn(reason: string, change: () => void): void {
    const from = this.#visible(this.#inner);
    change();
    const to = this.#visible(this.#inner);
    this.#events.push(from === to ? undefined : { from, to, reason });
  }

  #become(next: Inner, reason: string): void {
    this.#turn(reason, () => (this.#inner = next));
    if (next.state === 'closed') this.#lastError = undefined;
  }

  #open(now: number, reopened: number, failures: number, reason: string): void {
    this.#become(states.opened(now, reopened, failures, this.config), reason);
  }

  #call(startedAt: number): CircuitCall {
    const given = this.#inner;
    const call: CircuitCall = { given, startedAt, contentAt: undefined, isOver: false };
    if (given.state === 'half_open') {
      this.#turn('', () => given.probes.set(call, startedAt + this.config.probeTimeoutMs));
    }
    return call;
  }

  #settle(call: CircuitCall, now: number, failed: boolean | undefined, error: unknown): void {
    const { contentAt = now, given, startedAt } = call;
    if (this.#inner !== given) return;
    if (failed) this.#lastError = error;
    if (given.state === 'closed') {
      if (failed !== undefined) this.#count(given, now, failed, contentAt - startedAt);
    } else if (given.state === 'half_open') {
      given.probes.delete(call);
      this.#events.push(undefined);
      if (failed) this.#open(now, given.reopened + 1, given.failures, 'probe failed');
      else if (failed === false && ++given.successes >= this.config.successThreshold) {
        this.#become(states.closed(), 'probe succeeded');
      }
    }
  }

  #count(inner: states.Closed, now: number, failed: boolean, firstMs: number): void {
    const {
      window,
      failureThreshold,
      failureRate,
      slowRate,
      slowFirstContentMs = Infinity,
      minimumCalls,
    } = this.config;
    inner.failures = failed ? inner.failures + 1 : 0;
    this.#events.push(undefined);
    if (!window) {
      if (inner.failures >= failureThreshold) this.#open(now, 0, inner.failures, 'failureThreshold');
      return;
    }
    states.record(inner, window, now, failed, firstMs > slowFirstContentMs);
    const [calls, failures, slow] = states.totals(inner, window, now) as [number, number, number];
    const reached = (part: number, rate = Infinity): boolean => part > 0 && part >= rate * calls;
    if (calls < minimumCalls) return;
    if (reached(failures, failureRate)) this.#open(now, 0, failures, 'failureRate');
    else if (reached(slow, slowRate)) this.#open(now, 0, failures, 'slowRate');
  }
}
