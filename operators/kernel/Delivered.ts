import { isContent, isToolCall, reasoningOf, rewindOf, textOf } from '../../src/events/defaults';
import type { Runtime } from './runtime';

/** What the subscriber has of a stream, since the last rewind. */
export class Delivered<T> {
  contents = 0;
  text = '';
  /** The reasoning behind the last text. */
  trailing = '';
  /** Whether there is a tool call among it. */
  toolCalled = false;
  readonly values: T[] | undefined;
  readonly #runtime: Pick<Runtime<T>, 'isContent' | 'textOf'>;
  readonly #keepsText: boolean;
  /** Whether text is kept, and whatever has some is content: its type is then looked at once. */
  readonly #isChat: boolean;

  /** @param keeps - what is asked for, beside how much there is */
  constructor(runtime: Pick<Runtime<T>, 'isContent' | 'textOf'>, keeps: 'nothing' | 'text' | 'values') {
    this.#runtime = runtime;
    this.#keepsText = keeps !== 'nothing';
    this.#isChat = this.#keepsText && runtime.textOf === textOf && runtime.isContent === isContent;
    this.values = keeps === 'values' ? [] : undefined;
  }

  /** @throws what the callbacks throw */
  add(value: T): void {
    const text = this.#isChat ? textOf(value) : '';
    if (text !== '' || this.#runtime.isContent(value)) {
      this.contents++;
      if (this.#keepsText) this.#keep(value, text || this.#runtime.textOf(value));
    } else {
      const to = rewindOf(value);
      if (to !== undefined) this.text = this.text.slice(0, to);
      if (to === 0) {
        this.contents = 0;
        this.trailing = '';
        this.toolCalled = false;
        if (this.values) this.values.length = 0;
        return;
      }
    }
    this.values?.push(value);
  }

  #keep(value: T, text: string): void {
    this.text += text;
    this.trailing = text === '' ? this.trailing + reasoningOf(value) : '';
    if (text === '') this.toolCalled ||= isToolCall(value);
  }
}
