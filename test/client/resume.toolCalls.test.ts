import { lastValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { accumulate } from 'rx-weir';
import { planReply, type DialectName, type Reply } from 'rx-weir/testing';
import {
  all,
  ANTHROPIC,
  CLAUDE,
  clientOf,
  DEEPSEEK,
  failed,
  only,
  OPENAI,
  provide,
  request,
  shown,
} from '../support/chat';

const SAID = 'Let me look that up. '; // with white space at its end
const WEATHER = { name: 'weather', arguments: { city: 'Zürich 🌊', days: 3 } };
const TIDES = { name: 'tides', arguments: '{"river":"Limmat"}' };
const ARGUMENTS = JSON.stringify(WEATHER.arguments);

const tools = [WEATHER, TIDES].map(({ name }) => ({ name, parameters: { type: 'object' } }));
const calling = { ...request, tools };

const nameOf = (model: string): string => model.slice(0, model.indexOf('/'));

describe.each([OPENAI, ANTHROPIC, CLAUDE, DEEPSEEK])('a tool call of %s', (model) => {
  it.each([
    ['with nothing said before', ''],
    ['with a text before', SAID],
  ])('whose arguments are cut is whole, and comes once: %s', { timeout: 20_000 }, async (_, said) => {
    for (let chars = 1; chars < ARGUMENTS.length; chars += 3) {
      const provider = await provide({ reply: { text: said, toolCalls: [WEATHER], chunkChars: 1 } });
      provider.script(nameOf(model), [{ cut: { afterChars: said.length + chars } }]);
      const events = await all(clientOf(provider, { model }).stream(calling));
      expect(only('toolCall', events)).toMatchObject([{ name: 'weather', arguments: ARGUMENTS }]);
      expect(shown(events)).toBe(said);
      expect(only('rewind', events)).toEqual([]);
      expect(events.at(-1)).toMatchObject({ type: 'finish', reason: 'toolCalls' });
      expect(provider.requests).toHaveLength(2);
      // Nothing was shown of a call that was cut: there is nothing to go on with.
      expect(only('resume', events)).toHaveLength(said ? 1 : 0);
      await provider.close();
    }
  });

  it('is the only one of its kind where a fallback goes on', async () => {
    const other = model === OPENAI ? CLAUDE : OPENAI;
    const provider = await provide({ reply: { text: SAID, toolCalls: [WEATHER, TIDES] } });
    provider.script(nameOf(model), { cut: { afterChars: SAID.length + 5 } });
    const client = clientOf(provider, { model, fallbacks: [other], resilience: { retry: { maxRetries: 0 } } });
    const message = await lastValueFrom(client.stream(calling).pipe(accumulate()));
    expect(message).toMatchObject({ text: SAID, toolCalls: [{ name: 'weather' }, { name: 'tides' }] });
    expect(message.toolCalls).toHaveLength(2);
  });

  it('that has begun with the text of a sentence does not make it come twice', { timeout: 20_000 }, async () => {
    const provider = await provide({ reply: { text: SAID, toolCalls: [WEATHER] } });
    for (let afterChars = 0; afterChars <= SAID.length; afterChars++) {
      provider.reset();
      provider.script(nameOf(model), [{ cut: { afterChars } }]);
      const message = await lastValueFrom(clientOf(provider, { model }).stream(calling).pipe(accumulate()));
      expect(message, `cut after ${afterChars}`).toMatchObject({ text: SAID, toolCalls: [{ arguments: ARGUMENTS }] });
      expect(message.toolCalls).toHaveLength(1);
    }
  });
});

/** Ends right behind the end of the first tool call: what has been told of it is whole. */
function behindFirstCall(reply: Reply, dialect: DialectName): Reply {
  const { steps } = planReply(reply, { dialect, model: 'claude-3-5-sonnet' });
  const body = Buffer.concat(steps.flatMap((step) => (step.type === 'bytes' ? [step.bytes] : []))).toString();
  const stop = body.indexOf('content_block_stop', body.indexOf('input_json_delta'));
  const end = body.indexOf('\n\n', stop) + 2;
  return { ...reply, cut: { afterBytes: Buffer.byteLength(body.slice(0, end)) } };
}

describe('behind a tool call that was delivered', () => {
  it.each([
    ['a cut within the next one', { toolCalls: [WEATHER, TIDES], cut: { afterChars: ARGUMENTS.length + 4 } }],
    [
      'a cut within the next one, behind a text',
      { text: SAID, toolCalls: [WEATHER, TIDES], cut: { afterChars: 21 + ARGUMENTS.length + 4 } },
    ],
    ['a cut behind all', behindFirstCall({ text: SAID, toolCalls: [WEATHER] }, 'anthropic')],
    ['an error', { toolCalls: [WEATHER, TIDES], errorFrame: { afterChars: ARGUMENTS.length + 4, status: 529 } }],
  ] as [string, Reply][])('%s is an error, and nobody is asked again', async (_, reply) => {
    const provider = await provide({ reply: { text: '' } });
    provider.script('anthropic', reply);
    const client = clientOf(provider, { model: CLAUDE, fallbacks: [OPENAI] });
    const { events, error } = await failed(client.stream(calling));
    expect(error).toMatchObject({ provider: 'anthropic', retryable: true, emitted: 1 + only('text', events).length });
    expect(only('toolCall', events)).toMatchObject([{ name: 'weather', arguments: ARGUMENTS }]);
    expect(events.at(-1)).toMatchObject({ type: 'toolCall' });
    expect(provider.requests).toHaveLength(1);
    expect(client.snapshot()).toMatchObject({ currentInflight: 0 });
  });

  it('another one of no JSON is an error, and nobody is asked again', async () => {
    const provider = await provide({ reply: { text: '' } });
    provider.script('openai', { toolCalls: [WEATHER, { ...TIDES, arguments: '{"river":' }] });
    const { events, error } = await failed(clientOf(provider, { fallbacks: [CLAUDE] }).stream(calling));
    expect(error).toMatchObject({ name: 'MalformedStreamError', emitted: 1 });
    expect(only('toolCall', events)).toHaveLength(1);
    expect(provider.requests).toHaveLength(1);
  });

  it("a cut is an error with resume: 'rewind' as well", async () => {
    const provider = await provide({ reply: { text: '' } });
    provider.script('anthropic', { toolCalls: [WEATHER, TIDES], cut: { afterChars: ARGUMENTS.length + 4 } });
    const { events } = await failed(clientOf(provider, { model: CLAUDE, resume: 'rewind' }).stream(calling));
    expect(only('toolCall', events)).toHaveLength(1);
    expect(provider.requests).toHaveLength(1);
  });
});

describe('a tool call', () => {
  it('whose arguments are no JSON is tried again, as long as none was delivered', async () => {
    const provider = await provide({ reply: { text: '' } });
    provider.script('openai', [{ toolCalls: [{ ...TIDES, arguments: '{"river":' }] }, { toolCalls: [TIDES] }]);
    const events = await all(clientOf(provider).stream(calling));
    expect(only('toolCall', events)).toMatchObject([{ name: 'tides', arguments: TIDES.arguments }]);
    expect(provider.requests).toHaveLength(2);
  });

  it('in place of the text that was shown takes that back', async () => {
    const provider = await provide();
    provider.script('openai', [
      { text: 'The river', cut: { afterChars: 9 } },
      { text: 'The', toolCalls: [TIDES] },
    ]);
    const events = await all(clientOf(provider).stream(calling));
    const at = events.findIndex(({ type }) => type === 'rewind');
    expect(events[at]).toEqual({ type: 'rewind', to: 3 });
    expect(only('toolCall', events.slice(at))).toHaveLength(1);
  });
});
