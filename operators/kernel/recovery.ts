import type { Observable } from 'rxjs';
import type { WeirError } from '../../src/errors/WeirError';

/** An attempt that failed, as those who might recover from it see it. */
export interface Failure {
  /** The raw error. */
  readonly error: unknown;
  /** The same, classified. */
  readonly classified: WeirError;
  /** When, in ms. */
  readonly now: number;
  /** Contents delivered since the last rewind. */
  readonly emitted: number;
  /** Since the stream was subscribed, in ms, now. */
  readonly elapsedMs: () => number;
  /** Whether one more attempt may start after so many ms, as far as the limits of all attempts together go. */
  readonly allows: (delayMs: number) => boolean;
  /** Whether the consumer has left since; a decision would come too late. */
  readonly isOver: () => boolean;
  /** Content was delivered and may not be taken back: nothing can be tried, but it may have to be counted. */
  readonly final: boolean;
  /** The source itself failed, not a fallback. */
  readonly primary: boolean;
  /** A continuation takes the place of whatever stream is decided on. */
  readonly replaced: boolean;
}

/** What to do about it. */
export type Decision<T> =
  | { readonly type: 'retry'; readonly delayMs: number }
  | { readonly type: 'fallback'; readonly from: string; readonly to: string; readonly source: Observable<T> }
  | { readonly type: 'fail'; readonly error: unknown };

/** The per-stream state of one way to recover. */
export interface Recovery<T> {
  /** @returns `undefined`: not mine, ask the next one. What it throws is the error that the next one sees. */
  decide(failure: Failure): Decision<T> | undefined | PromiseLike<Decision<T> | undefined>;
}
