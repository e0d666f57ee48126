import { isToolCall, reasoningOf, rewindOf } from '../../src/events/defaults';
import { DivergedStreamError } from '../../src/errors/streamErrors';
import { commonLength, type Trimmer } from '../../src/policies/OverlapTrimmer';
import type { Delivered } from './Delivered';
import type { Runtime } from './runtime';

/** Joins a new attempt to what was delivered before: says which of its values, or parts of them, are still to be delivered. */
export interface Seam<T> {
  /**
   * @returns what is to be delivered now; `undefined`: the value itself, as for all but a few
   * @throws DivergedStreamError, and what the callbacks throw
   */
  pass(value: T): readonly T[] | undefined;
  /** The attempt is complete. @throws as {@link pass} */
  end(): readonly T[];
}

type Texts<T> = Pick<Runtime<T>, 'isContent' | 'textOf' | 'withText'>;

/** The text that counts: what is no content is in no text that was delivered. */
const textIn = <T>({ isContent, textOf }: Texts<T>, value: T): string => (isContent(value) ? textOf(value) : '');

/** Leaves out what a trimmer finds. While it is undecided values wait, those without text only behind others. */
export class TrimSeam<T> implements Seam<T> {
  readonly #trimmer: Trimmer;
  readonly #texts: Texts<T>;
  #held: { readonly value: T; readonly text: string }[] = [];
  #open = true;

  constructor(trimmer: Trimmer, texts: Texts<T>) {
    this.#trimmer = trimmer;
    this.#texts = texts;
  }

  pass(value: T): readonly T[] | undefined {
    if (!this.#open) return undefined;
    // What it would repeat was taken back, and so is what waits.
    if (rewindOf(value) !== undefined) {
      this.#open = false;
      return [...this.#held.map((held) => held.value), value];
    }
    const text = textIn(this.#texts, value);
    if (text === '' && this.#held.length === 0) return undefined;
    this.#held.push({ value, text });
    this.#trimmer.push(text);
    return this.#release();
  }

  end(): readonly T[] {
    if (!this.#open) return NOTHING;
    this.#trimmer.end();
    return this.#release();
  }

  #release(): readonly T[] {
    let left = this.#trimmer.trimmed;
    if (left === undefined) return NOTHING;
    this.#open = false;
    const out: T[] = [];
    for (const { value, text } of this.#held) {
      if (left === 0 || text === '') out.push(value);
      else if (text.length > left) out.push(this.#texts.withText(value, text.slice(left)));
      left = Math.max(0, left - text.length);
    }
    this.#held = [];
    return out;
  }
}

/**
 * What becomes of a value without text while the new attempt repeats what was delivered: held until it is known whether it
 * does, or taken for a difference itself.
 */
export type Textless = 'drop' | 'hold' | 'diverge';

/** Leaves out what repeats the delivered text, from its start. */
export class ReplaySeam<T> implements Seam<T> {
  readonly #delivered: string;
  readonly #texts: Texts<T>;
  readonly #textless: (value: T) => Textless;
  readonly #diverged: (at: number) => readonly T[];
  readonly #held: T[] = [];
  #at = 0;
  #repeating: boolean;
  #trailing: string;

  /**
   * @param trailing - the reasoning that was delivered behind the last text
   * @param diverged - what is told where the new text differs from the delivered one, or ends before it; may throw instead
   */
  constructor(
    delivered: string,
    texts: Texts<T>,
    textless: (value: T) => Textless,
    diverged: (at: number) => readonly T[],
    trailing = '',
  ) {
    this.#delivered = delivered;
    this.#texts = texts;
    this.#textless = textless;
    this.#diverged = diverged;
    this.#repeating = delivered !== '';
    this.#trailing = trailing;
  }

  pass(value: T): readonly T[] | undefined {
    if (!this.#repeating) return this.#trailing === '' ? undefined : this.#behind(value);
    const { withText } = this.#texts;
    const to = rewindOf(value);
    if (to !== undefined) {
      this.#at = Math.min(this.#at, to); // it takes back what was not shown again
      return NOTHING;
    }
    const text = textIn(this.#texts, value);
    if (text === '') {
      const what = this.#textless(value);
      if (what === 'hold') this.#held.push(value);
      return what === 'diverge' ? this.#diverge(() => value) : NOTHING;
    }
    const delivered = this.#delivered;
    const same = commonLength(delivered, this.#at, text);
    this.#at += same;
    if (this.#at === delivered.length) {
      this.#repeating = false;
      const rest = text.slice(same);
      if (rest !== '') this.#trailing = '';
      return [...this.#held, ...(rest === '' ? [] : [rest === text ? value : withText(value, rest)])];
    }
    if (same === text.length) return NOTHING;
    // Not inside a surrogate pair: half of it can neither stay nor be said alone.
    const half = isHigh(delivered.charCodeAt(this.#at - 1)) ? delivered.charAt(this.#at - 1) : '';
    this.#at -= half.length;
    return this.#diverge(() => withText(value, half + text.slice(same)));
  }

  end(): readonly T[] {
    return this.#repeating ? this.#diverge() : NOTHING;
  }

  /** Reasoning that was delivered behind the last text comes again. */
  #behind(value: T): readonly T[] | undefined {
    const reasoning = reasoningOf(value);
    if (reasoning === '') {
      if (this.#texts.isContent(value)) this.#trailing = '';
      return undefined;
    }
    const same = commonLength(this.#trailing, 0, reasoning);
    const left = this.#trailing.slice(same);
    this.#trailing = same < reasoning.length ? '' : left;
    if (same === reasoning.length) return NOTHING;
    return left === '' ? [{ ...value, text: reasoning.slice(same) }] : undefined;
  }

  #diverge(rest?: () => T): readonly T[] {
    this.#repeating = false;
    this.#trailing = '';
    const told = this.#diverged(this.#at);
    return [...told, ...this.#held, ...(rest ? [rest()] : [])];
  }
}

/** Nothing to deliver yet. */
export const NOTHING: readonly never[] = Object.freeze([]);

const isHigh = (unit: number): boolean => unit >= 0xd800 && unit < 0xdc00;

/** The seam of `onPartial: 'skip'`. */
export const skipSeam = <T>({ text: delivered, trailing }: Delivered<T>, texts: Texts<T>): Seam<T> =>
  new ReplaySeam(
    delivered,
    texts,
    (value) => (isToolCall(value) ? 'diverge' : 'drop'),
    (at) => {
      throw new DivergedStreamError(
        `the new attempt differs from what was already delivered, after ${at} of ${delivered.length} characters`,
      );
    },
    trailing,
  );
