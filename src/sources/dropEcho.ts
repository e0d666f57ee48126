import type { ChatEvent } from '../events/ChatEvent';
import type { ChatContent } from './ChatRequest';

/** Leaves the message that an answer goes on from out of it, should it begin with that; until this is known, text is held back. */
export function dropEcho(message: ChatContent, emit: (event: ChatEvent) => void): (event: ChatEvent) => void {
  const echo =
    typeof message === 'string' ? message : message.map((part) => (part.type === 'text' ? part.text : '')).join('');
  let at = 0; // up to here it was said again
  return (event) => {
    const { length } = echo;
    if (at < length && event.type === 'text') {
      const { text } = event;
      if (echo.startsWith(text, at)) {
        at += text.length;
        return;
      }
      const left = echo.slice(at);
      event = { ...event, text: text.startsWith(left) ? text.slice(left.length) : echo.slice(0, at) + text };
      at = length;
    } else if (at < length && at > 0 && event.type === 'finish') {
      emit({ type: 'text', text: echo.slice(0, at) });
    }
    emit(event);
  };
}
