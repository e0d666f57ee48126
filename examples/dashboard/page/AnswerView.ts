import { adviceFor } from './advice';
import type { Answer, Seam } from './conversation';
import { make, setAttribute, setText } from './dom';

const STATUS: Readonly<Record<Answer['status'], string>> = {
  waiting: 'waiting for the first token …',
  streaming: 'answers now …',
  complete: 'complete',
  stopped: 'stopped',
  failed: 'failed',
};

const HOW = {
  prefix: 'went on from its own words',
  instruct: 'was told to go on from its last words',
  rewind: 'began anew, and only what differs is shown',
} as const;

/** A question and its answer. */
export class AnswerView {
  readonly element: HTMLElement;
  readonly #model = make('h3', { class: 'who' });
  readonly #status = make('span', { class: 'status' });
  readonly #text = make('p', { class: 'text' });
  readonly #notes = make('ul', { class: 'notes', hidden: true });
  readonly #error = make('p', { class: 'error', hidden: true });
  /** The text behind the last seam: the only part of the page that is written while an answer streams. */
  #end = new Text();
  #shown: Answer | undefined;

  constructor({ question }: Answer) {
    this.element = make(
      'li',
      { class: 'exchange' },
      make('div', { class: 'asked' }, make('h3', { class: 'who' }, 'You'), make('p', {}, question)),
      make(
        'article',
        { class: 'answer' },
        make('header', {}, this.#model, this.#status),
        this.#text,
        this.#error,
        this.#notes,
      ),
    );
  }

  show(answer: Answer): void {
    if (answer === this.#shown) return;
    const { text, seams, model = 'No model yet', status, error } = answer;
    setText(this.#model, model);
    setText(
      this.#status,
      status === 'stopped'
        ? `${STATUS.stopped} after ${text.length} character${text.length === 1 ? '' : 's'}`
        : STATUS[status],
    );
    setAttribute(this.element, 'data-status', status);
    const sameSeams = this.#shown?.seams.every((seam, i) => seam.at === seams[i]?.at) && seams.length > 0;
    if (seams !== this.#shown?.seams && !(sameSeams && this.#shown?.seams.length === seams.length)) this.#build(answer);
    const from = seams.at(-1)?.at ?? 0;
    const end = text.slice(from);
    if (this.#end.data !== end) this.#end.data = end;
    if (seams !== this.#shown?.seams) this.#note(seams);
    if (error) {
      this.#error.hidden = false;
      setText(this.#error, `${error.code} ${error.kind.replaceAll('_', ' ')}: ${error.message}. ${adviceFor(error)}`);
    }
    this.#shown = answer;
  }

  /** The pieces between the seams, with their marks. */
  #build({ text, seams }: Answer): void {
    this.#end = new Text();
    let from = 0;
    const parts = seams.flatMap((seam) => {
      const piece = text.slice(from, seam.at);
      from = seam.at;
      const said = make('span', { class: 'unseen' }, ` (the stream was cut here, and recovered by ${seam.strategy}) `);
      const sign = make('span', { 'aria-hidden': 'true' }, '⟲');
      return [piece, make('mark', { class: 'seam', title: 'The stream was cut here, and recovered' }, sign, said)];
    });
    this.#text.replaceChildren(...parts, this.#end);
  }

  #note(seams: readonly Seam[]): void {
    this.#notes.hidden = seams.length === 0;
    const notes = seams.map(({ at, strategy, attempt, model }) =>
      make(
        'li',
        {},
        make('span', { 'aria-hidden': 'true' }, '⟲ '),
        `Cut after ${at} characters: ${model || 'the model'} ${HOW[strategy]} (${strategy}, attempt ${attempt}).`,
      ),
    );
    this.#notes.replaceChildren(...notes);
  }
}
