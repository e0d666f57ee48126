import { EMPTY } from 'rxjs';
import { FallbackExhaustedError } from '../../src/errors/FallbackExhaustedError';
import type { ErrorContext } from '../../src/policies/ErrorContext';
import type { FallbackChain, FallbackTarget } from '../../src/policies/FallbackChain';
import type { Decision, Failure, Recovery } from './recovery';
import { targetStream } from './targets';

/** What `onFallback` is told. */
export interface FallbackInfo extends ErrorContext {
  /** The target that failed; the source itself is `'primary'`. */
  readonly from: string;
  readonly to: string;
}

/** Options of `fallbackTo`, beside the targets. */
export interface FallbackCallbacks {
  /** Whether an error moves on to the next target. @defaultValue `ctx.error.fallbackable` */
  shouldFallback?: (error: unknown, ctx: ErrorContext) => boolean;
  /** Called before the next target is subscribed. */
  onFallback?: (error: unknown, info: FallbackInfo) => void;
}

/** Which target one stream takes next. */
export class FallbackRecovery<T> implements Recovery<T> {
  readonly #chain: FallbackChain<T>;
  readonly #callbacks: FallbackCallbacks;
  readonly #tried = new Set<FallbackTarget<T>>();
  readonly #errors: { target: string; error: unknown }[] = [];
  #current = 'primary';

  constructor(chain: FallbackChain<T>, callbacks: FallbackCallbacks) {
    this.#chain = chain;
    this.#callbacks = callbacks;
  }

  decide({
    error,
    classified,
    emitted,
    elapsedMs,
    isOver,
    final,
    now,
    allows,
    replaced,
  }: Failure): Decision<T> | undefined {
    if (final) return undefined;
    const { shouldFallback, onFallback } = this.#callbacks;
    const ctx = { error: classified, attempt: this.#tried.size + 1, emitted, elapsedMs: elapsedMs() };
    if (!(shouldFallback ? shouldFallback(error, ctx) : classified.fallbackable)) return undefined;
    this.#errors.push({ target: this.#current, error });
    const target = allows(0) ? this.#chain.next(this.#tried, error, ctx) : undefined;
    if (!target) {
      return this.#tried.size > 0 ? { type: 'fail', error: new FallbackExhaustedError(this.#errors, now) } : undefined;
    }
    this.#tried.add(target);
    const hop = { from: this.#current, to: (this.#current = target.name) };
    onFallback?.(error, { ...ctx, ...hop });
    if (isOver()) return undefined; // it left in a callback: an eager factory must not start a request for nobody
    return { type: 'fallback', ...hop, source: replaced ? EMPTY : targetStream(target, error, ctx) };
  }
}
