/** Chance by a seed (mulberry32). */
export interface Chance {
  /** In [0, 1). */
  (): number;
  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number;
  /** One of them. */
  of<T>(choices: readonly T[]): T;
}

export function chance(seed: number): Chance {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return Object.assign(next, {
    between: (least: number, most: number) => least + Math.floor(next() * (most - least + 1)),
    of: <T>(choices: readonly T[]) => choices[Math.floor(next() * choices.length)]!,
  });
}
