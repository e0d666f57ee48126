import type { CircuitWindow, ResolvedCircuit } from './circuitConfig';
import { choiceOption, describe, MAX_DELAY_MS, numberOption } from './options';

/** Of the calls that ended in one bucket of time from `at` on (count window: of one call), how many there were. */
export type CallCount = [at: number, calls: number, failed: number, slow: number];

/** Calls go through and are counted. */
export interface Closed {
  readonly state: 'closed';
  /** Consecutive ones. */
  failures: number;
  /** Those in the window: at most `size`, or 11 buckets of time; empty without a window. */
  calls: CallCount[];
}

/** Calls are refused. */
export interface Open {
  readonly state: 'open';
  readonly openedAt: number;
  readonly openUntil: number;
  /** How often it was opened since it was closed, without the first time: the exponent of the cooldown. */
  readonly reopened: number;
  /** Those that opened it. */
  readonly failures: number;
}

/** A few calls go through, as probes. */
export interface HalfOpen {
  readonly state: 'half_open';
  readonly reopened: number;
  readonly failures: number;
  successes: number;
  /** When each is without content for too long; `Infinity` once it has some. */
  readonly probes: Map<object, number>;
}

/**
 * What the circuit is, isolation aside. Its identity is the epoch: a permit keeps the state that gave it, and its result
 * counts only while the circuit is still in it.
 */
export type Inner = Closed | Open | HalfOpen;

export const closed = (): Closed => ({ state: 'closed', failures: 0, calls: [] });

export function opened(at: number, reopened: number, failures: number, config: ResolvedCircuit): Open {
  const { cooldownMs, cooldownMultiplier, maxCooldownMs } = config;
  // Without the `&&`, 0 * 2^1024 would be NaN.
  const ms = cooldownMs && Math.min(maxCooldownMs, MAX_DELAY_MS, cooldownMs * cooldownMultiplier ** reopened);
  return { state: 'open', openedAt: at, openUntil: at + ms, reopened, failures };
}

/** When time alone will change the state; `Infinity`: never. */
export const dueAt = (inner: Inner): number =>
  inner.state === 'open' ? inner.openUntil : inner.state === 'closed' ? Infinity : Math.min(...inner.probes.values());

/**
 * The next state that time alone leads to, or the same. It depends on instants, not on timers: when somebody looks makes no
 * difference.
 */
export function step(inner: Inner, now: number, config: ResolvedCircuit): Inner {
  const due = dueAt(inner);
  if (inner.state === 'half_open' && now >= due) return opened(due, inner.reopened + 1, inner.failures, config);
  // Long before `openedAt`: the clock was put back, nobody knows how far, and it shall not stay open for so long. A little
  // before: somebody read the clock before somebody else did.
  if (inner.state !== 'open' || (now < due && now >= inner.openedAt - (due - inner.openedAt) / 10)) return inner;
  const { reopened, failures } = inner;
  return { state: 'half_open', reopened, failures, successes: 0, probes: new Map() };
}

/** The state at `now`; storing it, at once or later, makes no difference. */
export function advance(inner: Inner, now: number, config: ResolvedCircuit): Inner {
  const next = step(inner, now, config);
  return next === inner ? inner : advance(next, now, config);
}

/**
 * How many places for probes are taken. A probe from the future (the clock was put back) has none: if its stream hangs, it
 * would keep it until the clock is there again.
 */
export const probing = (inner: Inner, now: number, { probeTimeoutMs }: ResolvedCircuit): number =>
  inner.state === 'half_open'
    ? [...inner.probes.values()].filter((due) => due === Infinity || due <= now + 1.1 * probeTimeoutMs).length
    : 0;

const BUCKETS = 10;
const inWindow = (calls: CallCount[], window: CircuitWindow, now: number): CallCount[] =>
  window.type === 'count'
    ? calls.slice(-window.size)
    : calls.filter(([at]) => at > now - window.sizeMs).slice(-BUCKETS - 1);

/** Adds a call to those in the window. */
export function record(inner: Closed, window: CircuitWindow, now: number, failed: boolean, slow: boolean): void {
  let at = now;
  let last: CallCount | undefined;
  if (window.type === 'time') {
    at = Math.floor((now * BUCKETS) / window.sizeMs) * (window.sizeMs / BUCKETS);
    // A clock that was put back must not keep what it left in the future for longer than the rest.
    for (const call of inner.calls) call[0] = Math.min(call[0], at);
    last = inner.calls.at(-1);
  }
  if (last?.[0] !== at) inner.calls.push((last = [at, 0, 0, 0]));
  last[1]++;
  last[2] += +failed;
  last[3] += +slow;
  inner.calls = inWindow(inner.calls, window, now);
}

/** How many of the window's calls there are at `now`, failed, and were slow. */
export const totals = ({ calls }: Closed, window: CircuitWindow, now: number): number[] =>
  [1, 2, 3].map((i) => inWindow(calls, window, now).reduce((sum, call) => sum + call[i]!, 0));

/** What `CircuitBreaker.toJSON` gives. */
export type CircuitJSON = Readonly<Closed> | Open;

/** A half-open circuit is open again, with an immediate probe. */
export function toJSON(inner: Inner, now: number): CircuitJSON {
  if (inner.state !== 'half_open') return structuredClone(inner);
  const { reopened, failures } = inner;
  return { state: 'open', openedAt: now, openUntil: now, reopened, failures };
}

/** @throws TypeError | RangeError for nonsense, naming the field */
export function fromJSON(json: unknown): Inner {
  const given = Object(json) as Record<string, unknown>;
  const state = choiceOption('state', given['state'], ['closed', 'open']);
  const number = (name: string, rules: object = { integer: true }): number => numberOption(name, given[name], rules);
  const failures = number('failures');
  if (state === 'open') {
    const openedAt = number('openedAt', { min: -Infinity });
    const openUntil = number('openUntil', { min: openedAt, max: openedAt + MAX_DELAY_MS });
    return { state, openedAt, openUntil, reopened: number('reopened'), failures };
  }
  const { calls } = given;
  if (!Array.isArray(calls)) throw new TypeError(`calls must be an array, got ${describe(calls)}`);
  const count = (call: unknown[] | null, i: number) =>
    [0, 1, 2, 3].map((j) => {
      const rules = { integer: j > 0, min: j ? 0 : -Infinity, max: j > 1 ? Number(call?.[1]) : Infinity };
      return numberOption(`calls[${i}][${j}]`, call?.[j], rules);
    });
  return { state, failures, calls: calls.map(count) as CallCount[] };
}
