import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { QuoteTrimmer } from '../../src/policies/OverlapTrimmer';

const MIN = 3;

const common = (a: string, b: string): number => {
  let same = 0;
  while (same < Math.min(a.length, b.length) && a[same] === b[same]) same++;
  return same;
};

/** What the contract says, by looking at everything at once. */
function expected(words: string, delivered: string, omitted: string, said: string): number {
  const shown = delivered.slice(0, delivered.length - omitted.length);
  let repeated = words.length;
  if (!said.startsWith(words)) {
    repeated = Math.min(shown.length, said.length);
    while (repeated >= MIN && !shown.endsWith(said.slice(0, repeated))) repeated--;
    if (repeated < MIN) repeated = 0;
  }
  return repeated + common(omitted, said.slice(repeated));
}

function trimmed(trimmer: QuoteTrimmer, pieces: readonly string[]): number | undefined {
  for (const piece of pieces) trimmer.push(piece);
  trimmer.end();
  return trimmer.trimmed;
}

describe('a QuoteTrimmer', () => {
  const piece = fc.string({ unit: fc.constantFrom('a', 'b', ' '), maxLength: 5 });
  const omission = fc.constantFrom('', ' ', '  ');

  it('leaves out the words that were asked for, else the longest end, and then what was omitted', () => {
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 4 }),
        omission,
        fc.nat(4),
        fc.array(piece, { maxLength: 6 }),
        fc.boolean(),
        (told, omitted, left, pieces, obeys) => {
          const shown = told.join('');
          const words = shown.slice(Math.min(left, Math.max(0, shown.length - 1)));
          const said = obeys ? [words, ...pieces] : pieces;
          const quote = { words, delivered: shown + omitted, omitted, min: MIN };
          fc.pre(words !== '');
          expect(trimmed(new QuoteTrimmer(quote), said)).toBe(expected(words, quote.delivered, omitted, said.join('')));
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('is exact where the text repeats itself, and the longest end is not the one that was meant', () => {
    const delivered = 'ha '.repeat(20);
    const shown = delivered.trimEnd();
    const quote = { words: shown.slice(-17), delivered, omitted: ' ', min: 16 };
    // 17 characters are repeated, as asked; 59 would agree.
    expect(trimmed(new QuoteTrimmer(quote), [shown.slice(-17), ' ', 'ha '.repeat(20)])).toBe(18);
  });

  it('waits no longer than it must', () => {
    const quote = { words: 'the words', delivered: 'these are the words', omitted: '', min: 5 };
    const trimmer = new QuoteTrimmer(quote);
    trimmer.push('the word');
    expect(trimmer.trimmed).toBeUndefined();
    trimmer.push('s');
    expect(trimmer.trimmed).toBe(9);
    const other = new QuoteTrimmer(quote);
    other.push('x');
    expect(other.trimmed).toBe(0);
  });
});
