import { EmptyStreamError, IncompleteStreamError } from '../errors/streamErrors';
import type { WeirErrorDetails } from '../errors/WeirError';
import * as defaults from './defaults';

export interface CompletionOptions {
  /** Whether a value says that the stream is whole. @defaultValue a chat event of type `finish` */
  isTerminal?: ((value: unknown) => boolean) | undefined;
  /** Whether a value is content. @defaultValue every value but the chat events that are not text, reasoning or tool call */
  isContent?: ((value: unknown) => boolean) | undefined;
  /** Whether a stream without any content is fine. @defaultValue false */
  allowEmpty?: boolean | undefined;
}

export interface CompletionCheck {
  /** Takes note of the next value. */
  see(value: unknown): void;
  /** What is wrong with a stream that completes now; `undefined`: it is whole. */
  verdict(details?: Pick<WeirErrorDetails, 'provider' | 'model' | 'requestId'>): IncompleteStreamError | undefined;
}

// These answers may be empty: the provider said why.
const MAY_BE_EMPTY: unknown[] = ['contentFilter', 'refusal'];

/** Watches one stream for what makes it whole: content and a terminator, both since the last rewind to its start. */
export function createCompletionCheck(options: CompletionOptions = {}): CompletionCheck {
  const { isTerminal = defaults.isTerminal, isContent = defaults.isContent, allowEmpty = false } = options;
  let filled = allowEmpty;
  let ended = false;
  return {
    see(value) {
      const to = defaults.rewindOf(value);
      if (to !== undefined) {
        ended = false;
        filled = allowEmpty || (filled && to > 0);
      } else if (isTerminal(value)) {
        ended = true;
        filled ||= isContent(value) || MAY_BE_EMPTY.includes((value as { reason?: unknown } | null)?.reason);
      } else filled ||= isContent(value);
    },
    verdict: (details) =>
      !filled
        ? new EmptyStreamError(undefined, details)
        : ended
          ? undefined
          : new IncompleteStreamError(undefined, details),
  };
}
