import { messagesOf, textsOf, type Fields } from './messages';
import { textOf, type DialectName, type Reply } from './Reply';

const prefix = (last: Fields): boolean => last['prefix'] === true;
const partial = (last: Fields): boolean => last['partial'] === true;
const always = (): boolean => true;

/** Who goes on with a trailing assistant message in the OpenAI dialect, and what has to ask for it; the others do not. */
const CONTINUES_PREFIX: Readonly<Record<string, (last: Fields, body: Fields) => boolean>> = {
  deepseek: prefix,
  mistral: prefix,
  moonshot: partial,
  kimi: partial,
  qwen: partial,
  dashscope: partial,
  vllm: (_last, body) => body['continue_final_message'] === true,
  groq: always,
  ollama: always,
  openrouter: always,
};

/** What a request's messages look like: an answer so far, and what asks to go on with it. */
export interface Asked {
  continues?: 'prefix' | 'instruct';
  /** The assistant's text. */
  partial?: string;
}

/** As far as the messages alone can tell: any question behind an answer looks like an instruction to go on with it. */
export function askedOf(body: Fields): Asked {
  const [last = {}, before = {}] = messagesOf(body).reverse();
  const [text, textBefore] = [textsOf(last).join(''), textsOf(before).join('')];
  if (text === '') return {};
  if (last['role'] === 'assistant') return { continues: 'prefix', partial: text };
  const answered = last['role'] === 'user' && before['role'] === 'assistant' && textBefore !== '';
  return answered ? { continues: 'instruct', partial: textBefore } : {};
}

/** A shorter end of an answer stands in an instruction by chance; in quotation marks or brackets it was meant. */
const CHANCE_CHARS = 8;
const OPENS = /(^|["'`“‘«„[(<>\n…])$/;
const CLOSES = /^($|["'`”’»\])<>\n])/;

/** How many characters of the end of an answer so far an instruction quotes. */
function quotedChars(answer: string, instruction: string): number {
  for (let chars = Math.min(answer.length, instruction.length); chars > 0; chars--) {
    const around = instruction.split(answer.slice(-chars));
    if (around.length === 1) continue;
    if (chars >= CHANCE_CHARS) return chars;
    if (around.some((behind, i) => i > 0 && CLOSES.test(behind) && OPENS.test(around[i - 1] ?? ''))) return chars;
  }
  return 0;
}

/** Where the code point begins that `at` may be in the middle of. */
const codePointStart = (text: string, at: number): number =>
  at > 0 && (text.codePointAt(at - 1) ?? 0) > 0xffff ? at - 1 : at;

/** What an answer says to a request that may go on with another. */
export interface Continued {
  /** Unset: the request is an ordinary one. */
  continues?: 'prefix' | 'instruct';
  text: string;
  /** The continuation is refused. */
  refused: boolean;
}

/** Decides whether a request goes on with an answer of this very text, and what it is answered. */
export function continuationOf(
  reply: Reply,
  request: { dialect: DialectName; provider: string; body: Fields },
): Continued {
  const text = textOf(reply);
  const { continues, partial = '' } = askedOf(request.body);
  const last = messagesOf(request.body).at(-1) ?? {};
  const { continuation = {} } = reply;
  const begins = text.startsWith(partial);
  if (continues === 'prefix') {
    const { dialect, provider, body } = request;
    const able = dialect === 'anthropic' || (CONTINUES_PREFIX[provider]?.(last, body) ?? false);
    const how = continuation.prefix ?? (able ? 'continue' : 'ignore');
    const rest = how === 'continue' && begins ? text.slice(partial.length) : text;
    return { continues, text: rest, refused: how === 'refuse' };
  }
  if (continues === undefined || !begins) return { text, refused: false };
  const quoted = quotedChars(partial, textsOf(last).join(''));
  // A whole answer and a question behind it: a conversation, unless something speaks of a cut right behind the last character.
  if (partial === text && quoted === 0 && reply.continuation === undefined) return { text, refused: false };
  const { instruct: how = 'continue', overlap = quoted, preface = '' } = continuation;
  const from = codePointStart(text, Math.max(0, partial.length - overlap));
  return { continues, text: how === 'continue' ? preface + text.slice(from) : text, refused: how === 'refuse' };
}
