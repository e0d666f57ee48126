import { get } from '../errors/redact';
import { isWeirError } from '../errors/WeirError';
import type { ChatMessage, ChatRequest } from './ChatRequest';
import type { PrefixSupport } from './dialect';
import { DIALECTS, findModel } from './providers';

/** How an answer that was cut is gone on with: by the model from its own words, by an instruction to, or from the start. */
export type ResumeStrategy = 'prefix' | 'instruct' | 'rewind';

export interface Continuation {
  readonly request: ChatRequest;
  /**
   * What the answer so far ends with and the request leaves out (white space that a provider refuses at the end, half a
   * surrogate pair): the continuation may begin with it.
   */
  readonly omitted: string;
  /** What the instruction quotes: the continuation is to begin with it. `''` where none was given. */
  readonly words: string;
}

/** The least and the most that an instruction quotes, in characters: what is shorter can be repeated by chance. */
const MIN_QUOTE = 16;
const MAX_QUOTE = 80;

function prefixOf(id: string): PrefixSupport | undefined {
  const { model = '', config } = findModel(id) ?? {};
  const prefix = config?.prefix;
  // Not `test`: a pattern with the flag g remembers where it was.
  return prefix && model.search(prefix.models ?? '') >= 0 ? prefix : undefined;
}

/**
 * Whether this model goes on from a trailing assistant message, as far as the table knows. False for an unknown provider;
 * never throws.
 */
export const supportsPrefix = (id: string): boolean => prefixOf(id) !== undefined;

/** What tells a model to go on with its answer, which ends with `words`; they come last, so that nothing need enclose them. */
export const instructionFor = (words: string): string =>
  'Your previous answer was interrupted before its end. Go on with it: begin by repeating exactly its last words, which are ' +
  'given below, then go straight on to the end of the answer. Write no introduction, no comment and no quotation marks ' +
  `around it. The last words:\n\n${words}`;

/** The end of a text, from the beginning of a word where that leaves enough of it. */
function lastWords(text: string): string {
  if (text.length <= MAX_QUOTE) return text;
  const end = text.slice(-MAX_QUOTE - 1);
  return /(?<=\s)\S.{14,}\S\s*$/s.exec(end)?.[0] ?? end.slice(1).replace(/^\p{Cs}/u, '');
}

/** What of a text can be sent: half a surrogate pair at its end cannot, nor, with `trimEnd`, can white space. */
function sendable(text: string, trimEnd = false): string {
  for (let kept = text; ; text = kept) {
    if (trimEnd) kept = kept.trimEnd();
    if (/\p{Cs}$/u.test(kept.slice(-2))) kept = kept.slice(0, -1);
    if (kept.length === text.length) return kept;
  }
}

/** Whether the answer has a structure that is enforced: from the first new token on, so that it would be a new document. */
const isStructured = (extraBody: ChatRequest['extraBody']): boolean =>
  Object.entries({ ...extraBody, ...(extraBody?.['output_config'] as object | undefined) }).some(
    ([key, value]) => value && /format$|^guided_|^structured_/.test(key) && get(value, 'type') !== 'text',
  );

/**
 * The request that goes on behind `text`, the answer so far. Nothing but the messages and the limit is changed.
 *
 * @param spentTokens - how many tokens of the answer there are, by which its limit is lowered
 * @returns `undefined` where it cannot be said by that strategy
 */
export function continueRequest(
  request: ChatRequest,
  strategy: 'prefix' | 'instruct',
  text: string,
  spentTokens: number,
): Continuation | undefined {
  const { model, messages, extraBody } = request;
  const byPrefix = strategy === 'prefix';
  const prefix = byPrefix ? prefixOf(model) : undefined;
  // White space at the end of a quote is lost on the way, or by the model.
  const said = sendable(text, byPrefix ? prefix?.trimEnd : true);
  const words = lastWords(said);
  const last = messages.at(-1);
  const own = last?.role === 'assistant' ? last : undefined; // the user's own prefill, with which the answer is one message
  const able = byPrefix
    ? prefix && said && get(extraBody?.['thinking'], 'type') !== 'enabled' // beside which Claude refuses it
    : words.trim().length >= MIN_QUOTE;
  if (!able || own?.toolCalls?.length || extraBody?.['messages'] || isStructured(extraBody)) return undefined;
  const content =
    typeof own?.content === 'object'
      ? [...own.content, { type: 'text' as const, text: said }]
      : (own?.content ?? '') + said;
  const next: ChatMessage[] = [...messages.slice(0, own && -1), { role: 'assistant', content }];
  if (!byPrefix) next.push({ role: 'user', content: instructionFor(words) });
  const limit = request.maxTokens ?? DIALECTS[findModel(model)?.config.dialect ?? 'openai'].maxTokens;
  const maxTokens = limit && Math.max(1, limit - Math.ceil(spentTokens));
  return {
    request: { ...request, messages: next, maxTokens, extraBody: lowered(extraBody, spentTokens) },
    omitted: text.slice(said.length),
    words: byPrefix ? '' : words,
  };
}

/** A limit that was given as a field of the provider's own counts as well. */
function lowered(extraBody: ChatRequest['extraBody'], spentTokens: number): ChatRequest['extraBody'] {
  const limits = ['max_tokens', 'max_completion_tokens'].flatMap((key) => {
    const limit = extraBody?.[key];
    return typeof limit === 'number' ? [[key, Math.max(1, limit - Math.ceil(spentTokens))]] : [];
  });
  return limits.length > 0 ? { ...extraBody, ...(Object.fromEntries(limits) as Record<string, number>) } : extraBody;
}

/** Whether a refusal says that it is the beginning of the answer that is not wanted. */
export const namesPrefix = (error: unknown): boolean =>
  isWeirError(error) && /prefill|prefix|partial|assistant|model turn|last message|continue_final/i.test(error.message);

/** Whether an error is a provider's refusal of a continuation: the request itself was not refused, its answer had begun. */
export const refusesContinuation = (error: unknown): boolean =>
  isWeirError(error) && error.code === 'E1001' && (error.httpStatus === 400 || error.httpStatus === 422);
