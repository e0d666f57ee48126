import type { RateLimitInfo } from '../errors/headers';
import type { ChatEvent } from './ChatEvent';

// These read any value of any stream: one that only looks like a chat event must not make them throw.
const typeOf = (value: unknown): unknown =>
  typeof value === 'object' && value !== null ? (value as { type?: unknown }).type : undefined;

/**
 * Whether a value cannot be taken back once delivered. Of chat events only text (not empty), reasoning and tool calls
 * are; every value that is no chat event is.
 */
export function isContent(value: unknown): boolean {
  switch (typeOf(value)) {
    case 'text':
      return (value as { text?: unknown }).text !== '';
    case 'start':
    case 'usage':
    case 'rewind':
    case 'resume':
    case 'finish':
      return false;
    default:
      return true;
  }
}

/** The text of a reasoning event; `''` for anything else. */
export function reasoningOf(value: unknown): string {
  if (typeOf(value) !== 'reasoning') return '';
  const { text } = value as { text?: unknown };
  return typeof text === 'string' ? text : '';
}

/** The text of a value: the string itself, or a text event's text; `''` for anything else. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeOf(value) !== 'text') return '';
  const { text } = value as { text?: unknown };
  return typeof text === 'string' ? text : '';
}

/** A value with another text in place of its own: a string or a text event. @throws TypeError for anything else */
export function withText(value: unknown, text: string): unknown {
  if (typeof value === 'string') return text;
  if (typeOf(value) === 'text') return { ...(value as object), text };
  throw new TypeError(
    'only strings and text events can be cut in two: give withText(value, text) for values of your own',
  );
}

const lengthOf = (text: unknown): number => (typeof text === 'string' ? text.length : 0);

/** The characters of output in a value: a string, text, reasoning, or a tool call's name and arguments. */
export function charactersOf(value: unknown): number {
  if (typeof value === 'string') return value.length;
  switch (typeOf(value)) {
    case 'text':
    case 'reasoning':
      return lengthOf((value as { text?: unknown }).text);
    case 'toolCall':
      return lengthOf((value as { name?: unknown }).name) + lengthOf((value as { arguments?: unknown }).arguments);
    default:
      return 0;
  }
}

/** Whether a value is a tool call, which can be neither taken back nor compared. */
export const isToolCall = (value: unknown): boolean => typeOf(value) === 'toolCall';

/** LLM tokens, as a provider bills them. */
export interface TokenCounts {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** What a usage event reports, what it leaves out being 0; `undefined` for any other value, and for nonsense. */
export function countsOf(value: unknown): TokenCounts | undefined {
  if (typeOf(value) !== 'usage') return undefined;
  const { inputTokens = 0, outputTokens = 0 } = value as { inputTokens?: unknown; outputTokens?: unknown };
  const counts = { inputTokens: Number(inputTokens ?? 0), outputTokens: Number(outputTokens ?? 0) };
  const isCount = (count: number): boolean => count >= 0 && count < Infinity;
  return isCount(counts.inputTokens) && isCount(counts.outputTokens) ? counts : undefined;
}

/** The tokens that a usage event reports, input and output together; `undefined` for any other value. */
export function usageOf(value: unknown): number | undefined {
  const counts = countsOf(value);
  return counts && counts.inputTokens + counts.outputTokens;
}

/** How many characters of text make a token, where nobody says: the common rule of thumb for English. */
const CHARACTERS_PER_TOKEN = 4;

/** The tokens of a text, by its length alone; up to a third off for English, and too few for scripts that are denser. */
export const estimateTokens = (characters: number): number => Math.ceil(characters / CHARACTERS_PER_TOKEN);

/** Whether a value says that the stream is whole: a finish event. */
export const isTerminal = (value: unknown): boolean => typeOf(value) === 'finish';

/** Whether a value is a rewind event, and to which offset; `undefined` for any other value. */
export function rewindOf(value: unknown): number | undefined {
  if (typeOf(value) !== 'rewind') return undefined;
  const { to } = value as { to?: unknown };
  return typeof to === 'number' && to >= 0 ? to : 0;
}

/** The rate limit that a start event tells of. */
export function rateLimitOf(value: unknown): RateLimitInfo | undefined {
  return typeOf(value) === 'start' ? (value as { rateLimit?: RateLimitInfo }).rateLimit : undefined;
}

/** The chat default of `rewindValue`: all text so far is void. */
export const rewindValue = (): ChatEvent => ({ type: 'rewind', to: 0 });
