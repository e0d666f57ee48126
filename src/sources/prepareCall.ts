import { redact } from '../errors/redact';
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

/** Makes the HTTP request. @throws WeirError E1001, E1002 */
export function prepareCall(request: ChatRequest, options: CallOptions): ChatCall {
  const secrets: string[] = [];
  let provider: string | undefined;
  let model: string | undefined;
  try {
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
      url: (options.baseUrl ?? config.baseUrl).replace(/\/+$/, '') + dialect.path,
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
