/**
 * Prepares a text.
 *
 * @returns where a character (as a reader counts them: a grapheme cluster) begins, at `at` or before; with `up`: at it or behind
 */
export type Characters = (text: string) => (at: number, up?: boolean) => number;

/** By code points: what there is where `Intl.Segmenter` is not (Firefox before 125). */
export const codePoints: Characters = (text) => (at, up) =>
  text.codePointAt(at - 1)! > 0xffff ? at + (up ? 1 : -1) : at;

/** Two units of which the second one begins a character for certain: most text needs no segmenter, which is slow. */
const PLAIN = /^(?!\r\n)[^\u0300-\uffff]{2}$/;

/** Asked for one place, a segmenter looks at what is around it, and not at all the text before. */
export function graphemes(): Characters {
  const { Segmenter } = Intl as { Segmenter?: typeof Intl.Segmenter };
  if (!Segmenter) return codePoints;
  const segmenter = new Segmenter(undefined, { granularity: 'grapheme' });
  return (text) => {
    let segments: Intl.Segments | undefined;
    return (at, up) => {
      if (PLAIN.test(text.slice(at - 1, at + 1))) return at;
      segments ??= segmenter.segment(text);
      const { index, segment } = segments.containing(at)!;
      return up && index < at ? index + segment.length : index;
    };
  };
}
