import { slope } from '../harness/statistics';

/** What is seen when nothing runs. */
export interface Rest {
  /** Since the start, in s. */
  readonly at: number;
  /** How many streams had ended by then. */
  readonly streams: number;
  /** After a collection, in bytes. */
  readonly heap: number;
  /** What should be zero, and was not in spite of some patience. */
  readonly leftovers: Readonly<Record<string, number>>;
}

/** The heap may grow by so much over the second half: what V8 itself needs more, feedback and code, shows as growth. */
export const bound = (heap: number): number => Math.max(0.02 * heap, 256 * 1024);

const kB = (bytes: number): string => `${Math.round(bytes / 1024)} KB`;

/** How the heap grew over the second half, by the line that fits it best. */
export function growth(rests: readonly Rest[]): { bytes: number; perStream: number; allowed: number } {
  const half = rests.slice(Math.floor(rests.length / 2));
  const [first, last] = [half[0], half.at(-1)];
  if (!first || !last || first === last) return { bytes: 0, perStream: 0, allowed: 0 };
  const perStream = slope(half.map(({ streams, heap }) => [streams, heap] as const));
  return { perStream, bytes: perStream * (last.streams - first.streams), allowed: bound(first.heap) };
}

/** What is wrong; nothing, if all is well. */
export function problems(rests: readonly Rest[]): string[] {
  const { bytes, perStream, allowed } = growth(rests);
  const found = rests.length < 6 ? [`only ${rests.length} rests: too short a run to judge the heap`] : [];
  if (bytes > allowed) {
    found.push(
      `the heap grew by ${kB(bytes)} over the second half, ${perStream.toFixed(1)} B per stream; allowed are ${kB(allowed)}`,
    );
  }
  for (const [index, { at, leftovers }] of rests.entries()) {
    const left = Object.entries(leftovers).filter(([, count]) => count !== 0);
    const where = index === rests.length - 1 ? 'at the end' : `at rest after ${Math.round(at)} s`;
    if (left.length > 0) found.push(`${where}: ${left.map(([what, count]) => `${count} ${what}`).join(', ')}`);
  }
  return found;
}
