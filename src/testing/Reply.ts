import type { FinishReason } from '../events/ChatEvent';

/** The two wire formats that the faulty provider speaks. */
export type DialectName = 'openai' | 'anthropic';

/** A tool call in an answer. */
export interface ToolCallReply {
  /** @defaultValue `call_<n>` or `toolu_<n>`, n from 0 */
  id?: string;
  name: string;
  /** A string goes out as it is, also where it is no JSON; anything else as JSON. */
  arguments: string | Record<string, unknown>;
}

/**
 * Where in an answer a fault strikes. `{ before: 'headers' }`: nothing is sent at all. `{ afterChars: n }`: after exactly
 * n characters of content, which are the reasoning, the text and the tools' arguments in that order (as `string.length`
 * counts, rounded up to a whole code point); 0 is after the preamble and before the first token, anything beyond the
 * content right behind its last character, before the terminator. `{ afterBytes: n }`: after n bytes of the body. In an
 * answer that is not streamed, or that is an error, characters are those of the body.
 */
export type FaultPoint = { before: 'headers' } | { afterChars: number } | { afterBytes: number };

/** What an error says, in an error body or an error frame. */
export interface ErrorDetail {
  /** @defaultValue as the dialect names the status, e.g. `rate_limit_error` */
  type?: string;
  /** OpenAI's `code`, e.g. `insufficient_quota`; Anthropic's `details.error_code`. @defaultValue as the dialect has it */
  code?: string | number | null;
  /** @defaultValue as the dialect words the status */
  message?: string;
}

/** An error inside a stream that began with 200. */
export interface ErrorFrame extends ErrorDetail {
  /** Characters of content before it. @defaultValue none and no preamble: it is the very first event */
  afterChars?: number;
  /** The HTTP status it would have been, which decides type and words. @defaultValue 500; Anthropic 529 */
  status?: number;
  /**
   * `dialect`: OpenAI's `{"error":{…}}` or Anthropic's `event: error`. Only in the OpenAI dialect: `openrouter` is a chunk with
   * a top-level error and `finish_reason: "error"`, `vllm` has a numeric code and `[DONE]` behind it, `vllmFlat` is vLLM's
   * older `{"object":"error",…}`.
   *
   * @defaultValue 'dialect'
   */
  variant?: 'dialect' | 'openrouter' | 'vllm' | 'vllmFlat';
  /** Whether the usual end marker (`[DONE]`, `message_stop`) follows. @defaultValue true for the vLLM variants, else false */
  thenDone?: boolean;
}

/**
 * What is made of a request that goes on with an answer that was cut. A *prefix* continuation has a trailing assistant
 * message with the text so far. An *instructed* one has that message and a user's behind it, and the text so far is a
 * beginning of the reply's text; where it is all of that text, it is a finished turn of an ordinary conversation, unless the
 * instruction quotes its end or the reply has a `continuation`. The continuation is an answer like any other: reasoning and
 * tool calls are sent (again), fault points and token counts are those of what it says. A refusal is status 400, whole and
 * at once, whatever else the reply has; only an error `status` of the reply comes before it.
 */
export interface Continuation {
  /**
   * A trailing assistant message. `continue`: the answer is what comes behind it, or the whole text if that does not begin
   * with it. `refuse`: 400 in the dialect's words. `ignore`: the whole text.
   *
   * @defaultValue 'continue' for Anthropic, `groq`, `ollama`, `openrouter`, and where the request has the provider's mark:
   *   `prefix: true` in the message for `deepseek` and `mistral`, `partial: true` in it for `moonshot`, `kimi`, `qwen` and
   *   `dashscope`, `continue_final_message: true` in the body for `vllm`; else 'ignore'
   */
  prefix?: 'continue' | 'refuse' | 'ignore';
  /**
   * An assistant message and a user's instruction to go on. `continue`: the answer is what comes behind the text so far, with
   * `overlap` and `preface`. `refuse`: 400. `ignore`: the whole text.
   *
   * @defaultValue 'continue'
   */
  instruct?: 'continue' | 'refuse' | 'ignore';
  /**
   * How many characters of the text so far an instructed continuation repeats before it goes on, at most all; one more
   * where it would begin inside a code point.
   *
   * @defaultValue as many as the instruction quotes: the longest end of the text so far that stands in it, of at least 8
   *   characters, or in quotation marks, brackets or a line of its own
   */
  overlap?: number;
  /** Said before an instructed continuation, e.g. `'Sure, going on:\n'`. @defaultValue '' */
  preface?: string;
}

/** One answer of the faulty provider: what it says, how fast, and how it goes wrong. `{}` is a healthy answer. */
export interface Reply {
  /** @defaultValue {@link DEFAULT_TEXT}; `''` is an empty answer: a terminator and no content */
  text?: string;
  /** Reasoning or thinking, sent before the text. @defaultValue none */
  reasoning?: string;
  /** Sent behind the text. With tool calls and no `text`, there is no text. @defaultValue none */
  toolCalls?: readonly ToolCallReply[];
  /** Translated to the dialect's word; a word that is none of ours goes out as it is. @defaultValue 'toolCalls' or 'stop' */
  finishReason?: FinishReason | (string & {});
  /** In tokens; `false`: none is sent. @defaultValue a quarter of the characters. OpenAI streams show it only where asked for */
  usage?: { inputTokens?: number; outputTokens?: number } | false;
  /** The model that the answer names. @defaultValue the one asked for */
  model?: string;
  /** What is made of a request to go on with an answer that was cut. @defaultValue as the real provider would */
  continuation?: Continuation;

  /** Characters of content per event; a code point is never split. @defaultValue 4 */
  chunkChars?: number;
  /** Wait before the headers, in ms. @defaultValue 0 */
  headersMs?: number;
  /** Wait between the headers and the first content, in ms. @defaultValue 0 */
  firstTokenMs?: number;
  /** Wait between contents, in ms. @defaultValue 0: one turn of the event loop, so that a client can leave in between */
  paceMs?: number;
  /** While it waits or stalls, a keep-alive goes out each so many ms: an SSE comment, or an empty line where not streamed. */
  keepAliveMs?: number;

  /** HTTP status; from 300 on the body is an error. @defaultValue 200 */
  status?: number;
  /** Response headers, over those of the dialect: `retry-after` in every form, `x-ratelimit-*`, another `content-type`. */
  headers?: Readonly<Record<string, string | readonly string[]>>;
  /** What the error body says, for a `status` that is an error. */
  error?: ErrorDetail;
  /** The whole body instead of the dialect's: a string (HTML, half a JSON) or bytes as they are, an object as JSON. */
  body?: string | Uint8Array | Readonly<Record<string, unknown>>;

  /** Silence with the socket kept open: for `ms`, then on, or until the client leaves. @defaultValue ms: Infinity */
  stall?: FaultPoint & { ms?: number };
  /**
   * The end of it all. `reset`: the socket is destroyed with an RST (fetch: `terminated`, `ECONNRESET`). `close`: it is closed in the
   * middle of the chunked body (`terminated`, `UND_ERR_SOCKET`). `fin`: the body ends in good order but for the terminator, so
   * that fetch sees a normal end (before the headers: as `close`).
   *
   * @defaultValue how: 'reset'
   */
  cut?: FaultPoint & { how?: 'reset' | 'close' | 'fin' };
  /** The stream ends with an error frame; an answer that is not streamed is this error under status 200. */
  errorFrame?: ErrorFrame;
  /** An event with broken JSON after so many characters; the stream then goes on. Not streamed: the body ends there. */
  malformedAfterChars?: number;
  /** After so many characters (default: all) this raw text, with no `data:` before it, ends the stream: Gemini's JSON, a proxy's HTML. */
  rawTail?: { text: string; afterChars?: number };
  /**
   * `full`: finish reason, usage, end marker. `none`: nothing. `done`: the end marker (`[DONE]`, `message_stop`) with no
   * finish reason. `finish`: the finish reason and usage with no end marker.
   *
   * @defaultValue 'full'
   */
  terminator?: 'full' | 'none' | 'done' | 'finish';
  /** The socket stays open after the last byte, until the client leaves. @defaultValue false */
  openAfterEnd?: boolean;

  /** Cuts the body in pieces of so many bytes, whatever they split; `'random'`: of 1 to 16 bytes, by the seed. */
  splitBytes?: number | 'random';
  /** Lines end in CRLF. @defaultValue false */
  crlf?: boolean;
  /** The last event has its line end but not the blank line that dispatches it. @defaultValue false */
  missingLastBlankLine?: boolean;
}

/** A request as a script sees it. */
export interface ScriptRequest {
  /** Of all chat requests since the start or the last `reset()`, from 0. */
  readonly index: number;
  /** Of the chat requests to this provider, from 0. */
  readonly nth: number;
  /** The path prefix, e.g. `deepseek`; without one `openai` or `anthropic`, by the dialect. */
  readonly provider: string;
  readonly dialect: DialectName;
  readonly model: string;
  readonly path: string;
  readonly stream: boolean;
  readonly body: Readonly<Record<string, unknown>>;
  /**
   * What the messages look like: `prefix` with an assistant's text at the end, `instruct` with a user's behind it. A script
   * sees `instruct` for every question behind an answer, since only its reply's text tells whether that answer was cut.
   */
  readonly continues?: 'prefix' | 'instruct';
  /** The assistant's text so far, where `continues` is set. */
  readonly partial?: string;
  /** Names in lower case; keys read `[redacted]`. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Decides per request; `undefined` leaves it to the default. A throw is answered with status 500 and its message. */
export type ReplyFunction = (request: ScriptRequest) => Reply | undefined;

/** One reply for every request, a list (one each, healthy answers afterwards), or a function. */
export type Script = Reply | readonly Reply[] | ReplyFunction;

/** Several sentences with characters of one to four bytes, a combining mark and an emoji of several code points. */
export const DEFAULT_TEXT =
  'A weir holds a river at a steady level. Überall fließt es: 水は低きに流れる, and the level stays. ' +
  'Some days the stream is calm 🌊, some days it is not 🌧️; a café\u0301 by the water sells tea for 2 € to a family 👨‍👩‍👧‍👦. ' +
  'When the gate opens, nothing is lost and nothing comes twice.';

/** What a reply says to an ordinary request. */
export const textOf = ({ text, toolCalls = [] }: Reply): string => text ?? (toolCalls.length > 0 ? '' : DEFAULT_TEXT);
