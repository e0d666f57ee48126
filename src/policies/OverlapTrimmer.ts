/** Decides, piece by piece, how much of a new text is left out because it was said before. */
export interface Trimmer {
  /** How many characters are left out; `undefined` while it takes more text to know. */
  readonly trimmed: number | undefined;
  /** What comes next of the new text. */
  push(text: string): void;
  /** Nothing more comes. */
  end(): void;
}

/**
 * Finds the longest end of a delivered text with which a new text begins.
 *
 * It is the search of Knuth, Morris and Pratt with the roles of its strings turned: the new text is the pattern, of which
 * there is more all the time, and the delivered one is searched for the first place from which it agrees with the pattern up
 * to its own end. What agrees so far, and no more, is waited for; each character of either text is looked at once, and again
 * at most once for each that agreed before (amortised O(1)). A place from which less than `min` is left is not waited for.
 */
export class OverlapTrimmer implements Trimmer {
  trimmed: number | undefined;
  readonly #delivered: string;
  readonly #min: number;
  /** The new text, in UTF-16 units; strings that grow are slow to index. */
  readonly #pattern: number[] = [];
  /** By length of a beginning of the pattern, less 1: the length of its longest proper border. */
  readonly #borders: number[] = [];
  /** Where the delivered text is compared, */
  #at = 0;
  /** and how many units before that agree with the pattern's first. */
  #matched = 0;

  /** @param min - characters; a shorter agreement may be chance, and is none */
  constructor(delivered: string, min: number) {
    this.#delivered = delivered;
    this.#min = min;
    this.#giveUp();
  }

  push(text: string): void {
    for (let i = 0; i < text.length && this.trimmed === undefined; i++) {
      this.#grow(text.charCodeAt(i));
      this.#search();
    }
  }

  end(): void {
    while (this.trimmed === undefined) {
      if (this.#pattern.length === 0) {
        this.trimmed = 0;
        return;
      }
      // The whole of it was found, but not at the end: what comes next does not exist, so it is found further on or not at all.
      this.#matched = this.#borders[this.#matched - 1]!;
      if (!this.#giveUp()) this.#search();
    }
  }

  #grow(unit: number): void {
    const pattern = this.#pattern;
    const borders = this.#borders;
    let length = pattern.length === 0 ? 0 : borders[pattern.length - 1]!;
    while (length > 0 && pattern[length] !== unit) length = borders[length - 1]!;
    if (pattern.length > 0 && pattern[length] === unit) length++;
    pattern.push(unit);
    borders.push(length);
  }

  /** Compares until more of the new text is needed, or the answer is known. */
  #search(): void {
    const delivered = this.#delivered;
    const pattern = this.#pattern;
    while (this.#matched < pattern.length) {
      if (delivered.charCodeAt(this.#at) === pattern[this.#matched]) {
        this.#at++;
        this.#matched++;
        if (this.#at === delivered.length) {
          this.trimmed = this.#matched;
          return;
        }
        continue;
      }
      if (this.#matched > 0) this.#matched = this.#borders[this.#matched - 1]!;
      else this.#at++;
      if (this.#giveUp()) return;
    }
  }

  /** Whether what is left is too short to be an overlap. */
  #giveUp(): boolean {
    if (this.#delivered.length - (this.#at - this.#matched) >= this.#min) return false;
    this.trimmed = 0;
    return true;
  }
}

/** Leaves out what the new text has in common with the beginning of `omitted`: that was delivered, but not sent back. */
export class PrefixTrimmer implements Trimmer {
  trimmed: number | undefined;
  readonly #omitted: string;
  #same = 0;

  constructor(omitted: string) {
    this.#omitted = omitted;
    if (omitted === '') this.trimmed = 0;
  }

  push(text: string): void {
    if (this.trimmed !== undefined) return;
    const added = commonLength(this.#omitted, this.#same, text);
    this.#same += added;
    if (added < text.length || this.#same === this.#omitted.length) this.trimmed = this.#same;
  }

  end(): void {
    this.trimmed ??= this.#same;
  }
}

/**
 * For a continuation that was asked to begin with certain words: leaves these out; where it begins with others, the longest end
 * of the delivered text. The words alone are certain: a text that repeats itself has longer ends that were not meant.
 */
export class QuoteTrimmer implements Trimmer {
  trimmed: number | undefined;
  readonly #quote: {
    readonly words: string;
    readonly delivered: string;
    readonly omitted: string;
    readonly min: number;
  };
  #stage: 'words' | 'overlap' | 'omitted' = 'words';
  #trimmer: Trimmer;
  /** All of the new text so far, and how much of it the stages before left out. */
  #said = '';
  #dropped = 0;

  /** @param quote - `omitted`: what the delivered text has behind the words, which may come again as well; `min` as there */
  constructor(quote: { words: string; delivered: string; omitted: string; min: number }) {
    this.#quote = quote;
    this.#trimmer = new PrefixTrimmer(quote.words);
  }

  push(text: string): void {
    if (this.trimmed !== undefined) return;
    this.#said += text;
    this.#trimmer.push(text);
    this.#advance(false);
  }

  end(): void {
    this.#trimmer.end();
    this.#advance(true);
  }

  #advance(ended: boolean): void {
    const { delivered, min, omitted, words } = this.#quote;
    for (let found; this.trimmed === undefined && (found = this.#trimmer.trimmed) !== undefined;) {
      if (this.#stage === 'words' && found < words.length) {
        this.#stage = 'overlap';
        this.#trimmer = new OverlapTrimmer(delivered.slice(0, delivered.length - omitted.length), min);
      } else if (this.#stage !== 'omitted') {
        this.#stage = 'omitted';
        this.#dropped = found;
        this.#trimmer = new PrefixTrimmer(omitted);
      } else {
        this.trimmed = this.#dropped + found;
        this.#said = '';
        return;
      }
      this.#trimmer.push(this.#said.slice(this.#dropped));
      if (ended) this.#trimmer.end();
    }
  }
}

/** How many characters of `text` stand in `whole` from `at` on. */
export function commonLength(whole: string, at: number, text: string): number {
  if (whole.startsWith(text, at)) return text.length; // the common case, and fast
  let same = 0;
  while (same < text.length && whole.charCodeAt(at + same) === text.charCodeAt(same)) same++;
  return same;
}
