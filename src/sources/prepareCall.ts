import { get, redact } from '../errors/redact';
import { isWeirError, WeirError } from '../errors/WeirError';
import type { ChatRequest } from './ChatRequest';
import type { Dialect, ProviderConfig } from './dialect';
import { DIALECTS, resolveModel } from './providers';

export interface CallOptions {
  /** @defaultValue the provider's environment variable, e.g. `OPENAI_API_KEY` */
  apiKey?: string | undefined;
  /** As in the SDKs: with `/v1` for the OpenAI dialect, without for Anthropic. @defaultValue the provider's own */
  baseUrl?: string | undefined;
  /** Added to the request's, and stronger. With one that authorizes, no key is needed. */
  headers?: Headers | Readonly<Record<string, string | undefined>> | undefined;
}

/** A request, ready to be sent. */
export interface ChatCall {
  readonly provider: string;
  readonly model: string;
  readonly dialect: Dialect;
  readonly config: ProviderConfig;
  readonly url: string;
  readonly headers: Headers;
  readonly body: string;
  /** What no error may show. */
  readonly secrets: readonly string[];
}

// Browsers have no `process`.
const env = (name: string): string | undefined =>
  (globalThis as { process?: { env?: Record<string, string | undefined> } }).process?.env?.[name];

const wrong = (what: string): WeirError => new WeirError(what, { code: 'E1001' });

/** @throws WeirError E1001 for what is no address; a path or query that it has is kept */
function urlOf(baseUrl: string, path: string): string {
  let url: URL | undefined;
  try {
    url = new URL(baseUrl);
  } catch {
    // told below
  }
  if (url?.username || url?.password) throw wrong('baseUrl must hold no user or password: give headers.authorization');
  if (!url || !/^https?:$/.test(url.protocol)) throw wrong(`baseUrl must be an http(s) URL, got '${baseUrl}'`);
  url.pathname = url.pathname.replace(/\/+$/, '') + path;
  return url.href;
}

const REQUEST_KEYS = ['model', 'messages', 'maxTokens', 'temperature', 'tools', 'extraBody'];
const MESSAGE_KEYS = ['role', 'content', 'toolCalls', 'toolCallId'];

/** @throws WeirError E1001 for what no dialect can say: nothing of a request is dropped */
function checkRequest(request: ChatRequest): void {
  const check = (value: object, known: readonly string[], where: string): void => {
    const key = Object.keys(value).find((one) => !known.includes(one) && get(value, one) !== undefined);
    if (key) throw wrong(`${where} has no '${key}'; a provider's own fields go into extraBody`);
  };
  check(request, REQUEST_KEYS, 'a chat request');
  const { messages } = request as { messages: unknown };
  if (!Array.isArray(messages)) throw wrong('messages must be a list');
  messages.forEach((message: unknown, at) => {
    if (Object(message) !== message) throw wrong(`messages[${at}] must be an object`);
    check(message as object, MESSAGE_KEYS, `messages[${at}]`);
    const { role, content } = message as { role: unknown; content: unknown };
    // OpenAI itself gives null beside tool calls.
    if (typeof content === 'string' || (role === 'assistant' && content == null)) return;
    if (!Array.isArray(content)) throw wrong(`messages[${at}].content must be a string or parts`);
    for (const part of content as unknown[]) {
      const { type, url, data, mediaType } = Object(part) as Record<string, unknown>;
      if (type === 'image' && typeof url !== 'string' && !(typeof data === 'string' && typeof mediaType === 'string')) {
        throw wrong(`messages[${at}]: an image needs a url, or data and mediaType`);
      }
    }
  });
}

/** Makes the HTTP request. @throws WeirError E1001, E1002 */
export function prepareCall(request: ChatRequest, options: CallOptions): ChatCall {
  const secrets: string[] = [];
  let provider: string | undefined;
  let model: string | undefined;
  try {
    checkRequest(request);
    const resolved = resolveModel(request.model);
    ({ name: provider, model } = resolved);
    const { config } = resolved;
    const dialect = DIALECTS[config.dialect ?? 'openai'];
    const { apiKeyEnv } = config;
    // Keys are copied with their line end.
    const key = (options.apiKey ?? (apiKeyEnv && env(apiKeyEnv)))?.trim() || undefined;
    const headers = new Headers({ 'content-type': 'application/json', accept: 'text/event-stream' });
    const own = options.headers instanceof Headers ? Object.fromEntries(options.headers) : options.headers;
    const all = [dialect.headers(key), config.headers, own].flatMap((part) => Object.entries(part ?? {}));
    for (const [name, value] of all) {
      if (value === undefined) continue;
      if (/auth|key|token|cookie|secret/i.test(name)) secrets.push(value, value.replace(/^\w+ +/, ''));
      headers.set(name, value);
    }
    if (!key && apiKeyEnv && !headers.has('authorization') && !headers.has('x-api-key')) {
      throw new WeirError(`no API key for ${provider}: set ${apiKeyEnv}, or pass options.apiKey`, { code: 'E1002' });
    }
    const body = {
      model,
      stream: true,
      temperature: request.temperature,
      ...dialect.body(request, config),
      ...request.extraBody,
    };
    return {
      provider,
      model,
      dialect,
      config,
      url: urlOf(options.baseUrl ?? config.baseUrl, dialect.path),
      headers,
      body: JSON.stringify(body),
      secrets,
    };
  } catch (error) {
    // Not as the cause: what is wrong with a header is told with its value.
    const [code, message] = isWeirError(error)
      ? [error.code, error.message]
      : (['E1001', `cannot make the request: ${String(error)}`] as const);
    throw new WeirError(redact(message, secrets), { code, provider, model });
  }
}
