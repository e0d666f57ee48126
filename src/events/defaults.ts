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
    case 'finish':
      return false;
    default:
      return true;
  }
}

/** The text of a value: the string itself, or a text event's text; `''` for anything else. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeOf(value) !== 'text') return '';
  const { text } = value as { text?: unknown };
  return typeof text === 'string' ? text : '';
}

/** The tokens that a usage event reports, input and output together; `undefined` for any other value. */
export function usageOf(value: unknown): number | undefined {
  if (typeOf(value) !== 'usage') return undefined;
  const { inputTokens, outputTokens } = value as { inputTokens?: unknown; outputTokens?: unknown };
  const sum = Number(inputTokens ?? 0) + Number(outputTokens ?? 0);
  return sum >= 0 ? sum : undefined;
}

/** The output tokens that a usage event reports; `undefined` for any other value. */
export function outputTokensOf(value: unknown): number | undefined {
  if (typeOf(value) !== 'usage') return undefined;
  const { outputTokens } = value as { outputTokens?: unknown };
  return typeof outputTokens === 'number' && outputTokens >= 0 ? outputTokens : undefined;
}

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
