import type { ErrorDetail } from '../Reply';
import { messagesOf, textsOf } from '../messages';
import { frame, requestId, type Answer, type ContentChunk, type Dialect, type Frame } from './Dialect';

const event = (data: { type: string } & Record<string, unknown>): string =>
  `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;

/** status -> [type, message], as Anthropic has them. */
const ERRORS: Readonly<Record<number, readonly [string, string]>> = {
  401: ['authentication_error', 'invalid x-api-key'],
  402: ['billing_error', 'There is an issue with your billing or payment information.'],
  403: ['permission_error', 'Your API key does not have permission to use the specified resource.'],
  404: ['not_found_error', 'The requested resource could not be found.'],
  413: ['request_too_large', 'Request exceeds the maximum size'],
  429: ['rate_limit_error', 'This request would exceed your rate limit. Please try again later.'],
  504: ['timeout_error', 'The request timed out.'],
  529: ['overloaded_error', 'Overloaded'],
};
const CLIENT_ERROR = ['invalid_request_error', 'The request is not valid.'] as const;
const SERVER_ERROR = ['api_error', 'Internal server error'] as const;

const head = ({ index, model }: Answer) => ({ id: `msg_weir${index}`, type: 'message', role: 'assistant', model });

const usage = ({ inputTokens }: Answer, output_tokens: number) => ({
  input_tokens: inputTokens,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 0,
  output_tokens,
});

const SIGNATURE = 'RXdlaXI=';

/** A content block as it stands at its start. */
function emptyBlock({ kind, tool }: ContentChunk, { toolCalls }: Answer): Record<string, unknown> {
  if (kind === 'reasoning') return { type: 'thinking', thinking: '', signature: '' };
  if (kind === 'text') return { type: 'text', text: '' };
  return { type: 'tool_use', id: toolCalls[tool]?.id, name: toolCalls[tool]?.name, input: {} };
}

function deltaOf({ kind, text }: ContentChunk): Record<string, unknown> {
  if (kind === 'reasoning') return { type: 'thinking_delta', thinking: text };
  return kind === 'text' ? { type: 'text_delta', text } : { type: 'input_json_delta', partial_json: text };
}

function frames(answer: Answer): Frame[] {
  const message = { ...head(answer), content: [], stop_reason: null, stop_sequence: null, usage: usage(answer, 1) };
  const out = [frame(event({ type: 'message_start', message })), frame(event({ type: 'ping' }))];
  let index = -1;
  let open: ContentChunk | undefined;
  const close = (): void => {
    if (open?.kind === 'reasoning') {
      out.push(
        frame(event({ type: 'content_block_delta', index, delta: { type: 'signature_delta', signature: SIGNATURE } })),
      );
    }
    if (open) out.push(frame(event({ type: 'content_block_stop', index })));
  };
  const start = (chunk: ContentChunk): void => {
    close();
    open = chunk;
    out.push(frame(event({ type: 'content_block_start', index: ++index, content_block: emptyBlock(chunk, answer) })));
  };
  let tools = 0;
  // A call without arguments has a block and no chunk.
  const openTools = (last: number): void => {
    while (tools <= last) start({ kind: 'tool', text: '', tool: tools++ });
  };
  for (const chunk of answer.chunks) {
    if (chunk.kind === 'tool') openTools(chunk.tool);
    else if (open?.kind !== chunk.kind) start(chunk);
    const data = event({ type: 'content_block_delta', index, delta: deltaOf(chunk) });
    out.push(frame(data, chunk.text.length, chunk.kind === 'text' ? chunk.text : ''));
  }
  openTools(answer.toolCalls.length - 1);
  const { terminator, finish, outputTokens } = answer;
  if (terminator !== 'none') close();
  const end = (data: { type: string } & Record<string, unknown>): number => out.push(frame(event(data), 0, '', true));
  if (terminator === 'full' || terminator === 'finish') {
    const delta = { stop_reason: finish, stop_sequence: null };
    end({ type: 'message_delta', delta, ...(answer.usage ? { usage: { output_tokens: outputTokens } } : {}) });
  }
  if (terminator === 'full' || terminator === 'done') end({ type: 'message_stop' });
  return out;
}

function input(json: string): unknown {
  try {
    return JSON.parse(json || '{}');
  } catch {
    return {}; // only a stream can carry broken arguments
  }
}

const errorOf = (status: number, detail: ErrorDetail) => {
  const [type, message] = ERRORS[status] ?? (status < 500 ? CLIENT_ERROR : SERVER_ERROR);
  const details = detail.code === undefined || detail.code === null ? null : { error_code: detail.code };
  return { details, type: detail.type ?? type, message: detail.message ?? message };
};

const second = (ms: number): string => `${new Date(Math.ceil(ms / 1000) * 1000).toISOString().slice(0, 19)}Z`;

/** Anthropic Messages. */
export const anthropic: Dialect = {
  name: 'anthropic',
  finishReasons: {
    stop: 'end_turn',
    length: 'max_tokens',
    toolCalls: 'tool_use',
    contentFilter: 'refusal',
    refusal: 'refusal',
  },
  requestIdHeader: 'request-id',
  frameStatus: 529,
  prefixRefused:
    'This model does not support assistant message prefill. The conversation must end with a user message.',
  toolId: (n) => `toolu_${n}`,
  frames,
  body: (answer) => ({
    ...head(answer),
    content: [
      ...(answer.reasoning === '' ? [] : [{ type: 'thinking', thinking: answer.reasoning, signature: SIGNATURE }]),
      ...(answer.text === '' ? [] : [{ type: 'text', text: answer.text }]),
      ...answer.toolCalls.map(({ id, name, arguments: json }) => ({ type: 'tool_use', id, name, input: input(json) })),
    ],
    stop_reason: answer.terminator === 'full' || answer.terminator === 'finish' ? answer.finish : null,
    stop_sequence: null,
    usage: usage(answer, answer.outputTokens),
  }),
  errorBody: (status, detail, request_id) => ({ type: 'error', error: errorOf(status, detail), request_id }),
  errorFrame: ({ status = anthropic.frameStatus, thenDone = false, ...detail }, { index }) =>
    event({ type: 'error', error: errorOf(status, detail), request_id: requestId(index) }) +
    (thenDone ? event({ type: 'message_stop' }) : ''),
  malformed: () =>
    'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"bro\n\n',
  invalid(body) {
    if (!Number.isInteger(body['max_tokens'])) return 'max_tokens: Field required';
    const messages = messagesOf(body);
    const last = messages.at(-1);
    if (!last) return 'messages: at least one message is required';
    // A message that is a string may be empty.
    if (messages.some((message) => Array.isArray(message['content']) && textsOf(message).includes(''))) {
      return 'messages: text content blocks must be non-empty';
    }
    return last['role'] === 'assistant' && /\s$/.test(textsOf(last).at(-1) ?? '')
      ? 'messages: final assistant content cannot end with trailing whitespace'
      : undefined;
  },
  charge: (_body, estimated) => estimated,
  rateHeaders({ requests, tokens, refusedBy, retryAfterMs }, now) {
    const headers: Record<string, string> = {};
    for (const [name, part] of Object.entries({ requests, tokens })) {
      if (part === undefined) continue;
      headers[`anthropic-ratelimit-${name}-limit`] = String(part.limit);
      headers[`anthropic-ratelimit-${name}-remaining`] = String(part.remaining);
      headers[`anthropic-ratelimit-${name}-reset`] = second(now + part.resetMs);
    }
    if (refusedBy !== undefined && retryAfterMs !== undefined) {
      headers['retry-after'] = String(Math.ceil(retryAfterMs / 1000));
    }
    return headers;
  },
  models: (ids) => ({
    data: ids.map((id) => ({ type: 'model', id, display_name: id, created_at: '2025-01-01T00:00:00Z' })),
    has_more: false,
    first_id: ids[0] ?? null,
    last_id: ids.at(-1) ?? null,
  }),
};
