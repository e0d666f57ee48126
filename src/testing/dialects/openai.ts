import type { ErrorDetail } from '../Reply';
import { EPOCH_SECONDS, frame, type Answer, type ContentChunk, type Dialect, type Frame } from './Dialect';
import { goDuration } from './goDuration';

const DONE = 'data: [DONE]\n\n';

/** status -> [type, code, message], as OpenAI has them. */
const ERRORS: Readonly<Record<number, readonly [string, string | null, string]>> = {
  400: ['invalid_request_error', null, 'The request is not valid.'],
  401: ['invalid_request_error', 'invalid_api_key', 'Incorrect API key provided.'],
  402: ['invalid_request_error', 'insufficient_balance', 'Insufficient Balance'],
  403: ['invalid_request_error', 'unsupported_country_region_territory', 'Country, region, or territory not supported'],
  404: ['invalid_request_error', 'model_not_found', 'The model does not exist or you do not have access to it.'],
  429: [
    'requests',
    'rate_limit_exceeded',
    'Rate limit reached. Please try again later. See https://platform.openai.com/account.',
  ],
  503: ['server_error', null, 'The engine is currently overloaded, please try again later'],
};
const CLIENT_ERROR = ['invalid_request_error', null, 'The request was refused.'] as const;
const SERVER_ERROR = ['server_error', null, 'The server had an error while processing your request.'] as const;

const REASONING_FIELDS: Readonly<Record<string, string>> = {
  openrouter: 'reasoning',
  ollama: 'reasoning',
  vllm: 'reasoning',
  groq: 'reasoning',
};
const reasoningField = ({ provider }: Answer): string => REASONING_FIELDS[provider] ?? 'reasoning_content';

const errorOf = (status: number, detail: ErrorDetail) => {
  const [type, code, message] = ERRORS[status] ?? (status < 500 ? CLIENT_ERROR : SERVER_ERROR);
  const named = detail.code === undefined ? code : detail.code;
  return { message: detail.message ?? message, type: detail.type ?? type, param: null, code: named };
};

const head = ({ index, model }: Answer, object: string) => ({
  id: `chatcmpl-weir${index}`,
  object,
  created: EPOCH_SECONDS + index,
  model,
});

const usage = ({ inputTokens, outputTokens }: Answer) => ({
  prompt_tokens: inputTokens,
  completion_tokens: outputTokens,
  total_tokens: inputTokens + outputTokens,
});

/** The delta that carries a chunk; a tool call's id and name are only in its first. */
function deltaOf(chunk: ContentChunk, answer: Answer): Record<string, unknown> {
  if (chunk.kind === 'reasoning') return { [reasoningField(answer)]: chunk.text };
  if (chunk.kind === 'text') return { [answer.refusal ? 'refusal' : 'content']: chunk.text };
  return { tool_calls: [{ index: chunk.tool, function: { arguments: chunk.text } }] };
}

function frames(answer: Answer): Frame[] {
  const top = { ...head(answer, 'chat.completion.chunk'), system_fingerprint: null };
  const chunk = (delta: unknown, finish_reason: string | null = null): string =>
    `data: ${JSON.stringify({
      ...top,
      choices: [{ index: 0, delta, logprobs: null, finish_reason }],
      ...(answer.usage ? { usage: null } : {}),
    })}\n\n`;
  const out = [frame(chunk({ role: 'assistant', content: '', refusal: null }))];
  let opened = -1;
  const openTools = (last: number): void => {
    while (opened < last) {
      const call = answer.toolCalls[++opened];
      const start = { index: opened, id: call?.id, type: 'function', function: { name: call?.name, arguments: '' } };
      out.push(frame(chunk({ tool_calls: [start] })));
    }
  };
  for (const part of answer.chunks) {
    if (part.kind === 'tool') openTools(part.tool);
    out.push(frame(chunk(deltaOf(part, answer)), part.text.length, part.kind === 'text' ? part.text : ''));
  }
  openTools(answer.toolCalls.length - 1); // those without arguments
  const { terminator } = answer;
  const end = (data: string): number => out.push(frame(data, 0, '', true));
  if (terminator === 'full' || terminator === 'finish') {
    end(chunk({}, answer.finish));
    if (answer.usage) end(`data: ${JSON.stringify({ ...top, choices: [], usage: usage(answer) })}\n\n`);
  }
  if (terminator === 'full' || terminator === 'done') end(DONE);
  return out;
}

/** OpenAI chat completions, as its compatible hosts speak them too. */
export const openai: Dialect = {
  name: 'openai',
  finishReasons: {
    stop: 'stop',
    length: 'length',
    toolCalls: 'tool_calls',
    contentFilter: 'content_filter',
    refusal: 'stop',
  },
  requestIdHeader: 'x-request-id',
  frameStatus: 500,
  prefixRefused: 'Requests ending with a model turn are not supported unless the last part is a function response',
  toolId: (n) => `call_${n}`,
  frames,
  body: (answer) => ({
    ...head(answer, 'chat.completion'),
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: answer.refusal || (answer.text === '' && answer.toolCalls.length > 0) ? null : answer.text,
          refusal: answer.refusal ? answer.text : null,
          ...(answer.reasoning === '' ? {} : { [reasoningField(answer)]: answer.reasoning }),
          ...(answer.toolCalls.length === 0
            ? {}
            : { tool_calls: answer.toolCalls.map(({ id, ...call }) => ({ id, type: 'function', function: call })) }),
        },
        logprobs: null,
        finish_reason: answer.terminator === 'full' || answer.terminator === 'finish' ? answer.finish : null,
      },
    ],
    ...(answer.usage ? { usage: usage(answer) } : {}),
    system_fingerprint: null,
  }),
  errorBody: (status, detail) => ({ error: errorOf(status, detail) }),
  errorFrame(
    { variant = 'dialect', status = openai.frameStatus, thenDone = variant.startsWith('vllm'), ...detail },
    answer,
  ) {
    const error = errorOf(status, detail);
    const payload = {
      dialect: () => ({ error }),
      openrouter: () => ({
        ...head(answer, 'chat.completion.chunk'),
        provider: 'Weir',
        error: { code: detail.code ?? error.type, message: error.message },
        choices: [{ index: 0, delta: { content: '' }, finish_reason: 'error', native_finish_reason: 'error' }],
      }),
      vllm: () => ({ error: { ...error, code: detail.code ?? status } }),
      vllmFlat: () => ({ object: 'error', ...error, code: detail.code ?? status }),
    }[variant]();
    return `data: ${JSON.stringify(payload)}\n\n${thenDone ? DONE : ''}`;
  },
  malformed: () => 'data: {"choices":[{"index":0,"delta":{"content":"bro\n\n',
  invalid: (body) =>
    !Array.isArray(body['messages']) || body['messages'].length === 0
      ? "Invalid 'messages': empty array. Expected an array with minimum length 1."
      : undefined,
  // "the maximum of max_tokens and the estimated number of tokens based on the character count" (OpenAI's rate limit guide)
  charge: (body, estimated) =>
    Math.max(Number(body['max_completion_tokens'] ?? body['max_tokens'] ?? 0) || 0, estimated),
  rateHeaders({ requests, tokens, refusedBy, retryAfterMs }) {
    const headers: Record<string, string> = {};
    for (const [name, part] of Object.entries({ requests, tokens })) {
      if (part === undefined) continue;
      headers[`x-ratelimit-limit-${name}`] = String(part.limit);
      headers[`x-ratelimit-remaining-${name}`] = String(part.remaining);
      headers[`x-ratelimit-reset-${name}`] = goDuration(part.resetMs);
    }
    if (refusedBy !== undefined && retryAfterMs !== undefined) {
      headers['retry-after'] = String(Math.ceil(retryAfterMs / 1000));
      headers['retry-after-ms'] = String(Math.ceil(retryAfterMs));
    }
    return headers;
  },
  models: (ids) => ({
    object: 'list',
    data: ids.map((id) => ({ id, object: 'model', created: EPOCH_SECONDS, owned_by: 'rx-weir' })),
  }),
};
