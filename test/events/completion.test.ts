import { describe, expect, it } from 'vitest';
import { EmptyStreamError, IncompleteStreamError } from '../../src/errors/streamErrors';
import { createCompletionCheck, type CompletionOptions } from '../../src/events/completion';

const verdictOf = (values: readonly unknown[], options?: CompletionOptions) => {
  const check = createCompletionCheck(options);
  for (const value of values) check.see(value);
  return check.verdict();
};

const start = { type: 'start', provider: 'p', model: 'm' };
const text = (s: string) => ({ type: 'text', text: s });
const finish = (reason: string) => ({ type: 'finish', reason });

describe('createCompletionCheck', () => {
  it('is content with content and a terminator', () => {
    expect(verdictOf([start, text('a'), finish('stop')])).toBeUndefined();
    expect(
      verdictOf([start, { type: 'toolCall', id: '1', name: 'f', arguments: '{}' }, finish('toolCalls')]),
    ).toBeUndefined();
  });

  it('finds content without a terminator incomplete', () => {
    const verdict = verdictOf([start, text('a')]);
    expect(verdict).toBeInstanceOf(IncompleteStreamError);
    expect(verdict).not.toBeInstanceOf(EmptyStreamError);
    expect(verdict).toMatchObject({ code: 'E3001', retryable: true });
  });

  it.each([
    [[]],
    [[start]],
    [[start, text(''), finish('stop')]],
    [[{ type: 'usage', inputTokens: 1, outputTokens: 0 }, finish('length')]],
  ])('finds %j empty', (values) => expect(verdictOf(values)).toBeInstanceOf(EmptyStreamError));

  it.each(['contentFilter', 'refusal'])('takes an empty answer for whole that ended with %s', (reason) =>
    expect(verdictOf([start, finish(reason)])).toBeUndefined(),
  );

  it('still wants a terminator where an empty stream is allowed', () => {
    expect(verdictOf([finish('stop')], { allowEmpty: true })).toBeUndefined();
    expect(verdictOf([], { allowEmpty: true })).toBeInstanceOf(IncompleteStreamError);
    expect(verdictOf([], { allowEmpty: true })).not.toBeInstanceOf(EmptyStreamError);
  });

  it('reads foreign values through isTerminal and isContent', () => {
    const options: CompletionOptions = {
      isTerminal: (v) => v === '[DONE]',
      isContent: (v) => v !== '' && v !== '[DONE]',
    };
    expect(verdictOf(['a', '[DONE]'], options)).toBeUndefined();
    expect(verdictOf(['a', ''], options)).toBeInstanceOf(IncompleteStreamError);
    expect(verdictOf(['', '[DONE]'], options)).toBeInstanceOf(EmptyStreamError);
    expect(verdictOf([null, undefined, 0])).toBeInstanceOf(IncompleteStreamError);
    expect(verdictOf([null], { isTerminal: (v) => v === null })).toBeUndefined();
  });

  it('forgets at a rewind what the void attempt gave', () => {
    expect(verdictOf([text('a'), finish('stop'), { type: 'rewind', to: 0 }])).toBeInstanceOf(EmptyStreamError);
    const kept = verdictOf([text('abc'), finish('stop'), { type: 'rewind', to: 2 }]);
    expect(kept).toBeInstanceOf(IncompleteStreamError);
    expect(kept).not.toBeInstanceOf(EmptyStreamError);
    expect(verdictOf([text('a'), { type: 'rewind', to: 0 }, text('b'), finish('stop')])).toBeUndefined();
  });

  it('tells of the request that the verdict is about', () => {
    expect(createCompletionCheck().verdict({ provider: 'p', model: 'm', requestId: 'r' })).toMatchObject({
      provider: 'p',
      model: 'm',
      requestId: 'r',
    });
  });
});
