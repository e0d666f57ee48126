import type { ObservableInput } from 'rxjs';
import type { ErrorContext } from './ErrorContext';
import { describe, functionOption, numberOption } from './options';

/** A stream to take instead of one that failed. */
export interface FallbackTarget<T> {
  /** Unique in its chain; errors, events and signals show it. */
  readonly name: string;
  /** The stream, or what makes it for the error (the raw one; `ctx.error` is the classified). */
  readonly source: ObservableInput<T> | ((error: unknown, ctx: ErrorContext) => ObservableInput<T>);
  /** Higher comes first, insertion order decides between equals. @defaultValue 1 */
  readonly weight?: number;
  /** Whether it is taken at all; {@link FallbackChain.setEnabled} changes it later. @defaultValue true */
  readonly enabled?: boolean;
  /** Whether it is taken after this error. What it throws becomes the stream's error. @defaultValue after any error */
  readonly when?: (error: unknown, ctx: ErrorContext) => boolean;
  /** Whether a hedge may go there now: what protects it lets it through at once, and its provider is not under suspicion. @defaultValue always */
  readonly hasRoom?: (now: number) => boolean;
}

/**
 * Fallback targets in order, shared between streams. A change is seen by running streams too, when they next fall back.
 *
 * @example
 * const chain = new FallbackChain([{ name: 'claude', source: claude$ }, { name: 'local', source: local$, weight: 0.5 }]);
 * primary$.pipe(fallbackTo(chain));
 */
export class FallbackChain<T> {
  readonly #entries = new Map<string, { readonly target: FallbackTarget<T>; enabled: boolean }>();

  /** @throws TypeError | RangeError as {@link add} */
  constructor(targets: Iterable<FallbackTarget<T>> = []) {
    for (const target of targets) this.add(target);
  }

  /** The names of all targets in order, also of those that are not enabled. */
  get names(): string[] {
    return this.#ordered().map(({ target }) => target.name);
  }

  /** @throws TypeError without a name or a source, RangeError if the name is taken or the weight negative or NaN */
  add(target: FallbackTarget<T>): void {
    const { name, source, when, weight = 1, enabled = true } = target;
    if (typeof name !== 'string' || !name)
      throw new TypeError(`name must be a non-empty string, got ${describe(name)}`);
    if (this.#entries.has(name)) throw new RangeError(`name '${name}' is taken in this chain`);
    if (typeof source !== 'function' && Object(source) !== source) {
      throw new TypeError(`source of '${name}' must be a stream or a function, got ${describe(source)}`);
    }
    functionOption('when', when);
    numberOption('weight', weight);
    this.#entries.set(name, { target, enabled });
  }

  /** @returns whether there was one of that name */
  remove(name: string): boolean {
    return this.#entries.delete(name);
  }

  /** @throws RangeError if there is no target of that name */
  setEnabled(name: string, enabled: boolean): void {
    const entry = this.#entries.get(name);
    if (!entry) throw new RangeError(`name ${describe(name)} is not in this chain`);
    entry.enabled = enabled;
  }

  /**
   * The first enabled target that was not tried and wants this error; `undefined` if there is none.
   *
   * @throws what the `when` of a target throws
   */
  next(tried: ReadonlySet<FallbackTarget<T>>, error: unknown, ctx: ErrorContext): FallbackTarget<T> | undefined {
    return this.#ordered().find(
      ({ target, enabled }) => enabled && !tried.has(target) && (target.when?.(error, ctx) ?? true),
    )?.target;
  }

  #ordered() {
    const weight = ({ target }: { target: FallbackTarget<T> }): number => target.weight ?? 1;
    return [...this.#entries.values()].sort((a, b) => weight(b) - weight(a)); // stable
  }
}
