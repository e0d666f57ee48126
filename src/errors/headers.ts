/** What a response's headers say about the rate limit. What they do not say is absent. */
export interface RateLimitInfo {
  /** Requests per window. */
  limitRequests?: number;
  /** Requests left in the window. */
  remainingRequests?: number;
  /** Tokens per window. */
  limitTokens?: number;
  /** Tokens left in the window. */
  remainingTokens?: number;
  /** Until the last of the exhausted dimensions is full again, in ms. */
  resetMs?: number;
  /** How long `retry-after-ms` or `retry-after` ask to wait, in ms. */
  retryAfterMs?: number;
}

/** Headers in any of the shapes that fetch, Node and the SDKs use. Names are read in any case. */
export type HeadersLike =
  Headers | Iterable<readonly [string, string]> | { readonly [name: string]: string | readonly string[] | undefined };

/** Headers by lower case name; empty for anything that holds none. Never throws, and reads at most 999 entries. */
export function readHeaders(headers: unknown): Map<string, string> {
  const map = new Map<string, string>();
  try {
    const source = Object(headers) as Iterable<[unknown, unknown]>;
    let left = 999;
    for (const [name, value] of source[Symbol.iterator] ? source : Object.entries(source)) {
      const text: unknown = Array.isArray(value) ? value[0] : value;
      if (typeof text === 'string' || typeof text === 'number') map.set(String(name).toLowerCase(), `${text}`.trim());
      if (!--left) break;
    }
  } catch {
    // no pairs, or a proxy or a getter that throws: what was read until here
  }
  return map;
}

const number = (text = ''): number => (/^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN);

// To 1e-6 ms first, or the noise of a product such as 1.1 s * 1000 would cost a ms. More digits than a number holds are
// Infinity here: a wait that is too long for any policy, and must not become none.
const whole = (ms: number): number | undefined =>
  ms >= 0 ? Math.min(Math.ceil(Number(ms.toFixed(6))), Number.MAX_SAFE_INTEGER) : undefined;

const UNIT_MS: Readonly<Record<string, number>> = { h: 36e5, m: 6e4, s: 1e3, ms: 1, us: 1e-3, µs: 1e-3, ns: 1e-6 };

/**
 * A wait in ms, rounded up, from seconds, epoch seconds, epoch milliseconds, a Go or protobuf duration (`6m0s`, `17ms`,
 * `34.4s`), an HTTP-date or an RFC 3339 time; `undefined` for anything else and for a time that has passed.
 */
export function waitOf(text = '', now: number): number | undefined {
  const count = number(text);
  // Up to 1e9 (31 years) these are seconds, above an instant: 1e12 s would be the year 33658, so from there on in ms.
  if (count >= 0) return whole((count < 1e12 ? count * 1e3 : count) - (count < 1e9 ? 0 : now));
  if (/^(\d+(\.\d+)?([hms]|[mnuµ]s))+$/.test(text)) {
    let sum = 0;
    for (const [, amount, unit = ''] of text.matchAll(/([\d.]+)(\D+)/g)) sum += Number(amount) * (UNIT_MS[unit] ?? 0);
    return whole(sum);
  }
  // Date.parse alone takes nearly anything for a date, "-5" for one. The asctime form names no zone and means GMT.
  if (!/^([A-Z][a-z]{2,8},? |\d{4}-\d\d-\d\dT).*\d\d:\d\d/.test(text)) return undefined;
  return whole(Date.parse(/^\w+ /.test(text) ? `${text} GMT` : text) - now);
}

const asked = (map: ReadonlyMap<string, string>, now: number): number | undefined =>
  whole(number(map.get('retry-after-ms'))) ?? waitOf(map.get('retry-after'), now);

const RESETS = [
  /^x-ratelimit-reset-/,
  /^anthropic-ratelimit-(?!unified).+-reset$/,
  /^(x-|anthropic-)?ratelimit(-unified)?-reset$/,
];

/** The longest reset of the exhausted dimensions, of the first of the families that has one. */
function longestReset(map: ReadonlyMap<string, string>, now: number): number | undefined {
  for (const family of RESETS) {
    let longest: number | undefined;
    for (const [name, text] of map) {
      if (!family.test(name)) continue;
      const about = (what: string) => map.get(name.replace('reset', what));
      // OpenAI sends resets with every answer, Anthropic's unified one goes with a status in place of a remaining.
      if (Number(about('remaining')) > 0 || about('status')?.startsWith('allowed')) continue;
      const wait = waitOf(text, now);
      if (wait !== undefined) longest = Math.max(longest ?? 0, wait);
    }
    if (longest !== undefined) return longest;
  }
  return undefined;
}

/**
 * How long the other side asks to wait, in ms. In this order: `retry-after-ms`, `retry-after` (seconds or an HTTP-date)
 * and, with status 429 only, the longest of `x-ratelimit-reset-*` (Go durations), else of `anthropic-ratelimit-*-reset`
 * (RFC 3339), else `x-ratelimit-reset` or `anthropic-ratelimit-unified-reset` (an epoch), each only where what remains is 0
 * or unsaid.
 *
 * @param now - the time, in ms since the epoch
 * @param status - the HTTP status of the response; @defaultValue 429
 * @returns a finite number of ms from 0, or `undefined` for what is absent, negative, past or unreadable. Never throws.
 */
export function parseRetryAfter(
  headers: HeadersLike | null | undefined,
  now: number,
  status = 429,
): number | undefined {
  const map = readHeaders(headers);
  return asked(map, now) ?? (status === 429 ? longestReset(map, now) : undefined);
}

/**
 * What headers say about the rate limit, in the form that `RateLimiter.observe` takes. Anthropic's input tokens stand in
 * where there is no limit on tokens in all.
 *
 * @param now - the time, in ms since the epoch
 * @returns finite numbers from 0; `{}` for anything that holds no such header. Never throws.
 */
export function parseRateLimit(headers: HeadersLike | null | undefined, now: number): RateLimitInfo {
  const map = readHeaders(headers);
  const first = (what: string, dimensions: string[]): number | undefined => {
    for (const dimension of dimensions) {
      const count = number(
        map.get(`x-ratelimit-${what}${dimension}`) ?? map.get(`anthropic-ratelimit${dimension}-${what}`),
      );
      if (count < Infinity) return count;
    }
    return undefined;
  };
  const requests = ['-requests', ''];
  const tokens = ['-tokens', '-input-tokens'];
  const info = {
    limitRequests: first('limit', requests),
    remainingRequests: first('remaining', requests),
    limitTokens: first('limit', tokens),
    remainingTokens: first('remaining', tokens),
    resetMs: longestReset(map, now),
    retryAfterMs: asked(map, now),
  };
  return Object.fromEntries(Object.entries(info).filter(([, value]) => value !== undefined));
}
