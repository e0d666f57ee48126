import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commonLength, OverlapTrimmer, PrefixTrimmer, type Trimmer } from '../../src/policies/OverlapTrimmer';
import { overlapOf, piecesOf } from '../support/answers';

/** How much of the new text, said in these pieces, is left out. */
function trimmed(trimmer: Trimmer, pieces: readonly string[]): number | undefined {
  for (const piece of pieces) trimmer.push(piece);
  trimmer.end();
  return trimmer.trimmed;
}

// Few letters agree by chance all the time; the last two differ only in the second half of a surrogate pair.
const words = fc
  .constantFrom('a', 'ab', 'abc', '😀😁')
  .chain((letters) => fc.array(fc.constantFrom(...letters), { maxLength: 30 }).map((units) => units.join('')));
/** A delivered text, and one that often goes on from somewhere in it. */
const pairs = fc.oneof(
  fc.tuple(words, words),
  fc
    .tuple(words, words, fc.nat(60))
    .map(([delivered, rest, from]) => [delivered, delivered.slice(from) + rest] as const),
);
const offsets = fc.array(fc.nat(40), { maxLength: 12 });
const minimum = fc.integer({ min: 1, max: 6 });

describe('OverlapTrimmer', () => {
  it.each([
    ['the end of one is the beginning of the other', 'a brown fox', 'fox jumps', 3, 3],
    ['also one that is all of it', 'fox', 'fox', 3, 3],
    ['also one that is all of the new text', 'a brown fox', 'fox', 3, 3],
    ['also one that is all of the delivered text', 'fox', 'fox jumps', 3, 3],
    ['a shorter agreement is none', 'a brown fox', 'fox jumps', 4, 0],
    ['what stands further up is none', 'a fox ran', 'fox jumps', 1, 0],
    ['what begins further up and goes on otherwise is none', 'abcabd', 'abe', 1, 0],
    ['the longest of several', 'xabab', 'ababab', 1, 4],
    ['the longest of several, of which only a short one goes on', 'xabab', 'abx', 1, 2],
    ['case and space count', 'brown Fox', 'fox jumps', 1, 0],
    ['nothing was delivered', '', 'fox', 1, 0],
    ['nothing comes', 'fox', '', 1, 0],
    ['a minimum above all of it', 'fox', 'fox', 99, 0],
  ])('%s', (_name, delivered, said, min, expected) => {
    expect(trimmed(new OverlapTrimmer(delivered, min), [said])).toBe(expected);
    expect(trimmed(new OverlapTrimmer(delivered, min), [...said])).toBe(expected);
    expect(overlapOf(delivered, said, min)).toBe(expected);
  });

  it('finds what the definition says, however the new text comes', () => {
    fc.assert(
      fc.property(pairs, minimum, offsets, ([delivered, said], min, cuts) => {
        const found = trimmed(new OverlapTrimmer(delivered, min), piecesOf(said, cuts));
        expect(found).toBe(overlapOf(delivered, said, min));
      }),
      { numRuns: 3000 },
    );
  });

  it('waits just as long as more text may still make a difference', () => {
    fc.assert(
      fc.property(pairs, minimum, ([delivered, said], min) => {
        const trimmer = new OverlapTrimmer(delivered, min);
        for (let length = 0; length <= said.length; length++) {
          const held = said.slice(0, length);
          // What is held agrees from some place on that is far enough from the end, and the end is not reached yet.
          const places = Array.from({ length: delivered.length }, (_, at) => at).filter(
            (at) => at + length < delivered.length && at + min <= delivered.length && delivered.startsWith(held, at),
          );
          expect(trimmer.trimmed === undefined).toBe(places.length > 0);
          trimmer.push(said.charAt(length));
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('keeps its answer, whatever comes behind it', () => {
    const trimmer = new OverlapTrimmer('a brown fox', 3);
    trimmer.push('fox');
    trimmer.push('a brown fox');
    trimmer.end();
    trimmer.end();
    expect(trimmer.trimmed).toBe(3);
  });

  it('knows at once that a text which is too short has no overlap', () => {
    expect(new OverlapTrimmer('fox', 4).trimmed).toBe(0);
    expect(new OverlapTrimmer('', 1).trimmed).toBe(0);
    expect(new OverlapTrimmer('fox', 3).trimmed).toBeUndefined();
  });

  // Work that is not linear makes these 10^10 steps.
  const LONG = 200_000;
  it.each([
    ['one letter, and another at the end', 'a'.repeat(LONG), `${'a'.repeat(LONG - 1)}b`, LONG - 1],
    ['one letter, behind which another must come', `${'a'.repeat(LONG)}b`, `${'a'.repeat(LONG)}c`, 0],
    ['one letter, fitting', 'a'.repeat(LONG), 'a'.repeat(LONG), LONG],
    ['one letter, of which half is said', 'a'.repeat(LONG), 'a'.repeat(LONG / 2), LONG / 2],
    ['one letter, behind another', `b${'a'.repeat(LONG)}`, `${'a'.repeat(LONG)}b`, LONG],
    ['many false starts', `${'a'.repeat(99)}b`.repeat(LONG / 100), 'a'.repeat(LONG), 0],
    ['false starts that are long', `${'ab'.repeat(LONG / 4)}ac`.repeat(2), `${'ab'.repeat(LONG / 4)}aab`, 0],
    ['a period that breaks late', `${'abc'.repeat(LONG / 4)}x`, `${'abc'.repeat(LONG / 8)}abd`, 0],
  ])('looks at each character but a few times: %s', (_name, delivered, said, expected) => {
    expect(trimmed(new OverlapTrimmer(delivered, 16), [said])).toBe(expected);
    expect(trimmed(new OverlapTrimmer(delivered, 16), said.match(/[^]{1,7}/g)!)).toBe(expected);
  });
});

describe('PrefixTrimmer', () => {
  it.each([
    ['all of it is said again', ' \n', ' \nfox', 2],
    ['nothing of it is', ' \n', 'fox', 0],
    ['a part of it is', ' \n', ' fox', 1],
    ['the new text is a part of it', ' \n', ' ', 1],
    ['nothing comes', ' \n', '', 0],
    ['nothing was left out', '', ' fox', 0],
  ])('%s', (_name, omitted, said, expected) => {
    expect(trimmed(new PrefixTrimmer(omitted), [said])).toBe(expected);
    expect(trimmed(new PrefixTrimmer(omitted), [...said])).toBe(expected);
  });

  it('leaves out the common beginning, however the new text comes, and waits no longer than for that', () => {
    fc.assert(
      fc.property(pairs, offsets, ([omitted, said], cuts) => {
        let common = 0;
        while (common < omitted.length && omitted[common] === said[common]) common++;
        const trimmer = new PrefixTrimmer(omitted);
        let length = 0;
        for (const piece of piecesOf(said, cuts)) {
          expect(trimmer.trimmed === undefined).toBe(length <= common && length < omitted.length);
          trimmer.push(piece);
          length += piece.length;
        }
        trimmer.end();
        expect(trimmer.trimmed).toBe(common);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('commonLength', () => {
  it('counts what two texts have in common from a place on', () => {
    fc.assert(
      fc.property(pairs, fc.nat(40), ([whole, said], at) => {
        let common = 0;
        while (common < said.length && at + common < whole.length && whole[at + common] === said[common]) common++;
        expect(commonLength(whole, at, said)).toBe(common);
      }),
      { numRuns: 1000 },
    );
  });
});
