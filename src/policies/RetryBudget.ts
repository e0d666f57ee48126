import { numberOption } from './options';
import { Watchable } from './Watchable';

export interface RetryBudgetConfig {
  /** Tokens at the start, and at most; retries stop at half of it. @defaultValue 10 */
  readonly maxTokens?: number;
  /** Tokens that a success gives back. @defaultValue 0.1 */
  readonly tokenRatio?: number;
}

/**
 * Stops retrying when too much of everything fails; shared by the streams of one provider. A retryable failure takes one
 * token, a success gives `tokenRatio` back, and retries are allowed while more than half of the tokens are left.
 *
 * @see gRPC A6, "Throttling Retry Attempts"
 */
export class RetryBudget extends Watchable {
  readonly maxTokens: number;
  readonly tokenRatio: number;
  #tokens: number;

  /** @throws TypeError | RangeError for a bad option */
  constructor({ maxTokens = 10, tokenRatio = 0.1 }: RetryBudgetConfig = {}) {
    super();
    this.#tokens = this.maxTokens = numberOption('maxTokens', maxTokens, { min: 1 });
    this.tokenRatio = numberOption('tokenRatio', tokenRatio, { min: 0.001 });
  }

  /** Tokens left, from 0 to `maxTokens`. */
  get tokens(): number {
    return this.#tokens;
  }

  /** Whether a retry may start. */
  get allowed(): boolean {
    return this.#tokens - this.maxTokens / 2 > 1e-9; // five times 0.2 adds up to more than 1
  }

  /** A stream failed with a retryable error. */
  failed(): void {
    this.#add(-1);
  }

  /** A stream succeeded. */
  succeeded(): void {
    this.#add(this.tokenRatio);
  }

  #add(tokens: number): void {
    const before = this.#tokens;
    this.#tokens = Math.max(0, Math.min(this.maxTokens, before + tokens));
    if (this.#tokens !== before) this.changed();
  }
}
