import { codeOfStatus, type ErrorCode } from './codes';
import { parseRetryAfter, readHeaders, waitOf, type HeadersLike } from './headers';
import { get, messageOf, redact, textOf } from './redact';
import { ProviderError, WeirError, type WeirErrorDetails } from './WeirError';

/** What is known beside the error itself. */
export interface ClassifyOptions {
  /** The time in ms since the epoch, to read dates by. @defaultValue `Date.now()` */
  now?: number | undefined;
  provider?: string | undefined;
  model?: string | undefined;
  /** Where the error itself names no other. */
  requestId?: string | undefined;
  /** Keys in use, to be kept out of the error; the common shapes of keys are, without being told. */
  secrets?: readonly string[] | undefined;
}

/** The same for errors from the wire. */
export interface ErrorOptions extends ClassifyOptions {
  now: number;
}

/** What an error says about itself; `code` is absent where it says nothing that is known. */
export type Facts = Pick<
  WeirErrorDetails,
  'code' | 'httpStatus' | 'retryAfterMs' | 'requestId' | 'retryable' | 'fallbackable'
> & { message: string };

/**
 * Codes, types and reasons of OpenAI, Anthropic, Gemini, OpenRouter, vLLM, Ollama, LangChain, Node, undici and axios, as
 * their lower case letters, the most specific first. The first three rows know better than the HTTP status: an empty
 * account is 400 at one provider and 429 at another, a bad key 400 at Gemini.
 */
const WORDS: readonly (readonly [ErrorCode, RegExp])[] = [
  ['E2002', /insufficient(quota|balance|credit)|billing|creditbalance|(spend|usage|ramp)limit|onhold|perday|daily$/],
  ['E1005', /contextlength|contextwindow|toolarge/],
  ['E1002', /apikeyinvalid|invalidapikey|authentication|unauth/],
  ['E4002', /aborterr|underrabort|cancell?ed/],
  ['E3003', /timeout|timedout|deadline/],
  ['E2001', /ratelimit|toomany|resourceexhausted|^(tokens|requests)$/],
  ['E3002', /overload|unavailable/],
  ['E1003', /permission/],
  ['E1004', /^(model)?notfound/],
  ['E4001', /conflict/],
  [
    'E3001',
    /^(internal|apierror$|econn|epipe|eai|enotfound|enet|ehost|underrsocket|errnet|errstreampre)|(server|connection|network)err|^connection/,
  ],
  ['E1001', /^invalid/],
];

/** The standard code of the providers' own words: codes, types, reasons. */
const codeOfWords = (words: readonly string[], table = WORDS): ErrorCode | undefined =>
  table.find(([, pattern]) => words.some((word) => pattern.test(word.toLowerCase().replace(/[^a-z]/g, ''))))?.[0];

// Where the body of an error, or a part of it, can be; the digits are the first items of a list.
const PARTS = 'error response data body responseBody details metadata violations 0 1 2 3 4 5'.split(' ');
// Where such a part is named.
const NAMES = 'status statusCode code type reason errorCode error_code lc_error_code limit_source quotaId'.split(' ');

function parsed(value: unknown): unknown {
  try {
    return typeof value === 'string' ? JSON.parse(value) : value;
  } catch {
    return undefined;
  }
}

/** An error and the parts of its body, the outermost first. */
function partsOf(root: unknown): unknown[] {
  // Google's SDK has only the JSON in its message. It must be all of the message, or an echoed prompt could decide.
  const parts = [root, parsed(/^(?:got status: [^{]*|\d{3} )?(\{.*)/s.exec(messageOf(root))?.[1])];
  for (const part of parts) {
    const inner = PARTS.map((key) => parsed(get(part, key)));
    for (const value of inner) {
      if (value && typeof value === 'object' && !parts.includes(value) && parts.length < 40) parts.push(value);
    }
  }
  return parts;
}

/** Reads what an error, an error body or an error frame says, whoever made it. */
export function factsOf(root: unknown, now: number): Facts {
  const parts = partsOf(root);
  const words: string[] = [];
  let message = '';
  let httpStatus, retryAfterMs: number | undefined;
  let requestId, shouldRetry: string | undefined;
  for (const part of parts) {
    const text = messageOf(part) || messageOf(get(part, 'error'));
    message = text || message;
    for (const key of NAMES) {
      const word = textOf(get(part, key));
      if (/^[45]\d\d$/.test(word)) httpStatus ??= Number(word);
      else words.push(word);
    }
    // Anthropic has these only in words.
    if (get(part, 'type') === 'invalid_request_error') {
      if (/^you(r credit balance is too low| have reached your spec)/i.test(text)) words.push('billing');
      if (/^prompt is too long/i.test(text)) words.push('toolarge');
    }
  }
  const code = codeOfWords(words, WORDS.slice(0, 3)) ?? (httpStatus ? codeOfStatus(httpStatus) : codeOfWords(words));
  for (const part of parts) {
    const headers = readHeaders(get(part, 'headers') ?? get(part, 'responseHeaders'));
    // An error frame has no status: its headers are those of the 200 before it, whose resets mean nothing.
    retryAfterMs ??= parseRetryAfter(headers, now, httpStatus ?? 200) ?? waitOf(textOf(get(part, 'retryDelay')), now);
    requestId ??= headers.get('x-request-id') ?? headers.get('request-id');
    requestId ||= textOf(get(part, 'requestID') ?? get(part, 'request_id'));
    shouldRetry ??= headers.get('x-should-retry');
  }
  const retryable = shouldRetry ? shouldRetry === 'true' && code !== 'E2002' : undefined;
  return { code, httpStatus, retryAfterMs, requestId, retryable, message };
}

/** The error that facts make. Whatever comes from the wire is redacted and bounded. */
export function toError(facts: Facts, options: ClassifyOptions, cause?: unknown): WeirError {
  const { provider, model, secrets } = options;
  const clean = (text = ''): string => redact(text, secrets).replace(/\s+/g, ' ').trim().slice(0, 500);
  const { message, requestId, ...details } = facts;
  const text = clean(message) || (details.httpStatus ? `HTTP ${details.httpStatus}` : 'unknown error');
  const id = clean(requestId) || options.requestId;
  return new (details.code ? ProviderError : WeirError)(text, { ...details, provider, model, requestId: id, cause });
}

/** The beginning of a body that is no JSON, in one line; of an HTML page its title, else its text. */
function excerpt(body: string, secrets: readonly string[] | undefined): string {
  // Redacted while it is whole: half a key would not be known for one.
  const text = redact(body, secrets).slice(0, 4000);
  return (/<title>([^<]+)/i.exec(text)?.[1] ?? text.replace(/(<[^>]*>|\s)+/g, ' ')).trim().slice(0, 200);
}

/**
 * The error of a response with an error status, or with a body that is no stream. `body` may be JSON, HTML or anything:
 * its message, else its beginning, becomes part of the error's message.
 */
export function errorOfResponse(
  status: number,
  headers: HeadersLike | null | undefined,
  body: string,
  options: ErrorOptions,
): WeirError {
  const facts = factsOf({ status, headers, body }, options.now);
  const message = `HTTP ${status}: ${facts.message || excerpt(body, options.secrets)}`.replace(/: $/, '');
  return toError({ ...facts, code: facts.code ?? codeOfStatus(status), httpStatus: status, message }, options);
}

/** The error of an error frame inside a stream (`payload`: its JSON, parsed or not); E3001 where it does not say more. */
export function errorOfFrame(payload: unknown, options: ErrorOptions): WeirError {
  const facts = factsOf(parsed(payload), options.now);
  const message = facts.message || excerpt(textOf(payload), options.secrets) || 'the stream reports an error';
  return toError({ ...facts, code: facts.code ?? 'E3001', message }, options);
}
