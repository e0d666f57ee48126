import { estimateTokens } from '../events/defaults';
import type { ChatRequest } from '../sources/ChatRequest';

type Request = Pick<ChatRequest, 'messages' | 'maxTokens'>;

/** What a request has in LLM tokens, by its length. Whatever is wrong with it, its stream will say so. */
export function inputTokensOf(request: Request): number {
  const { messages } = (request as Request | null) ?? { messages: [] };
  return estimateTokens(lengthOf(Array.isArray(messages) ? messages : []));
}

/** The whole answer that a request allows, in tokens; 0 where it does not say. */
export function maxTokensOf(request: Request): number {
  const { maxTokens = 0 } = (request as Request | null) ?? {};
  return maxTokens > 0 && maxTokens < Infinity ? maxTokens : 0;
}

/** The characters of a text, a part, a message, or of all in a list. */
function lengthOf(content: unknown): number {
  if (typeof content === 'string') return content.length;
  if (Array.isArray(content)) return content.reduce((sum: number, part: unknown) => sum + lengthOf(part), 0);
  const { content: inner, text } = Object(content) as { content?: unknown; text?: unknown };
  return inner === undefined ? (typeof text === 'string' ? text.length : 0) : lengthOf(inner);
}
