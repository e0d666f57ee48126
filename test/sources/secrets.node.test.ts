import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { ChatEvent } from '../../src/events/ChatEvent';
import { streamChat, type StreamChatOptions } from '../../src/sources/streamChat';
import { collect, fetchOf } from '../support/streams';

const OPENAI = 'openai/gpt-4o';
const SECRET = 'sk-SECRETSECRET123';
const messages = [{ role: 'user' as const, content: 'Hi' }];
const data = (...payloads: unknown[]): string => payloads.map((one) => `data: ${JSON.stringify(one)}\n\n`).join('');
const DONE = 'data: [DONE]\n\n';

const ask = (body: string[], model = OPENAI, options: StreamChatOptions = {}) =>
  collect<ChatEvent>(streamChat({ model, messages }, { apiKey: SECRET, fetch: fetchOf(body).fetch, ...options }));

describe('secrets are nowhere in an error', () => {
  const isClean = (value: unknown, secret: string): void => {
    expect(inspect(value, { depth: 9, showHidden: true })).not.toContain(secret);
    expect(JSON.stringify(value)).not.toContain(secret);
  };

  it('of a baseUrl with a password', async () => {
    const { error } = await ask([], OPENAI, { baseUrl: 'https://bob:hunter2@h.test/v1' });
    expect(error).toMatchObject({ code: 'E1001' });
    isClean(error, 'hunter2');
  });

  it('of an abort whose reason tells one', async () => {
    const signal = AbortSignal.abort(new Error('auth Bearer k-supersecret9'));
    const { error } = await ask([], OPENAI, { signal });
    expect(error).toMatchObject({ code: 'E4002' });
    isClean(error, 'supersecret9');
  });

  it('nor in an event, where a request id or a tool name echoes the key', async () => {
    const call = { index: 0, id: 'a', function: { name: SECRET, arguments: '{' } };
    const body = data({ choices: [{ index: 0, delta: { tool_calls: [call] }, finish_reason: 'tool_calls' }] });
    const { fetch } = fetchOf([body + DONE], { headers: { 'x-request-id': SECRET } });
    const { error, values } = await ask([], OPENAI, { fetch });
    expect(error).toMatchObject({ name: 'MalformedStreamError' });
    isClean([error, values], SECRET);
  });

  it('of a fetch that fails with something that shows it as JSON only', async () => {
    const failure = { toJSON: () => ({ authorization: `Bearer ${SECRET}` }) };
    const { error } = await ask([], OPENAI, { fetch: () => Promise.reject(failure) });
    isClean(error, SECRET);
  });
});
