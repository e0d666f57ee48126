import type { WeirError } from '../errors/WeirError';
import { choiceOption, functionOption, MAX_DELAY_MS, numberOption, wallClock } from './options';
import { needs, numberOptions } from './optionTable';

/** The calls that the rates are computed over: the last `size`, or (to a tenth) those that ended in the last `sizeMs`. */
export type CircuitWindow =
  { readonly type: 'count'; readonly size: number } | { readonly type: 'time'; readonly sizeMs: number };

export interface CircuitBreakerConfig {
  /** Consecutive failures that open the circuit; with a `window` the rates decide instead. @defaultValue 5 */
  failureThreshold?: number;
  /** How long the circuit stays open before it lets probes through, in ms, finite. @defaultValue 30000 */
  cooldownMs?: number;
  /** What each further cooldown is multiplied with until the circuit closes, at least 1. @defaultValue 1 */
  cooldownMultiplier?: number;
  /** No cooldown is longer, in ms. `Infinity`: none is longer than 2^31 - 1. @defaultValue Infinity */
  maxCooldownMs?: number;
  /** Successful probes that close the circuit. @defaultValue 1 */
  successThreshold?: number;
  /** Probes that may run at once. @defaultValue 1 */
  halfOpenMaxProbes?: number;
  /** Whether a probe succeeds with its first content, or only when it is complete. @defaultValue 'first' */
  probeVerdict?: 'first' | 'complete';
  /** A probe without content for so long, in ms, reopens the circuit; it runs on, but decides nothing. @defaultValue 60000 */
  probeTimeoutMs?: number;
  /** Needs `failureRate` and/or `slowRate`, which then decide instead of `failureThreshold`. @defaultValue none */
  window?: CircuitWindow;
  /** Calls that must be in the window before the rates count. @defaultValue 10, or the size of a smaller window */
  minimumCalls?: number;
  /** The circuit opens when this share of the window failed, from 0 (any failure) to 1. @defaultValue none */
  failureRate?: number;
  /** The circuit opens when this share of the window was slow, from 0 (any slow call) to 1. @defaultValue none */
  slowRate?: number;
  /** A call is slow when its first content comes later than this, in ms; for `slowRate`. @defaultValue none */
  slowFirstContentMs?: number;
  /** Whether a 429 (E2001) counts as a failure. @defaultValue false */
  countRateLimits?: boolean;
  /**
   * Whether an error counts as a failure. Not asked about the library's own refusals, which never do.
   *
   * @defaultValue by the table of standard codes and `countRateLimits`
   */
  isFailure?: (error: unknown, ctx: { error: WeirError }) => boolean;
  /** Where `now` comes from when a method is not told, in ms. @defaultValue the wall clock */
  clock?: () => number;
}

type Optional = 'window' | 'failureRate' | 'slowRate' | 'slowFirstContentMs' | 'isFailure';

/** A {@link CircuitBreakerConfig} with its defaults, checked. */
export type ResolvedCircuit = Readonly<
  Required<Omit<CircuitBreakerConfig, Optional>> & { [K in Optional]: CircuitBreakerConfig[K] | undefined }
>;

const COUNT = { min: 1, integer: true };
const SHARE = { max: 1 };

/** @throws TypeError | RangeError for a bad option or combination, naming it */
export function resolveCircuit(config: CircuitBreakerConfig): ResolvedCircuit {
  const { window, probeVerdict = 'first', countRateLimits = false, isFailure, clock = wallClock } = config;
  functionOption('isFailure', isFailure);
  functionOption('clock', clock);
  needs(config, 'minimumCalls', 'window');
  needs(config, 'failureRate', 'window');
  needs(config, 'slowRate', 'window');
  needs(config, 'slowRate', 'slowFirstContentMs');
  needs(config, 'slowFirstContentMs', 'slowRate');
  needs(config, 'window', 'failureRate', 'slowRate');
  let size = Infinity;
  if (window !== undefined) {
    choiceOption('window.type', window?.type, ['count', 'time']);
    if (window.type === 'count') size = numberOption('window.size', window.size, COUNT);
    else numberOption('window.sizeMs', window.sizeMs, { min: 1 });
  }
  const numbers = numberOptions(config, {
    failureThreshold: [5, COUNT],
    cooldownMs: [30_000, { max: MAX_DELAY_MS }],
    cooldownMultiplier: [1, { min: 1 }],
    maxCooldownMs: [Infinity, { infinity: true }],
    successThreshold: [1, COUNT],
    halfOpenMaxProbes: [1, COUNT],
    probeTimeoutMs: [60_000, { min: 1, max: MAX_DELAY_MS }],
    minimumCalls: [Math.min(10, size), { ...COUNT, max: size }],
    failureRate: [undefined, SHARE],
    slowRate: [undefined, SHARE],
    slowFirstContentMs: [undefined],
  });
  choiceOption('probeVerdict', probeVerdict, ['first', 'complete']);
  return Object.freeze({ ...numbers, window, probeVerdict, countRateLimits, isFailure, clock });
}
