import type { MonoTypeOperatorFunction } from 'rxjs';
import { createCompletionCheck, type CompletionOptions } from '../src/events/completion';
import { functionOption, objectOption } from '../src/policies/options';
import { resolveRuntime, type RuntimeOptions } from './kernel/runtime';
import { operatorOf } from './kernel/StreamRun';

/** Options of {@link verifyComplete}. */
export interface VerifyConfig<T = unknown> extends RuntimeOptions<T> {
  /** Whether a value says that the stream is whole. @defaultValue a chat `finish` event */
  isTerminal?(value: T): boolean;
  /** Whether a stream without any content is fine. @defaultValue false */
  allowEmpty?: boolean;
}

/**
 * Makes sure that a stream that completes is whole: an answer cut short by a closed socket completes too.
 *
 * ```text
 * source:  --a--b--|          --a--b--(finish|)
 * result:  --a--b--#          --a--b--(finish|)
 *                  IncompleteStreamError
 * ```
 *
 * - Without a terminal value: `IncompleteStreamError`. Without any content: `EmptyStreamError`, unless the finish reason is
 *   contentFilter or refusal, or `allowEmpty`. Both are E3001, retryable.
 *
 * @example
 * sdkChunks$.pipe(verifyComplete({ isTerminal: (chunk) => !!chunk.choices[0]?.finish_reason }), retryBackoff())
 *
 * @throws TypeError at the call for a bad option
 */
export function verifyComplete<T>(
  config: VerifyConfig<T> = {},
  options?: RuntimeOptions<T>,
): MonoTypeOperatorFunction<T> {
  objectOption('verifyComplete', config);
  const { isTerminal, allowEmpty } = config;
  functionOption('isTerminal', isTerminal);
  const runtime = resolveRuntime<T>(config, options);
  const check = { isTerminal, allowEmpty, isContent: runtime.isContent } as CompletionOptions;
  return operatorOf<T>({ ...runtime, hold: false, verify: () => createCompletionCheck(check) });
}
