import { describe, expect, it } from 'vitest';
import type { ChatMessage } from 'rx-weir';
import type { Reply } from 'rx-weir/testing';
import {
  all,
  ANTHROPIC,
  CLAUDE,
  clientOf,
  DEEPSEEK,
  KEY,
  only,
  OPENAI,
  provide,
  request,
  shown,
  TEXT,
  textOf,
} from '../support/chat';

const nameOf = (model: string): string => model.slice(0, model.indexOf('/'));
const CUT: Reply = { cut: { afterChars: 36 } };
const SO_FAR = TEXT.slice(0, 36);

interface Body {
  messages: { role: string; content: unknown; prefix?: boolean }[];
  max_tokens?: number;
  max_completion_tokens?: number;
}
const bodyOf = ({ body }: { body: unknown }): Body => body as Body;

describe('the request that goes on', () => {
  it('from its own words has them last, as if the model had said them', async () => {
    const provider = await provide();
    provider.script('anthropic', [CUT]);
    provider.script('deepseek', [CUT]);
    await textOf(clientOf(provider, { model: CLAUDE }).stream(request));
    await textOf(clientOf(provider, { model: DEEPSEEK }).stream(request));
    const [, claude, , deepseek] = provider.requests.map(bodyOf);
    expect(claude?.messages).toEqual([...request.messages, { role: 'assistant', content: SO_FAR }]);
    // Its mark, without which it would answer anew.
    expect(deepseek?.messages.at(-1)).toEqual({ role: 'assistant', content: SO_FAR, prefix: true });
  });

  it.each([OPENAI, ANTHROPIC])('by instruction has them, and what to do with their end: %s', async (model) => {
    const provider = await provide();
    provider.script(nameOf(model), [CUT]);
    await textOf(clientOf(provider, { model }).stream(request));
    const { messages } = bodyOf(provider.requests[1]!);
    expect(messages.slice(0, -1)).toEqual([...request.messages, { role: 'assistant', content: SO_FAR }]);
    expect(messages.at(-1)).toMatchObject({ role: 'user', content: expect.stringContaining(SO_FAR) });
  });

  it.each([
    [OPENAI, 'max_completion_tokens'],
    [CLAUDE, 'max_tokens'],
    [DEEPSEEK, 'max_tokens'],
  ] as const)('may use what is left of the limit: %s', async (model, field) => {
    const provider = await provide();
    provider.script(nameOf(model), [CUT, { cut: { afterChars: 50 } }]);
    expect(await textOf(clientOf(provider, { model }).stream({ ...request, maxTokens: 100 }))).toBe(TEXT);
    const limits = provider.requests.map((one) => bodyOf(one)[field]);
    expect(limits[0]).toBe(100);
    expect(limits[1]).toBe(100 - 36 / 4);
    expect(limits[2]).toBeLessThan(limits[1]!);
  });

  it('has a limit only where there was one, or must be one', async () => {
    const provider = await provide();
    provider.script('openai', [CUT]);
    provider.script('anthropic', [CUT]);
    await textOf(clientOf(provider).stream(request));
    await textOf(clientOf(provider, { model: CLAUDE }).stream(request));
    const [, openai, before, after] = provider.requests.map(bodyOf);
    expect(openai).not.toHaveProperty('max_completion_tokens');
    expect(after!.max_tokens).toBe(before!.max_tokens! - 36 / 4);
  });

  it('has a limit of at least a token, and lowers none where the answer begins anew', async () => {
    const provider = await provide();
    provider.script('openai', [CUT, {}, { cut: { afterChars: 8 } }]);
    const client = clientOf(provider);
    expect(await textOf(client.stream({ ...request, maxTokens: 3 }))).toBe(TEXT);
    expect(await textOf(client.stream({ ...request, maxTokens: 3 }))).toBe(TEXT);
    expect(provider.requests.map((one) => bodyOf(one).max_completion_tokens)).toEqual([3, 1, 3, 3]);
  });

  it('keeps all the rest as it was', async () => {
    const provider = await provide();
    provider.script('openai', [CUT]);
    const rest = { temperature: 0.5, tools: [{ name: 'tides' }], extraBody: { seed: 7 } };
    await textOf(clientOf(provider).stream({ ...request, ...rest }));
    const [first, next] = provider.requests.map(({ body: { messages: _, ...others } }) => others);
    expect(next).toEqual(first);
    expect(next).toMatchObject({ temperature: 0.5, seed: 7 });
  });
});

describe('who goes on from its own words', () => {
  it.each([
    ['groq/llama-3.3-70b', 'prefix'],
    ['mistral/mistral-large', 'prefix'],
    ['openrouter/anthropic/claude-3.5-sonnet', 'prefix'],
    ['ollama/llama3', 'prefix'],
    ['vllm/qwen3', 'prefix'],
    ['groq/openai/gpt-oss-120b', 'instruct'],
    ['openrouter/openai/gpt-4o', 'instruct'],
    ['together/llama-3', 'instruct'],
    ['xai/grok-4', 'instruct'],
  ])('%s: %s', async (model, strategy) => {
    const provider = await provide();
    const name = nameOf(model);
    for (let afterChars = 16; afterChars <= TEXT.length; afterChars += 9) {
      provider.script(name, [{ cut: { afterChars } }]);
      const providers = { [name]: { apiKey: KEY, baseUrl: provider.baseUrl(name) } };
      const events = await all(clientOf(provider, { model, providers }).stream(request));
      expect(shown(events), `cut after ${afterChars}`).toBe(TEXT);
      expect(only('rewind', events)).toEqual([]);
      expect(only('resume', events)).toMatchObject([{ strategy, at: afterChars }]);
    }
    expect(provider.requests.every(({ status }) => status === 200)).toBe(true);
  });

  it('Claude does not while it thinks, and is not asked to', async () => {
    const provider = await provide();
    provider.script('anthropic', [CUT]);
    const extraBody = { thinking: { type: 'enabled', budget_tokens: 1024 } };
    const events = await all(clientOf(provider, { model: CLAUDE }).stream({ ...request, extraBody }));
    expect(only('resume', events)).toMatchObject([{ strategy: 'instruct' }]);
    expect(shown(events)).toBe(TEXT);
  });

  it.each([OPENAI, DEEPSEEK])('half a character is not sent, and comes once: %s', async (model) => {
    const half = `data: {"choices":[{"index":0,"delta":{"content":"The river is deep \\ud83c"}}]}\n\n`;
    const text = 'The river is deep 🌊 and calm.';
    const provider = await provide({ reply: { text } });
    provider.script(nameOf(model), [{ body: half, headers: { 'content-type': 'text/event-stream' } }]);
    expect(shown(await all(clientOf(provider, { model }).stream(request)))).toBe(text);
    expect(provider.requests[1]?.partial?.trimEnd()).toBe('The river is deep');
  });
});

describe('white space at the end of what was said', () => {
  it.each([
    ['a space', 'It is a river with fish. '],
    ['a paragraph', 'It is a river with fish.\n\n'],
    ['other spaces', 'It is a river with fish.\u3000\u00a0\t'],
    ['all of it', ' \n '],
  ])('is not sent to Claude, which would refuse it, and not lost: %s', async (_, said) => {
    const whole = `${said}And it is calm.`;
    const provider = await provide({ reply: { text: whole } });
    for (const model of [CLAUDE, DEEPSEEK]) {
      provider.script(nameOf(model), [{ cut: { afterChars: said.length } }]);
      const events = await all(clientOf(provider, { model }).stream(request));
      expect(shown(events)).toBe(whole);
      expect(only('rewind', events)).toEqual([]);
    }
    expect(provider.requests.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const [, claude, , deepseek] = provider.requests;
    expect(claude?.partial).toBe(said.trim() || undefined);
    expect(deepseek?.partial).toBe(said);
  });

  it('comes once, also where the model does not say it again, or says other white space', async () => {
    const said = 'It is a river.\n\n';
    const answers = [
      ['And calm.', `${said}And calm.`],
      ['\nAnd calm.', `${said}And calm.`],
      ['\n\n\nAnd calm.', `${said}\nAnd calm.`],
      ['', said],
    ] as const;
    for (const [rest, whole] of answers) {
      const provider = await provide();
      // It does not begin with what was said: all of it comes, as the rest.
      provider.script('anthropic', [{ text: said + '…', cut: { afterChars: said.length } }, { text: rest }]);
      expect(shown(await all(clientOf(provider, { model: CLAUDE }).stream(request)))).toBe(whole);
    }
  });
});

describe("a user's own beginning of the answer", () => {
  const own = (content: ChatMessage['content'] & {}): { messages: ChatMessage[] } => ({
    messages: [...request.messages, { role: 'assistant', content }] as ChatMessage[],
  });

  it.each([CLAUDE, DEEPSEEK])('is one message with what was said behind it: %s', async (model) => {
    const provider = await provide();
    provider.script(nameOf(model), [{ continuation: { prefix: 'continue' }, cut: { afterChars: 20 } }]);
    const events = await all(clientOf(provider, { model }).stream(own(TEXT.slice(0, 12))));
    expect(shown(events)).toBe(TEXT.slice(12));
    expect(only('resume', events)).toMatchObject([{ strategy: 'prefix', at: 20 }]);
    const { messages } = bodyOf(provider.requests[1]!);
    expect(messages).toHaveLength(2);
    expect(messages[1]).toMatchObject({ role: 'assistant', content: TEXT.slice(0, 32) });
  });

  it('is one message with what was said behind it, and the instruction', async () => {
    const provider = await provide({ reply: { continuation: { prefix: 'continue' } } });
    provider.script('openai', [{ cut: { afterChars: 20 } }]);
    const events = await all(clientOf(provider).stream(own(TEXT.slice(0, 12))));
    expect(shown(events)).toBe(TEXT.slice(12));
    expect(only('resume', events)).toMatchObject([{ strategy: 'instruct', at: 20 }]);
    const { messages } = bodyOf(provider.requests[1]!);
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user']);
    expect(messages[1]!.content).toBe(TEXT.slice(0, 32));
  });

  it('of parts keeps them', async () => {
    const provider = await provide();
    const part = { type: 'text' as const, text: TEXT.slice(0, 12) };
    provider.script('anthropic', [{ cut: { afterChars: 20 } }]);
    expect(shown(await all(clientOf(provider, { model: CLAUDE }).stream(own([part]))))).toBe(TEXT.slice(12));
    const { messages } = bodyOf(provider.requests[1]!);
    expect(messages[1]!.content).toEqual([part, { type: 'text', text: TEXT.slice(12, 32) }]);
  });

  it('is asked for again, as it was, where the answer begins anew', async () => {
    const provider = await provide({ reply: { continuation: { prefix: 'continue' } } });
    provider.script('openai', [{ cut: { afterChars: 8 } }]);
    expect(shown(await all(clientOf(provider).stream(own(TEXT.slice(0, 12)))))).toBe(TEXT.slice(12));
    expect(bodyOf(provider.requests[1]!).messages).toEqual(bodyOf(provider.requests[0]!).messages);
  });
});

describe('between the finish reason and the terminator', () => {
  it('a cut has taken nothing from an answer of OpenAI', async () => {
    const provider = await provide();
    provider.script('openai', [{ terminator: 'finish' }]);
    const events = await all(clientOf(provider).stream(request));
    expect(shown(events)).toBe(TEXT);
    expect(provider.requests).toHaveLength(1);
  });

  it.each([OPENAI, CLAUDE])('whatever is wrong there, the answer of %s comes once', async (model) => {
    for (const reply of [
      { terminator: 'finish' },
      { terminator: 'none' },
      { rawTail: { text: '{"error":{"type":"api_error"}}' } },
    ] as Reply[]) {
      const provider = await provide();
      provider.script(nameOf(model), [reply]);
      const events = await all(clientOf(provider, { model }).stream(request));
      expect(shown(events)).toBe(TEXT);
      expect(only('finish', events)).toHaveLength(1);
      expect(provider.requests.length).toBeLessThanOrEqual(2);
    }
  });
});

describe('an instruction to go on', () => {
  it.each([
    ['begins anew all the same', { instruct: 'ignore' }],
    ['repeats all that was said', { overlap: 1000 }],
    ['repeats more than was quoted', { overlap: 30 }],
    ['repeats as little as counts', { overlap: 16 }],
    ['goes straight on', { overlap: 0 }],
  ] as [string, Reply['continuation']][])(
    'is well understood by a model that %s',
    { timeout: 20_000 },
    async (_, continuation) => {
      for (let cut = 16; cut <= TEXT.length; cut += 7) {
        if (TEXT[cut - 1] === ' ') cut++;
        const provider = await provide();
        provider.script('openai', [{ cut: { afterChars: cut } }, { continuation: continuation! }]);
        const events = await all(clientOf(provider).stream(request));
        expect(shown(events), `cut after ${cut}`).toBe(TEXT);
        expect(only('rewind', events)).toEqual([]);
        await provider.close();
      }
    },
  );

  it('takes nothing from a text that repeats itself', { timeout: 20_000 }, async () => {
    const text = `${'The river runs. '.repeat(4)}It runs and runs and runs and runs.`;
    const provider = await provide({ reply: { text } });
    for (const model of [OPENAI, CLAUDE]) {
      for (let afterChars = 16; afterChars <= text.length; afterChars += 3) {
        provider.script(nameOf(model), [{ cut: { afterChars } }]);
        const events = await all(clientOf(provider, { model }).stream(request));
        expect(shown(events), `cut after ${afterChars}`).toBe(text);
        expect(only('rewind', events)).toEqual([]);
      }
    }
  });

  it('behind white space, which is not quoted: it comes once where the model repeats none of its words', async () => {
    const provider = await provide();
    const cut = TEXT.indexOf('nothing');
    provider.script('openai', [{ cut: { afterChars: cut } }, { continuation: { overlap: 0 } }]);
    expect(shown(await all(clientOf(provider).stream(request)))).toBe(TEXT);
  });

  it('is given again where the connection was closed before a word: the model was not mute', async () => {
    const provider = await provide();
    provider.script('openai', [{ cut: { afterChars: 36 } }, { cut: { afterChars: 0, how: 'fin' } }]);
    const events = await all(clientOf(provider).stream(request));
    expect(only('resume', events)).toMatchObject([{ strategy: 'instruct', at: 36 }]);
  });

  it('is not followed by an answer of nothing: its words were to be repeated', async () => {
    const provider = await provide();
    provider.script('openai', [{ cut: { afterChars: 36 } }, { text: '' }]);
    const events = await all(clientOf(provider).stream(request));
    expect(shown(events)).toBe(TEXT);
    expect(only('rewind', events)).toEqual([]);
    expect(provider.requests).toHaveLength(3);
    // Whoever was mute once when told to go on is not told again.
    expect(only('resume', events)).toMatchObject([{ strategy: 'rewind' }]);
  });
});
