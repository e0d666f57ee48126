import { classifyError } from './classifyError';
import { WeirError } from './WeirError';

/** One target of a fallback, and why it failed. */
export interface TargetError {
  readonly target: string;
  /** As it was thrown; where a key can be reached from that, a plain Error with its redacted message. */
  readonly error: unknown;
}

/**
 * Every target failed. The code is that of the last error, which is also the `cause`; not retryable, `retryAfterMs` is
 * that of the target that asks for the shortest wait.
 */
export class FallbackExhaustedError extends WeirError {
  static override readonly name = 'FallbackExhaustedError';
  /** What happened, in the order in which the targets were tried. */
  readonly errors: readonly TargetError[];

  /** @param now - the time in ms since the epoch, to read dates in raw errors by; @defaultValue `Date.now()` */
  constructor(errors: readonly TargetError[], now?: number) {
    const parts = errors.map(({ error }) => classifyError(error, { now }));
    const safe = errors.map(({ target, error }, i) => ({
      target,
      error: parts[i] === error ? error : parts[i]?.cause,
    }));
    const waits = parts.flatMap((part) => part.retryAfterMs ?? []);
    super(`all targets failed: ${safe.map(({ target }, i) => `${target} (${parts[i]?.message})`).join(', ')}`, {
      code: parts.at(-1)?.code,
      retryable: false,
      fallbackable: true,
      retryAfterMs: waits.length ? Math.min(...waits) : undefined,
      cause: safe.at(-1)?.error,
    });
    this.errors = safe;
  }
}
