import type { InflightSnapshot } from '../policies/Backpressure';
import type { CircuitSnapshot, CircuitState } from '../policies/CircuitBreaker';
import type { RateSnapshot } from '../policies/RateLimiter';

/** What has become of the streams, since the start. */
export interface StreamsSnapshot {
  /** Streams, not attempts. */
  readonly started: number;
  readonly active: number;
  readonly completed: number;
  readonly failed: number;
  /** Left by their consumer. */
  readonly cancelled: number;
  /** Refused by the library itself. */
  readonly rejected: number;
  readonly retries: number;
  readonly fallbacks: number;
  /** Contents counted, until a usage report corrects them to output tokens. */
  readonly tokens: number;
  /** What the streams that run now deliver together, on average since their first content. */
  readonly tokensPerSecond: number;
  /** Time to first content of the last 100 attempts, in ms. */
  readonly firstContentMs: { readonly last: number; readonly p50: number; readonly p95: number } | null;
}

/** What all attempts that have ended cost, in LLM tokens, those that were dropped or left included. */
export interface UsageSnapshot {
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** How many of both belong to attempts of which the provider did not say all. */
  readonly estimatedTokens: number;
}

/** The state of everything that protects a stream, at one moment. Frozen, JSON-serialisable, all times absolute (ms). */
export interface SignalsSnapshot {
  readonly timestamp: number;
  readonly provider?: string;
  readonly model?: string;
  /** `disabled`: there is no breaker. */
  readonly circuitState: CircuitState | 'disabled';
  /** Attempts whose source is open. */
  readonly currentInflight: number;
  /** Requests left in the bucket; `null`: unlimited. */
  readonly rateRemaining: number | null;
  readonly circuit: Omit<CircuitSnapshot, 'state'> | null;
  readonly inflight: InflightSnapshot | null;
  readonly rate: RateSnapshot | null;
  readonly streams: StreamsSnapshot;
  /** Absent until something is known to have been billed. */
  readonly usage?: UsageSnapshot;
  /** The breaker is neither open nor isolated, the bucket not throttled, a slot free. */
  readonly isHealthy: boolean;
  /**
   * 0..1: the mean of the parts present: breaker 1 / 0.5 / 0, bucket remaining / capacity (0 while throttled), slots
   * 1 - utilization. Nothing present is 1.
   */
  readonly healthScore: number;
}
