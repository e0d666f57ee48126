import type { ChatMessage } from './ChatRequest';
import { contentOf, urlOf, type Dialect } from './dialect';

const NAME = 'OpenAI';

interface Usage {
  prompt_tokens?: number;
  completion_tokens?: number;
}

interface Delta {
  /** Mistral's reasoning models send an array of parts. */
  content?: string | { text?: string; thinking?: { text?: string }[] }[] | null;
  refusal?: string | null;
  /** DeepSeek, older vLLM. */
  reasoning_content?: string | null;
  /** OpenRouter, Ollama, vLLM. */
  reasoning?: string | null;
  tool_calls?: { index?: number | null; id?: string; function?: { name?: string; arguments?: string } }[] | null;
}

/** What a chunk may hold; hosts leave out or null any of it. */
interface Chunk {
  choices?: { index?: number; delta?: Delta | null; finish_reason?: string | null }[] | null;
  usage?: Usage | null;
  x_groq?: { usage?: Usage | null } | null;
}

/** What must be an object. @throws TypeError */
function objectOf<T>(value: T): T {
  if (Object(value) === value) return value;
  throw new TypeError();
}

function toMessage(message: ChatMessage): object {
  const { role } = message;
  const image = (part: Parameters<typeof urlOf>[0]): object => ({ type: 'image_url', image_url: { url: urlOf(part) } });
  const content = contentOf(NAME, message, role === 'user' ? image : undefined);
  if (role === 'tool') return { role, tool_call_id: message.toolCallId, content };
  if (role !== 'assistant' || !message.toolCalls?.length) return { role, content };
  const tool_calls = message.toolCalls.map(({ id, name, arguments: json }) => ({
    id,
    type: 'function',
    function: { name, arguments: json },
  }));
  return { role, content: content || null, tool_calls };
}

/** OpenAI's chat completions, and all that speak like them. */
export const openai: Dialect = {
  path: '/chat/completions',

  headers: (key) => ({ authorization: key && `Bearer ${key}` }),

  body: ({ messages, maxTokens, tools }, { streamOptions = true, maxTokensField = 'max_tokens' }) => ({
    messages: messages.map(toMessage),
    [maxTokensField]: maxTokens,
    stream_options: streamOptions ? { include_usage: true } : undefined,
    // It refuses an empty list.
    tools: tools?.length ? tools.map((tool) => ({ type: 'function', function: tool })) : undefined,
  }),

  decoder(answer, { doneIsTerminal }) {
    let raw: string | undefined;
    let refused = false;
    const calls: { key: number; index: number | null | undefined; id: string | undefined }[] = []; // the newest first
    return {
      read(payload) {
        const { choices, usage, x_groq } = payload as Chunk;
        const used = usage ?? x_groq?.usage;
        if (used) answer.use(used.prompt_tokens, used.completion_tokens);
        const [choice] = choices ?? [];
        if (choice === undefined || objectOf(choice).index) return false; // of `n` answers, the first
        const { content, refusal, reasoning_content, reasoning, tool_calls } = objectOf(choice.delta ?? {});
        answer.say('reasoning', reasoning_content || reasoning);
        if (Array.isArray(content)) {
          for (const { text, thinking } of content.map(objectOf)) {
            for (const thought of thinking ?? []) answer.say('reasoning', thought.text);
            answer.say('text', text);
          }
        } else answer.say('text', content);
        answer.say('text', refusal);
        refused ||= !!refusal;
        for (const { index, id, function: part } of tool_calls ?? []) {
          // Only the first fragment names the call; some hosts repeat it. Some count nothing, or every call as the first;
          // some give every fragment a new id: a new call has a new name, too.
          const isNew = id && (part?.name || (index ?? true) === true);
          const call =
            calls.find((one) => one.index === index && id && (one.id || id) === id) ??
            (isNew ? undefined : calls.find((one) => one.index === index));
          const { key } = call ?? { key: calls.length };
          if (call) call.id ||= id;
          else calls.unshift({ key, index, id });
          answer.call(key, id, part?.name);
          answer.add(key, part?.arguments);
        }
        raw = choice.finish_reason || raw;
        return false;
      },

      // The finish event waits for the end: usage comes after the finish reason, and so may an error.
      end(done) {
        if (doneIsTerminal && done) raw ??= 'stop';
        if (!raw) return;
        answer.close();
        answer.finish(raw, refused);
        raw = undefined;
      },
    };
  },
};
