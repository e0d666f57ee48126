import type { RateSnapshot } from '../policies/RateLimiter';
import type { SignalsSnapshot, StreamsSnapshot } from './SignalsSnapshot';

/** What changes by time alone. */
const DRIFTING = new Set(['rateRemaining', 'remaining', 'tokensRemaining', 'tokensPerSecond', 'healthScore']);

/** Everything in a snapshot but its time, to compare by; with `steady` also without what drifts by time alone. */
export const digest = (snapshot: SignalsSnapshot, steady = false): string =>
  JSON.stringify(snapshot, (key, value: unknown) =>
    key === 'timestamp' || (steady && DRIFTING.has(key)) ? undefined : value,
  );

/** Freezes a plain object and what is in it. */
export function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (typeof part === 'object' && part !== null) deepFreeze(part as object);
  return Object.freeze(value);
}

/** The mean of the parts that are there; 1 when none is. */
export function mean(parts: readonly (number | null | undefined)[]): number {
  const there = parts.filter((part) => typeof part === 'number');
  return there.length > 0 ? there.reduce((sum, part) => sum + part, 0) / there.length : 1;
}

/** How full a bucket is, 0..1; `null` where requests are not limited. */
export const levelOf = ({ remaining, capacity }: RateSnapshot): number | null =>
  remaining === null || capacity === null ? null : Math.min(1, Math.max(0, remaining / capacity));

/** The last sample, the median and the 95th percentile (nearest rank). */
export function percentiles(samples: readonly number[]): StreamsSnapshot['firstContentMs'] {
  const last = samples.at(-1);
  if (last === undefined) return null;
  const sorted = [...samples].sort((a, b) => a - b);
  const rank = (p: number): number => sorted[Math.ceil(p * sorted.length) - 1] ?? last;
  return { last, p50: rank(0.5), p95: rank(0.95) };
}
