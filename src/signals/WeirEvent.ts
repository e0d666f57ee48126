import type { AdmissionComponent } from '../errors/WeirError';
import type { CircuitTransition } from '../policies/CircuitBreaker';

/** How an attempt ended, as its policies were told. */
export type Outcome = 'success' | 'failure' | 'ignored' | 'rejected';

/** What an attempt cost, in LLM tokens. */
export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Whether any of it is a guess by the length of what was said: the provider did not tell, as the attempt was cut or left. */
  readonly estimated: boolean;
}

type Body =
  | { type: 'attempt.start' }
  /** `usage` is absent where the provider said nothing of an attempt that is whole, and where nothing came at all. */
  | { type: 'attempt.end'; outcome: Outcome; error?: unknown; usage?: Usage }
  | { type: 'retry.scheduled'; delayMs: number; error: unknown }
  | { type: 'fallback'; from: string; to: string; error: unknown }
  | { type: 'rejected'; component: AdmissionComponent; error: unknown }
  /** `component`: what it waited for at first. */
  | { type: 'wait.end'; component: 'rateLimiter' | 'backpressure'; waitedMs: number }
  | { type: 'partial'; emitted: number; action: 'fail' | 'rewind' | 'skip' | 'resume' }
  /** No content came within `afterMs`: one more attempt starts beside those that run. `target`: at another target. */
  | { type: 'hedge'; afterMs: number; target?: string };

/** What happened to one stream. Every `attempt.start` has one `attempt.end`. */
export type StreamEvent = Body & {
  /** When, in ms. */
  readonly timestamp: number;
  /** Which stream of the executor, from 1. */
  readonly stream: number;
  /** Which attempt of the stream, from 1. */
  readonly attempt: number;
};

/** One thing that happened, for logs and dashboards. */
export type WeirEvent = StreamEvent | ({ readonly type: 'circuit'; readonly timestamp: number } & CircuitTransition);

export type StreamEventBody = Body;
