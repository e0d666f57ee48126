import type { Cost } from './waiting';

/** All that changes in a rate limiter. */
export interface Buckets extends Required<Cost> {
  /** When the balances were right, in ms. */
  readonly at: number;
  readonly pausedUntil: number;
}

export interface Limit {
  /** `Infinity`: this dimension is unlimited. */
  readonly capacity: number;
  readonly perSecond: number;
  /** The time that one more takes, in ms; beside `perSecond`, as neither is exact when computed from the other. */
  readonly msEach: number;
}

export type Limits = Readonly<Record<keyof Cost, Limit>>;

/** For both dimensions. */
export const both = (of: (dimension: keyof Cost) => number): Required<Cost> => ({
  requests: of('requests'),
  tokens: of('tokens'),
});

/**
 * The buckets at `now`: each gains one per `msEach` and never holds more than its capacity, so that in any time t at most
 * capacity + t / msEach can be taken. Time that runs backwards gains nothing.
 */
export function refill(from: Buckets, now: number, limits: Limits): Buckets {
  const at = Math.max(from.at, now);
  const ms = at - from.at;
  const { requests, tokens } = limits;
  return {
    at,
    pausedUntil: from.pausedUntil,
    requests: Math.min(requests.capacity, from.requests + ms / requests.msEach),
    tokens: Math.min(tokens.capacity, from.tokens + ms / tokens.msEach),
  };
}

/** When the balances were or will be at `cost`. Rounded to 1e-6 ms: so many rounding errors of the balances are forgiven. */
export function grownAt(from: Buckets, cost: Required<Cost>, limits: Limits): number {
  const at = both((d) => from.at + Math.round((cost[d] - from[d]) * limits[d].msEach * 1e6) / 1e6);
  return Math.max(at.requests, at.tokens);
}
