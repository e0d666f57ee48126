import type { WeirError } from '../errors/WeirError';

/** What callbacks about an error get beside the raw thrown value. */
export interface ErrorContext {
  /** The raw error, classified. */
  readonly error: WeirError;
  /** The number of the attempt that failed, from 1. */
  readonly attempt: number;
  /** Contents delivered to the subscriber since the last rewind. */
  readonly emitted: number;
  /** Since the stream was subscribed, in ms. */
  readonly elapsedMs: number;
}
