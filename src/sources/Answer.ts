import type { ErrorOptions } from '../errors/providerError';
import { redact } from '../errors/redact';
import { MalformedStreamError } from '../errors/streamErrors';
import type { ChatEvent, FinishReason } from '../events/ChatEvent';

const REASONS: ReadonlyMap<unknown, FinishReason> = /* @__PURE__ */ new Map<unknown, FinishReason>([
  ['stop', 'stop'],
  ['length', 'length'],
  ['tool_calls', 'toolCalls'],
  ['function_call', 'toolCalls'],
  ['content_filter', 'contentFilter'],
  ['end_turn', 'stop'],
  ['stop_sequence', 'stop'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['tool_use', 'toolCalls'],
  ['refusal', 'refusal'],
]);

/** What a decoder tells its events to: it emits each when it is whole. */
export interface Answer {
  /** Emits text that is some: hosts send empty, null and missing deltas. @throws TypeError for an object as text */
  say(type: 'text' | 'reasoning', text: unknown): void;
  /** Emits the counts so far where one has grown. */
  use(input: unknown, output: unknown): void;
  /** Starts a tool call, or adds what was missing of its name. `input`: its arguments, should none follow. */
  call(key: number, id: string | undefined, name: string | undefined, input?: object | null): void;
  /** Adds to the arguments of a tool call that was started. */
  add(key: number, json: string | undefined): void;
  /** Emits a tool call that is whole, or all. */
  close(key?: number): void;
  /** Emits the finish event. @throws MalformedStreamError if the arguments of a tool call were no JSON */
  finish(raw: string, refused?: boolean): void;
}

export function createAnswer(emit: (event: ChatEvent) => void, origin: ErrorOptions): Answer {
  const calls = new Map<number, { id: string; name: string; json: string; input?: object | null | undefined }>();
  let broken: string | undefined;
  let inputTokens = 0;
  let outputTokens = 0;
  return {
    say(type, text) {
      // What is empty is left at once: a chunk has up to three of those, and `Object(undefined)` would make an object of each.
      if (!text) return;
      if (typeof text === 'string') emit({ type, text });
      else if (type === 'text' && Object(text) === text) throw new TypeError();
    },
    use(input, output) {
      const before = inputTokens + outputTokens;
      inputTokens = Math.max(inputTokens, Number(input) || 0);
      outputTokens = Math.max(outputTokens, Number(output) || 0);
      if (inputTokens + outputTokens > before) emit({ type: 'usage', inputTokens, outputTokens });
    },
    call(key, id, name, input) {
      const call = calls.get(key) ?? { id: '', name: '', json: '', input };
      call.id ||= id ?? '';
      call.name ||= name ?? '';
      calls.set(key, call);
    },
    add(key, json) {
      const call = calls.get(key);
      if (call) call.json += json ?? '';
    },
    close(only) {
      for (const [key, { id, name, json, input }] of calls) {
        if (key !== (only ?? key)) continue;
        calls.delete(key);
        const args = json.trim() || JSON.stringify(input ?? {});
        try {
          JSON.parse(args);
        } catch {
          broken = name; // the finish reason, which comes later, tells whether to try again
          continue;
        }
        emit({ type: 'toolCall', id: id || `call_${key}`, name, arguments: args });
      }
    },
    finish(raw, refused) {
      const reason = refused && raw === 'stop' ? 'refusal' : (REASONS.get(raw) ?? 'other');
      if (broken !== undefined) {
        throw new MalformedStreamError(
          `the arguments of the tool call '${redact(broken, origin.secrets)}' are no JSON (finish reason: ${reason})`,
          {
            ...origin,
            retryable: reason === 'length' ? false : undefined, // it would be cut off again
          },
        );
      }
      emit({ type: 'finish', reason, raw });
    },
  };
}
