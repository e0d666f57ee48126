/** Answers as bytes: the same for every client. */

const WORDS = 'the sky is blue because air scatters short waves of light far more than it scatters long ones'.split(
  ' ',
);

/** So many words, each a token. */
const words = (count: number): string[] => Array.from({ length: count }, (_, i) => ` ${WORDS[i % WORDS.length]!}`);

const openaiChunk = (choice: object, more: object = {}): string =>
  `data: ${JSON.stringify({
    id: 'chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz012',
    object: 'chat.completion.chunk',
    created: 1_760_000_000,
    model: 'gpt-4o-2024-08-06',
    service_tier: 'default',
    system_fingerprint: 'fp_0123456789',
    choices: [{ index: 0, ...choice, logprobs: null }],
    usage: null,
    obfuscation: 'aB3dE5gH7jK9',
    ...more,
  })}\n\n`;

function openaiEvents(tokens: number): string[] {
  const usage = { prompt_tokens: 12, completion_tokens: tokens, total_tokens: 12 + tokens };
  return [
    openaiChunk({ delta: { role: 'assistant', content: '', refusal: null }, finish_reason: null }),
    ...words(tokens).map((content) => openaiChunk({ delta: { content }, finish_reason: null })),
    openaiChunk({ delta: {}, finish_reason: 'stop' }),
    openaiChunk({}, { choices: [], usage }),
    'data: [DONE]\n\n',
  ];
}

function anthropicEvents(tokens: number): string[] {
  const event = (data: { type: string }): string => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
  const at = { index: 0 };
  const message = {
    ...{ id: 'msg_01AbCdEfGhIjKlMnOpQrStUv', type: 'message', role: 'assistant', model: 'claude-3-5-sonnet-20241022' },
    ...{ content: [], stop_reason: null, stop_sequence: null, usage: { input_tokens: 12, output_tokens: 1 } },
  };
  return [
    event({ type: 'message_start', message } as { type: string }),
    event({ type: 'content_block_start', ...at, content_block: { type: 'text', text: '' } } as { type: string }),
    ...words(tokens).map((text) =>
      event({ type: 'content_block_delta', ...at, delta: { type: 'text_delta', text } } as { type: string }),
    ),
    event({ type: 'content_block_stop', ...at }),
    event({
      ...{ type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null } },
      usage: { output_tokens: tokens },
    } as { type: string }),
    event({ type: 'message_stop' }),
  ];
}

/** How an answer is cut into chunks: `event` by event, into `64k`, or as networks do, into pieces of 1 to 4 KB. */
export type Cut = 'network' | 'event' | '64k';

function chunks(events: readonly string[], cut: Cut): Uint8Array[] {
  const encoder = new TextEncoder();
  if (cut === 'event') return events.map((event) => encoder.encode(event));
  const bytes = encoder.encode(events.join(''));
  const pieces: Uint8Array[] = [];
  let seed = 1;
  for (let at = 0; at < bytes.length;) {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    const size = cut === '64k' ? 65_536 : 1024 + ((seed >>> 8) % 3073);
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

/** A `fetch` that answers every request with the same bytes, from memory. */
export function memoryFetch(dialect: 'openai' | 'anthropic', tokens: number, cut: Cut): typeof fetch {
  const pieces = chunks(dialect === 'openai' ? openaiEvents(tokens) : anthropicEvents(tokens), cut);
  return async () => {
    let next = 0;
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          const piece = pieces[next++];
          // A copy, since a client may keep or transfer what it reads; a socket gives fresh memory as well.
          if (piece) controller.enqueue(piece.slice());
          else controller.close();
        },
      },
      { highWaterMark: 0 },
    );
    return new Response(body, { headers: { 'content-type': 'text/event-stream', 'x-request-id': 'req_1' } });
  };
}

/** A `fetch` whose answers begin with one token, and then say nothing more until they are left. */
export function silentFetch(): typeof fetch {
  const [first] = chunks(openaiEvents(1).slice(0, 2), '64k');
  return async (_, init) =>
    new Response(
      new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(first!.slice());
          init?.signal?.addEventListener('abort', () => {
            try {
              controller.error(init.signal?.reason);
            } catch {
              // it was cancelled before
            }
          });
        },
      }),
      { headers: { 'content-type': 'text/event-stream' } },
    );
}
