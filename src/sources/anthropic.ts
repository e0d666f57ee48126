import type { ChatMessage } from './ChatRequest';
import { cannotSay, contentOf, urlOf, type Dialect } from './dialect';

const NAME = 'Anthropic';

/** Anthropic demands a limit; every model of theirs takes this one. */
const MAX_TOKENS = 4096;

type Blocks = object[];

interface Turn {
  role: string;
  content: string | Blocks;
}

interface Usage {
  input_tokens?: number | null;
  output_tokens?: number | null;
  cache_creation_input_tokens?: number | null;
  cache_read_input_tokens?: number | null;
}

/** What an event may hold, whatever its type. */
interface Payload {
  type?: string;
  index?: number;
  message?: { usage?: Usage | null };
  content_block?: {
    type?: string;
    id?: string;
    name?: string;
    text?: string;
    thinking?: string;
    input?: object | null;
  };
  delta?: { text?: string; thinking?: string; partial_json?: string; stop_reason?: string | null };
  usage?: Usage | null;
}

function image(part: Parameters<typeof urlOf>[0]): object {
  const url = urlOf(part);
  const [, media_type, data] = /^data:([^;,]+);base64,(.*)$/s.exec(url) ?? [];
  if (!data && url.startsWith('data:')) throw cannotSay(NAME, 'data URL that is not base64');
  return { type: 'image', source: data ? { type: 'base64', media_type, data } : { type: 'url', url } };
}

const blocks = (content: Turn['content']): Blocks =>
  typeof content !== 'string' ? content : content ? [{ type: 'text', text: content }] : [];

function toTurn(message: ChatMessage): Turn {
  const { role } = message;
  const content = contentOf(NAME, message, role === 'assistant' ? undefined : image) as Turn['content'];
  switch (role) {
    case 'user':
      return { role, content };
    case 'assistant': {
      const calls = message.toolCalls ?? [];
      if (!calls.length) return { role, content };
      const uses = calls.map(({ id, name, arguments: json }) => ({
        type: 'tool_use',
        id,
        name,
        input: JSON.parse(json || '{}') as unknown,
      }));
      return { role, content: [...blocks(content), ...uses] };
    }
    case 'tool':
      return { role: 'user', content: [{ type: 'tool_result', tool_use_id: message.toolCallId, content }] };
    default:
      throw cannotSay(NAME, 'system message within the conversation');
  }
}

/** Anthropic's Messages. */
export const anthropic: Dialect = {
  path: '/v1/messages',
  maxTokens: MAX_TOKENS,

  headers: (key) => ({ 'x-api-key': key, 'anthropic-version': '2023-06-01' }),

  body({ messages, maxTokens = MAX_TOKENS, tools }) {
    const start = messages.findIndex(({ role }) => role !== 'system');
    const leading = start < 0 ? messages : messages.slice(0, start);
    const system = leading.flatMap((message) => blocks(contentOf(NAME, message) as Turn['content']));
    const turns: Turn[] = [];
    for (const message of messages.slice(leading.length)) {
      const turn = toTurn(message);
      const last = turns.at(-1);
      // The results of parallel tool calls must be one turn.
      if (last?.role === turn.role) last.content = [...blocks(last.content), ...blocks(turn.content)];
      else turns.push(turn);
    }
    return {
      system: system.length > 1 ? system : (system[0] as { text?: string } | undefined)?.text,
      messages: turns,
      max_tokens: maxTokens,
      tools: tools?.map(({ name, description, parameters = { type: 'object', properties: {} } }) => ({
        name,
        description,
        input_schema: parameters,
      })),
    };
  },

  decoder(answer) {
    let raw: string | null | undefined;
    let stopped = false;
    return {
      read(payload) {
        const { type, index = 0, message, content_block: block, delta, usage = message?.usage } = payload as Payload;
        if (usage) {
          const { input_tokens, cache_creation_input_tokens, cache_read_input_tokens, output_tokens } = usage;
          answer.use(
            (input_tokens ?? 0) + (cache_creation_input_tokens ?? 0) + (cache_read_input_tokens ?? 0),
            output_tokens,
          );
        }
        answer.say('text', delta?.text ?? block?.text);
        answer.say('reasoning', delta?.thinking ?? block?.thinking);
        if (type === 'content_block_start' && block?.type === 'tool_use') {
          answer.call(index, block.id, block.name, block.input);
        }
        if (delta?.partial_json) answer.add(index, delta.partial_json);
        if (type === 'content_block_stop') answer.close(index);
        raw = delta?.stop_reason ?? raw;
        return (stopped ||= type === 'message_stop');
      },

      end() {
        if (!stopped) return;
        answer.close(); // a block that was never stopped
        answer.finish(raw ?? 'message_stop');
      },
    };
  },
};
