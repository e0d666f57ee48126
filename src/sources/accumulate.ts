import { scan, type OperatorFunction } from 'rxjs';
import type { ChatEvent, FinishReason } from '../events/ChatEvent';
import { rewindOf } from '../events/defaults';
import type { ChatToolCall } from './ChatRequest';

/** An answer as far as it has arrived. */
export interface ChatMessageState {
  readonly text: string;
  readonly reasoning: string;
  readonly toolCalls: readonly ChatToolCall[];
  /** Who answers; absent before the first start event. */
  readonly provider?: string;
  readonly model?: string;
  readonly requestId?: string;
  readonly usage?: { readonly inputTokens: number; readonly outputTokens: number };
  /** Present once the answer is whole. */
  readonly finish?: { readonly reason: FinishReason; readonly raw?: string };
}

/** An answer of which nothing has arrived. */
export const NOTHING: ChatMessageState = { text: '', reasoning: '', toolCalls: [] };

/** What an answer is with one more event. */
export function withEvent(state: ChatMessageState, event: ChatEvent): ChatMessageState {
  switch (event.type) {
    case 'start': {
      const { type: _, rateLimit: __, ...who } = event;
      return { ...state, ...who };
    }
    case 'text':
    case 'reasoning':
      return { ...state, [event.type]: state[event.type] + event.text };
    case 'toolCall': {
      const { type: _, ...call } = event;
      return { ...state, toolCalls: [...state.toolCalls, call] };
    }
    case 'usage':
    case 'finish': {
      const { type, ...rest } = event;
      return { ...state, [type]: rest };
    }
    case 'rewind': {
      const to = rewindOf(event) ?? 0;
      const { finish: _, ...rest } = state;
      return to > 0 ? { ...rest, text: state.text.slice(0, to) } : NOTHING;
    }
    default:
      return state; // an event of a later version
  }
}

/**
 * The whole answer so far, a new object for each event: what a UI shows.
 *
 * ```
 * source:        start──text 'a'──text 'b'──rewind 0──start──text 'c'──finish|
 * accumulate():  {''}───{'a'}─────{'ab'}────{''}──────{''}───{'c'}─────{'c'}─|
 * ```
 *
 * A rewind to 0 forgets the void attempt altogether; one further on cuts the text, and keeps what is not text.
 *
 * @example
 * streamChat(request).pipe(accumulate()).subscribe(({ text, finish }) => render(text, finish === undefined));
 */
export function accumulate(): OperatorFunction<ChatEvent, ChatMessageState> {
  return scan(withEvent, NOTHING);
}
