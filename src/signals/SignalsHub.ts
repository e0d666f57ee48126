import { Observable, Subject, type BehaviorSubject, type SchedulerLike } from 'rxjs';
import type { Backpressure } from '../policies/Backpressure';
import type { CircuitBreaker, CircuitSnapshot } from '../policies/CircuitBreaker';
import type { RateLimiter } from '../policies/RateLimiter';
import { LiveSubject } from './LiveSubject';
import type { SignalsSnapshot, StreamsSnapshot, UsageSnapshot } from './SignalsSnapshot';
import { deepFreeze, digest, levelOf, mean, percentiles } from './snapshots';
import type { StreamEventBody, Usage, WeirEvent } from './WeirEvent';

/** How a stream ended. */
export type StreamEnd = 'completed' | 'failed' | 'cancelled' | 'rejected';

/** What a hub looks at; every part optional. */
export interface SignalSources {
  circuitBreaker?: CircuitBreaker | undefined;
  rateLimiter?: RateLimiter | undefined;
  backpressure?: Backpressure | undefined;
  provider?: string | undefined;
  model?: string | undefined;
  /** It only looks: no pipeline reports here, so attempts are counted by the slots in use. */
  observer?: boolean;
}

/** How many times to first content the percentiles are made of. */
const SAMPLES = 100;

const NO_USAGE: UsageSnapshot = { inputTokens: 0, outputTokens: 0, estimatedTokens: 0 };

/**
 * The single writer behind `signals$` and `events$`: the operators count and report here, the policies are watched while
 * somebody subscribes. Nothing is done per token but `tally.tokens++`.
 */
export class SignalsHub {
  readonly signals$: BehaviorSubject<SignalsSnapshot>;
  readonly events$: Observable<WeirEvent>;
  /** Contents seen, in all: the attempts count here directly. */
  readonly tally = { tokens: 0 };

  readonly #sources: SignalSources;
  readonly #scheduler: SchedulerLike;
  readonly #live: LiveSubject<SignalsSnapshot>;
  readonly #events = new Subject<WeirEvent>();
  readonly #pending: WeirEvent[] = [];
  #telling = false;
  #watchers = 0;
  #unwatch: (() => void)[] = [];
  #streams = { started: 0, active: 0, completed: 0, failed: 0, cancelled: 0, rejected: 0, retries: 0, fallbacks: 0 };
  #usage: UsageSnapshot | undefined;
  #inflight = 0;
  #corrections = 0;
  readonly #firstContent: number[] = [];
  // How often the bucket changed other than by time, in all and when a snapshot was taken: refilling alone is no news.
  #rateChanges = 0;
  readonly #rateChangesAt = new WeakMap<SignalsSnapshot, number>();
  // Of the attempts that are delivering: how many, the sum of their first contents' times, and what the others counted.
  #delivering = 0;
  #deliveringSince = 0;
  #delivered = 0;

  constructor(sources: SignalSources, everyMs: number, scheduler: SchedulerLike) {
    this.#sources = sources;
    this.#scheduler = scheduler;
    this.signals$ = this.#live = new LiveSubject<SignalsSnapshot>(
      {
        read: (previous) => this.#read(previous),
        differ: (a, b) => {
          const refilled = this.#rateChangesAt.get(a) === this.#rateChangesAt.get(b);
          return digest(a, refilled) !== digest(b, refilled);
        },
        watch: () => this.#watch(),
        moving: () => this.#delivering > 0,
        nextChangeAt: (now) => this.#nextChangeAt(now),
        // So that the transition is an event too, when it is due and not at the next call.
        advance: (now) => sources.circuitBreaker?.advance(now),
      },
      everyMs,
      scheduler,
    );
    this.events$ = new Observable((subscriber) => {
      // The one alarm for what time brings is that of the signals.
      subscriber.add(this.#live.subscribe());
      subscriber.add(this.#events.subscribe(subscriber));
    });
  }

  /** The truth now, with the time of now; the subject's `value` stays the same object while nothing else changes. */
  snapshot(): SignalsSnapshot {
    const { value } = this.signals$;
    const timestamp = this.#scheduler.now();
    return value.timestamp === timestamp ? value : Object.freeze({ ...value, timestamp });
  }

  /** A stream was subscribed. @returns its number, from 1 */
  streamStarted(): number {
    this.#streams.active++;
    const number = ++this.#streams.started;
    this.#live.changed();
    return number;
  }

  streamEnded(how: StreamEnd): void {
    this.#streams.active--;
    this.#streams[how]++;
    this.#live.changed();
  }

  /** An attempt's source was opened. */
  opened(): void {
    this.#inflight++;
    this.#live.changed();
  }

  /** An attempt gave its first content. */
  delivering(openedAt: number, now: number): void {
    const samples = this.#firstContent;
    if (samples.push(Math.max(0, now - openedAt)) > SAMPLES) samples.shift();
    this.#delivering++;
    this.#deliveringSince += now;
    this.#live.changed();
  }

  /**
   * An attempt's source was closed.
   *
   * @param since - when its first content came; `undefined`: it gave none
   * @param tokens - what the provider said they are, where it did
   * @param usage - what it cost, as far as that is known
   */
  closed(contents: number, since: number | undefined, tokens: number | undefined, usage: Usage | undefined): void {
    this.#inflight--;
    this.#delivered += contents;
    if (tokens !== undefined) this.#corrections += tokens - contents;
    if (usage) {
      const { inputTokens, outputTokens, estimatedTokens } = this.#usage ?? NO_USAGE;
      this.#usage = {
        inputTokens: inputTokens + usage.inputTokens,
        outputTokens: outputTokens + usage.outputTokens,
        estimatedTokens: estimatedTokens + (usage.estimated ? usage.inputTokens + usage.outputTokens : 0),
      };
    }
    if (since !== undefined) {
      this.#delivering--;
      this.#deliveringSince -= since;
    }
    this.#live.changed();
  }

  /** Whether anybody hears what is told; what only is an event need not be made else. */
  get isHeard(): boolean {
    return this.#events.observed;
  }

  /** Something happened to a stream. */
  tell(stream: number, attempt: number, body: StreamEventBody): void {
    if (body.type === 'retry.scheduled') this.#streams.retries++;
    else if (body.type === 'fallback') this.#streams.fallbacks++;
    // Asked here, too: what nobody hears is not made.
    if (!this.#events.observed) return;
    this.#emit({ ...body, timestamp: this.#scheduler.now(), stream, attempt });
  }

  /** Forgets what was counted. Streams that run stay counted as active. */
  reset(): void {
    const { active } = this.#streams;
    this.#streams = {
      started: active,
      active,
      completed: 0,
      failed: 0,
      cancelled: 0,
      rejected: 0,
      retries: 0,
      fallbacks: 0,
    };
    this.#corrections = -this.tally.tokens;
    this.#usage = undefined;
    this.#firstContent.length = 0;
    this.#live.changed();
  }

  #emit(event: WeirEvent): void {
    if (!this.#events.observed) return;
    this.#pending.push(event);
    if (this.#telling) return;
    this.#telling = true;
    try {
      for (let next; (next = this.#pending.shift());) this.#events.next(next);
    } finally {
      this.#telling = false;
    }
  }

  /** Watches the policies from the first subscriber to the last: they may outlive this hub, and must not hold it. */
  #watch(): () => void {
    const { circuitBreaker, rateLimiter, backpressure } = this.#sources;
    if (this.#watchers++ === 0) {
      const changed = (): void => this.#live.changed();
      const rateChanged = (): void => {
        this.#rateChanges++;
        changed();
      };
      this.#unwatch = [rateLimiter?.watch(rateChanged), backpressure?.watch(changed)].filter(
        (stop) => stop !== undefined,
      );
      if (circuitBreaker) {
        this.#unwatch.push(
          circuitBreaker.watch((transition) => {
            if (!transition) return this.#live.changed();
            this.#emit({ type: 'circuit', timestamp: this.#scheduler.now(), ...transition });
            this.#live.changedNow();
          }),
        );
      }
    }
    let watching = true;
    return () => {
      if (!watching) return;
      watching = false;
      if (--this.#watchers === 0) for (const stop of this.#unwatch) stop();
    };
  }

  #nextChangeAt(now: number): number | undefined {
    const { circuitBreaker, rateLimiter } = this.#sources;
    const throttledUntil = rateLimiter?.snapshot(now).throttledUntil;
    const times = [circuitBreaker?.nextChangeAt(now), throttledUntil].filter(
      (time) => typeof time === 'number' && time > now,
    );
    return times.length > 0 ? Math.min(...(times as number[])) : undefined;
  }

  #read(previous: SignalsSnapshot | undefined): SignalsSnapshot {
    const now = this.#scheduler.now();
    const { circuitBreaker, rateLimiter, backpressure, provider, model, observer } = this.#sources;
    const circuit = circuitBreaker?.snapshot(now);
    const circuitState = circuit?.state ?? 'disabled';
    const rate = rateLimiter?.snapshot(now) ?? null;
    const inflight = backpressure?.snapshot() ?? null;
    const throttled = rateLimiter?.isThrottled(now) ?? false;
    const snapshot: SignalsSnapshot = {
      timestamp: now,
      ...(provider === undefined ? {} : { provider }),
      ...(model === undefined ? {} : { model }),
      circuitState,
      currentInflight: observer ? (backpressure?.inUse ?? 0) : this.#inflight,
      rateRemaining: rate?.remaining ?? null,
      circuit: circuit ? withoutState(circuit) : null,
      inflight,
      rate,
      streams: this.#streamsAt(now),
      ...(this.#usage && { usage: this.#usage }),
      isHealthy: circuitState !== 'open' && circuitState !== 'isolated' && !throttled && inflight?.available !== 0,
      healthScore: mean([
        circuit && (circuitState === 'closed' ? 1 : circuitState === 'half_open' ? 0.5 : 0),
        throttled ? 0 : rate && levelOf(rate),
        inflight && 1 - inflight.utilization,
      ]),
    };
    if (previous && digest(previous) === digest(snapshot)) return previous;
    this.#rateChangesAt.set(snapshot, this.#rateChanges);
    return deepFreeze(snapshot);
  }

  #streamsAt(now: number): StreamsSnapshot {
    const deliveringMs = this.#delivering * now - this.#deliveringSince;
    const { tokens } = this.tally;
    return {
      ...this.#streams,
      tokens: Math.max(0, tokens + this.#corrections),
      // The mean rate of the streams that deliver, times their number: two sums, and nothing to do per token.
      tokensPerSecond: deliveringMs > 0 ? ((tokens - this.#delivered) * this.#delivering * 1000) / deliveringMs : 0,
      firstContentMs: percentiles(this.#firstContent),
    };
  }
}

const withoutState = ({
  failureCount,
  failureThreshold,
  successCount,
  openUntil,
}: CircuitSnapshot): SignalsSnapshot['circuit'] => ({
  failureCount,
  failureThreshold,
  successCount,
  openUntil,
});
