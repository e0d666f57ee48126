import { choiceOption, objectOption } from '../../src/policies/options';
import { numberOptions } from '../../src/policies/optionTable';
import { PreflightChecker, type AdmissionParts } from '../../src/policies/PreflightChecker';
import type { RetryBudget } from '../../src/policies/RetryBudget';
import type { Cost } from '../../src/policies/waiting';
import { percentiles } from '../../src/signals/snapshots';
import type { FallbackChain } from '../../src/policies/FallbackChain';
import { toChain, type FallbackInput } from './targets';

/** When a stream that says nothing gets company. */
export interface HedgeConfig<T = unknown> {
  /** How long to wait for the first content, from when the source is opened, in ms. */
  afterMs?: number;
  /**
   * A percentile of the times to first content of the last 100 attempts instead: an attempt that takes longer than most is
   * hedged. Until 20 of them are known `afterMs` holds, and nothing is hedged where that is not given.
   */
  after?: 'p50' | 'p95';
  /** Attempts that run at the same time, the first counted. @defaultValue 2 */
  max?: number;
  /** What each further attempt takes a token of, and each success gives some back to. @defaultValue that of the retries, else none */
  budget?: RetryBudget | undefined;
  /** Where the further attempts go, in order; they bring their own protection. @defaultValue the source again */
  targets?: FallbackChain<T> | readonly FallbackInput<T>[];
  /**
   * Must have room, and its breaker must be closed, for the source to be asked again.
   *
   * @defaultValue those that guard the source, in `resilient` and the executor; else none
   */
  preflight?: PreflightChecker | AdmissionParts | undefined;
}

/** How many attempts a percentile needs, and how many it is made of. */
const ENOUGH = 20;
const SAMPLES = 100;

/** @throws TypeError for what is no list, or an empty one: nothing would ever be hedged */
function hedgeTargets<T>(targets: NonNullable<HedgeConfig<T>['targets']>): FallbackChain<T> {
  objectOption('targets', targets);
  if (Array.isArray(targets) && targets.length === 0)
    throw new TypeError('targets must hold one at least, or be left out');
  return toChain<T>(targets);
}

/** A {@link HedgeConfig}, checked, with what the streams that share it have seen. */
export class HedgePlan<T> {
  readonly max: number;
  readonly budget: RetryBudget | undefined;
  readonly chain: FallbackChain<T> | undefined;
  /** The one of the retries is told of successes by them. */
  readonly #ownBudget: RetryBudget | undefined;
  readonly #checker: PreflightChecker | undefined;
  readonly #afterMs: number | undefined;
  readonly #percentile: 'p50' | 'p95' | undefined;
  readonly #times: number[] = [];

  /** @throws TypeError, RangeError naming the option */
  constructor(
    config: HedgeConfig<T>,
    clock: () => number,
    defaults: Pick<HedgeConfig<T>, 'budget' | 'preflight'> = {},
  ) {
    objectOption('hedge', config);
    const { afterMs, max } = numberOptions(config, {
      afterMs: [undefined, { min: 0 }],
      max: [2, { min: 2, integer: true }],
    });
    const { after, budget = defaults.budget, targets, preflight = defaults.preflight } = config;
    if (after !== undefined) choiceOption('after', after, ['p50', 'p95']);
    else if (afterMs === undefined) throw new TypeError("hedge needs afterMs, or after: 'p95'");
    if (budget && typeof budget.allowed !== 'boolean') throw new TypeError('budget must be a RetryBudget');
    this.max = max;
    this.budget = budget;
    this.#ownBudget = budget === defaults.budget ? undefined : budget;
    this.chain = targets && hedgeTargets(targets);
    if (preflight !== undefined) objectOption('preflight', preflight);
    this.#checker = preflight && ('tryAdmit' in preflight ? preflight : new PreflightChecker({ ...preflight, clock }));
    this.#afterMs = afterMs;
    this.#percentile = after;
  }

  /** How long to wait, in ms; `undefined`: there is no hedging yet. */
  get afterMs(): number | undefined {
    const known = this.#percentile && this.#times.length >= ENOUGH ? percentiles(this.#times) : null;
    return known ? Math.ceil(known[this.#percentile!]) : this.#afterMs;
  }

  /** Whether the source may be asked once more: with everything it needs at hand, and a provider that is not under suspicion. */
  hasRoom(cost: Cost | undefined, now: number): boolean {
    const checker = this.#checker;
    if (!checker) return true;
    const state = checker.circuitBreaker?.snapshot(now).state ?? 'closed';
    return state === 'closed' && checker.check(cost, now).passed;
  }

  succeeded(): void {
    this.#ownBudget?.succeeded();
  }

  /** An attempt had its first content. */
  saw(ms: number): void {
    if (this.#percentile && this.#times.push(Math.max(0, ms)) > SAMPLES) this.#times.shift();
  }
}
