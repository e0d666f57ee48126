import { charactersOf, countsOf, estimateTokens, type TokenCounts } from '../../src/events/defaults';
import type { Usage } from '../../src/signals/WeirEvent';

/** What the request has, where nobody counts it. */
const nothing = (): number => 0;
const NOTHING_SAID: TokenCounts = { inputTokens: 0, outputTokens: 0 };

/** What one attempt costs, in LLM tokens: what its provider says, and of an attempt that does not end well a guess at the rest. */
export class Consumption {
  readonly #asked: () => number;
  readonly #textOf: (value: never) => string;
  /** What the provider said last, after how many contents, */
  #reported: TokenCounts | undefined;
  #reportedAt = 0;
  /** and the characters of what came since. */
  #characters = 0;
  #answered = false;

  /** @param settings - `inputTokens`: an estimate of what the request has */
  constructor({
    inputTokens = nothing,
    textOf,
  }: {
    inputTokens?: (() => number) | undefined;
    textOf: (value: never) => string;
  }) {
    this.#asked = inputTokens;
    this.#textOf = textOf;
  }

  /** @throws what the callback throws */
  content(value: unknown): void {
    this.#characters += charactersOf(value) || this.#textOf(value as never).length;
  }

  /** A value that is no content came after so many contents. */
  note(value: unknown, contents: number): void {
    this.#answered = true;
    const counts = countsOf(value);
    if (!counts) return;
    this.#reported = counts;
    this.#reportedAt = contents;
    this.#characters = 0;
  }

  /** How many tokens so many contents are, as far as the provider said; `undefined` where it said nothing. */
  tokens(contents: number, whole: boolean): number | undefined {
    return this.#reported && this.#reported.outputTokens + (whole ? 0 : contents - this.#reportedAt);
  }

  /** @returns `undefined` where the provider said nothing of a whole attempt, and where nothing is known to have been billed */
  usage(contents: number, whole: boolean): Usage | undefined {
    const reported = this.#reported;
    const asked = this.#asked();
    const begun = contents > 0 || (this.#answered && asked > 0);
    if (!reported && (whole || !begun)) return undefined;
    const { inputTokens, outputTokens } = reported ?? NOTHING_SAID;
    const estimate = whole ? 0 : estimateTokens(this.#characters);
    return {
      inputTokens: inputTokens || asked,
      outputTokens: outputTokens + estimate,
      estimated: estimate > 0 || !reported,
    };
  }
}
