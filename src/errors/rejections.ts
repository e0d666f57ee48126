import { RejectedError, type AdmissionComponent, type WeirErrorDetails } from './WeirError';

type Details = Omit<WeirErrorDetails, 'code' | 'retryable' | 'fallbackable'>;

/** The circuit is open, isolated, or half-open with all its probes taken (E3002). `cause`: the last failure it counted. */
export class CircuitOpenError extends RejectedError {
  static override readonly name = 'CircuitOpenError';

  constructor(message = 'the circuit is open', details: Details = {}) {
    super(message, 'circuitBreaker', details);
  }
}

/** The rate limit leaves no room within the wait allowed (E2001). */
export class RateLimitExceededError extends RejectedError {
  static override readonly name = 'RateLimitExceededError';

  constructor(message = 'the rate limit is exhausted', details: Details = {}) {
    super(message, 'rateLimiter', details);
  }
}

/** No concurrency slot within the wait allowed (E3002). */
export class ConcurrencyLimitError extends RejectedError {
  static override readonly name = 'ConcurrencyLimitError';

  constructor(message = 'all concurrency slots are taken', details: Details = {}) {
    super(message, 'backpressure', details);
  }
}

/** One reason why a preflight check did not pass. */
export interface PreflightFailure {
  readonly component: AdmissionComponent;
  /** When to ask again, in ms from the check; `undefined` where nobody can know (a slot in use). */
  readonly retryAfterMs: number | undefined;
  readonly reason: string;
}

/** A preflight check did not pass; its code is that of the first component that failed. */
export class PreflightError extends RejectedError {
  static override readonly name = 'PreflightError';
  readonly failures: readonly PreflightFailure[];

  constructor(failures: readonly [PreflightFailure, ...PreflightFailure[]], details: Details = {}) {
    const [{ component, reason, retryAfterMs }] = failures;
    super(`preflight: ${reason}`, component, { retryAfterMs, ...details });
    this.failures = failures;
  }
}
