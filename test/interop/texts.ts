import fc from 'fast-check';

/** Characters of many units, their parts, and what is none at all. */
const PARTS = [
  ...['a', 'b', ' ', '水', 'é', 'e\u0301', 'o\u0302\u0323', 'z\u0300\u0301\u0302\u0303\u0304\u0305'],
  ...['👨‍👩‍👧‍👦', '👩🏽‍🚀', '👍🏽', '❤️', '🏳️‍🌈', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', '🌊', '1️⃣'],
  ...['🇩🇪', '🇫🇷', '🇩', '🇪'],
  ...['\r\n', '\r', '\n', 'क्षि', 'ก็', '각', 'ᄀ', 'ᅡ', 'ᆨ'],
  ...['\u200d', '\u0301', '\ufe0f', '🏽', '\ud83d', '\udc68'],
];

/** Texts full of what must not be cut. */
export const hardText: fc.Arbitrary<string> = fc
  .array(fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...PARTS) }, fc.string({ unit: 'binary', maxLength: 3 })), {
    maxLength: 25,
  })
  .map((parts) => parts.join(''));

/** Every offset at which a text may be cut, by the definition: one look at the whole. */
export function boundariesOf(text: string): Set<number> {
  const segments = new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(text);
  return new Set([...segments].map(({ index }) => index)).add(text.length);
}
