import type { Answer, ContentChunk, Dialect } from './dialects/Dialect';
import { textOf, type Reply } from './Reply';

/** A quarter of the characters, as the providers' own rule of thumb has it; at least 1 for any text. */
export const estimateTokens = (text: string): number => Math.ceil(text.length / 4);

/**
 * Pieces of at least `size` characters that end on a code point, and also wherever one of `breaks` lies (rounded up to a
 * code point). @param start - the offset of `text` in what `breaks` count
 */
export function pieces(text: string, size: number, breaks: readonly number[], start = 0): string[] {
  const out: string[] = [];
  let part = '';
  let at = start;
  for (const point of text) {
    const before = at;
    part += point;
    at += point.length;
    if (part.length < size && !breaks.some((b) => b > before && b <= at)) continue;
    out.push(part);
    part = '';
  }
  return part === '' ? out : [...out, part];
}

/** What the answer is about, apart from the reply. */
export interface AnswerRequest {
  index: number;
  provider: string;
  model: string;
  stream: boolean;
  body: Readonly<Record<string, unknown>>;
}

const json = (value: string | Record<string, unknown>): string =>
  typeof value === 'string' ? value : JSON.stringify(value);

/** Fills in a reply's defaults and cuts its content into events. @param breaks - offsets at which an event has to end */
export function answerOf(reply: Reply, request: AnswerRequest, dialect: Dialect, breaks: readonly number[]): Answer {
  const { reasoning = '', toolCalls = [], usage, chunkChars = 4 } = reply;
  const calls = toolCalls.map(({ id, name, arguments: args }, n) => ({
    id: id ?? dialect.toolId(n),
    name,
    arguments: json(args),
  }));
  const text = textOf(reply);
  const { finishReason = calls.length > 0 ? 'toolCalls' : 'stop' } = reply;
  const contents = [
    { kind: 'reasoning' as const, text: reasoning, tool: 0 },
    { kind: 'text' as const, text, tool: 0 },
    ...calls.map((call, tool) => ({ kind: 'tool' as const, text: call.arguments, tool })),
  ];
  const chunks: ContentChunk[] = [];
  let start = 0;
  for (const content of contents) {
    for (const piece of pieces(content.text, chunkChars, breaks, start)) chunks.push({ ...content, text: piece });
    start += content.text.length;
  }
  const { include_usage } = (request.body['stream_options'] ?? {}) as { include_usage?: unknown };
  const counts = usage === false ? undefined : usage;
  return {
    index: request.index,
    provider: request.provider,
    model: reply.model ?? request.model,
    reasoning,
    text,
    toolCalls: calls,
    finish: dialect.finishReasons[finishReason] ?? finishReason,
    refusal: finishReason === 'refusal',
    inputTokens: counts?.inputTokens ?? inputTokens(request.body),
    outputTokens: counts?.outputTokens ?? estimateTokens(contents.map((content) => content.text).join('')),
    usage: usage !== false && (dialect.name === 'anthropic' || !request.stream || include_usage === true),
    terminator: reply.terminator ?? 'full',
    chunks,
  };
}

/** The estimated tokens of a request's messages. */
export function inputTokens({ system, messages }: Readonly<Record<string, unknown>>): number {
  const words = (value: unknown): string => {
    if (typeof value === 'string') return value;
    if (Array.isArray(value)) return value.map(words).join('');
    if (typeof value !== 'object' || value === null) return '';
    const { content, text } = value as { content?: unknown; text?: unknown };
    return words(content) + words(text);
  };
  return estimateTokens(words(system) + words(messages));
}
