import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkFaults, drawFault, type FaultKind } from '../../src/testing/drawFault';
import { seededRandom } from '../../src/testing/random';
import { DEFAULT_TEXT, type Reply } from '../../src/testing/Reply';

const draws = (seed: number, rate: number, count: number, kinds?: FaultKind[]): Reply[] =>
  Array.from({ length: count }, (_, i) =>
    drawFault({}, { rate, ...(kinds ? { kinds } : {}) }, 'openai', seededRandom(seed, i)),
  );
const healthy = (reply: Reply): boolean => Object.keys(reply).length === 0;

describe('seededRandom', () => {
  it('gives numbers in [0, 1) that spread evenly, the same for the same seed and stream', () => {
    fc.assert(
      fc.property(fc.integer(), fc.nat(), (seed, stream) => {
        const [random, again] = [seededRandom(seed, stream), seededRandom(seed, stream)];
        const numbers = Array.from({ length: 2000 }, random);
        expect(numbers).toEqual(Array.from({ length: 2000 }, again));
        expect(numbers.every((n) => n >= 0 && n < 1)).toBe(true);
        const mean = numbers.reduce((sum, n) => sum + n, 0) / numbers.length;
        expect(Math.abs(mean - 0.5)).toBeLessThan(0.05);
      }),
    );
  });

  it('streams of one seed, and seeds, do not follow one another', () => {
    const first = (seed: number, stream: number): number => seededRandom(seed, stream)();
    const numbers = Array.from({ length: 2000 }, (_, i) => first(1, i));
    expect(new Set([...numbers, ...Array.from({ length: 2000 }, (_, i) => first(i + 2, 0))]).size).toBeGreaterThan(
      3990,
    );
    const mean = numbers.reduce((sum, n) => sum + n, 0) / numbers.length;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.05);
  });
});

describe('drawFault', () => {
  it('strikes at its rate: never at 0, always at 1', () => {
    expect(draws(1, 0, 200).every(healthy)).toBe(true);
    expect(draws(1, 1, 200).some(healthy)).toBe(false);
    const struck = draws(1, 0.3, 2000).filter((reply) => !healthy(reply)).length;
    expect(struck / 2000).toBeCloseTo(0.3, 1);
  });

  it('draws every kind but the stall, unless asked', () => {
    const fields = new Set(draws(3, 1, 500).flatMap((reply) => Object.keys(reply)));
    expect([...fields].sort()).toEqual(['cut', 'errorFrame', 'headers', 'malformedAfterChars', 'status', 'text']);
    expect(draws(3, 1, 20, ['stall']).every((reply) => 'stall' in reply)).toBe(true);
  });

  it('strikes anywhere in the content, both ends included', () => {
    const text = 'ab';
    const at = Array.from({ length: 100 }, (_, i) =>
      drawFault({ text }, { rate: 1, kinds: ['reset'] }, 'openai', seededRandom(5, i)),
    ).map(({ cut }) => (cut && 'afterChars' in cut ? cut.afterChars : NaN));
    expect(new Set(at)).toEqual(new Set([0, 1, 2]));
    const [whole] = draws(5, 1, 1, ['reset']);
    expect(whole?.cut).toEqual({ afterChars: expect.any(Number) });
    expect(DEFAULT_TEXT.length).toBeGreaterThan(0);
  });

  it('overload is 529 from Anthropic and 503 from others; a rate limit says when to come back', () => {
    const draw = (kind: FaultKind, dialect: 'openai' | 'anthropic') =>
      drawFault({}, { rate: 1, kinds: [kind] }, dialect, seededRandom(1));
    expect([draw('overload', 'anthropic').status, draw('overload', 'openai').status]).toEqual([529, 503]);
    expect(draw('rateLimit', 'openai')).toEqual({
      status: 429,
      headers: { 'retry-after-ms': expect.stringMatching(/^[1-5]\d$/) },
    });
  });

  it('refuses a kind it does not know, and none', () => {
    expect(() => checkFaults({ rate: 0.5, kinds: ['flood' as FaultKind] })).toThrow(/flood/);
    expect(() => checkFaults({ rate: 0.5, kinds: [] })).toThrow(/none/);
    expect(() => checkFaults({ rate: NaN })).toThrow(/faults\.rate .* NaN/);
  });
});
