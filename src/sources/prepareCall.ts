import { get, redact } from '../errors/redact';
import { isWeirError, WeirError } from '../errors/WeirError';
import type { ChatRequest } from './ChatRequest';
import { checkRequest } from './checkRequest';
import type { Dialect, ProviderConfig } from './dialect';
import { processEnv } from './processEnv';
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
}

/** What is known of a call that may not come about. */
export interface CallOrigin {
  provider: string | undefined;
  model: string | undefined;
  /** What no error may show. */
  readonly secrets: string[];
}

const SECRET_NAME = /auth|key|token|cookie|secret/i;

/** Where a dialect's requests go. @throws WeirError E1001 naming a base URL that is none, without what may be secret in it */
function endpoint(baseUrl: unknown, path: string): URL {
  let url: URL | undefined;
  try {
    url = new URL(baseUrl as string);
  } catch {
    // not even one without a scheme
  }
  const isHttp = /^https?:$/.test(url?.protocol ?? '');
  if (url && isHttp && !url.username && !url.password) {
    url.pathname = url.pathname.replace(/\/+$/, '') + path;
    return url;
  }
  const shown = String(baseUrl)
    .replace(/^.*@/s, '[redacted]@')
    .replace(/[?#].*/s, '');
  const wants = isHttp ? 'without user and password (options.headers can authorize)' : 'of http:// or https://';
  throw new WeirError(`baseUrl must be a URL ${wants}, got '${shown}'`, { code: 'E1001' });
}

/**
 * Makes the HTTP request; tells `origin` what it learns.
 *
 * @param prefix - whether the last message is the beginning of the answer; the provider is told as its PrefixSupport says
 * @throws WeirError E1001, E1002
 */
export function prepareCall(request: ChatRequest, options: CallOptions, origin: CallOrigin, prefix = false): ChatCall {
  const { secrets } = origin;
  try {
    const { name: provider, model, config } = resolveModel(get(request, 'model') as string);
    Object.assign(origin, { provider, model });
    const dialect = DIALECTS[config.dialect ?? 'openai'];
    const { apiKeyEnv } = config;
    const support = prefix ? config.prefix : undefined;
    // Keys are copied with their line end.
    const key = (options.apiKey ?? (apiKeyEnv && processEnv()[apiKeyEnv]))?.trim() || undefined;
    const headers = new Headers({ 'content-type': 'application/json', accept: 'text/event-stream' });
    const own = options.headers instanceof Headers ? Object.fromEntries(options.headers) : options.headers;
    const all = [dialect.headers(key), config.headers, own].flatMap((part) => Object.entries(part ?? {}));
    for (const [name, value] of all) {
      if (value === undefined) continue;
      if (SECRET_NAME.test(name)) secrets.push(value, value.replace(/^\w+ +/, ''));
      headers.set(name, value);
    }
    const url = endpoint(options.baseUrl ?? support?.baseUrl ?? config.baseUrl, dialect.path);
    for (const [name, value] of url.searchParams) if (SECRET_NAME.test(name)) secrets.push(value);
    if (!key && apiKeyEnv && !headers.has('authorization') && !headers.has('x-api-key')) {
      throw new WeirError(`no API key for ${provider}: set ${apiKeyEnv}, or pass options.apiKey`, { code: 'E1002' });
    }
    checkRequest(request);
    const said = dialect.body(request, config);
    if (support) Object.assign((said['messages'] as object[]).at(-1) ?? {}, support.message);
    const body = {
      model,
      stream: true,
      temperature: request.temperature,
      ...said,
      ...support?.body,
      ...request.extraBody,
    };
    return {
      provider,
      model,
      dialect,
      config,
      url: url.href,
      headers,
      body: JSON.stringify(body),
    };
  } catch (error) {
    // Not as the cause: what is wrong with a header is told with its value.
    const [code, message] = isWeirError(error)
      ? [error.code, error.message]
      : (['E1001', `cannot make the request: ${String(error)}`] as const);
    throw new WeirError(redact(message, secrets), { ...origin, code });
  }
}
