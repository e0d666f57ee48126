import type { FallbackChain } from '../../src/policies/FallbackChain';
import type { PreflightChecker } from '../../src/policies/PreflightChecker';
import type { RetryBudget } from '../../src/policies/RetryBudget';
import type { Cost } from '../../src/policies/waiting';
import type { SignalsHub } from '../../src/signals/SignalsHub';
import type { AttemptSettings } from './Attempt';
import type { Delivered } from './Delivered';
import type { HedgePlan } from './HedgePlan';
import type { PartialPlan } from './partials';
import type { Recovery } from './recovery';
import type { Seam } from './seams';
import type { Tree } from './Tree';

/** What every attempt at the source itself has to pass. */
export interface Admission<T> {
  readonly checker: PreflightChecker;
  /** Whether to wait for a slot and the bucket, or to be refused at once. */
  readonly wait: boolean;
  readonly cost?: Cost | (() => Cost) | undefined;
  readonly usage?: ((value: T) => number | undefined) | undefined;
  readonly priority?: number | undefined;
  /** Whether the rate limiter has a dimension of LLM tokens. */
  readonly countsTokens: boolean;
}

/** What an operator does, fixed when it is called; shared by all its subscriptions. */
export interface Plan<T> extends AttemptSettings<T> {
  readonly admission?: Admission<T> | undefined;
  /** The whole stream, in ms. */
  readonly totalMs?: number | undefined;
  /** How a stream goes on that fails after its first content; `undefined`: not at all. */
  readonly partials?: PartialPlan<T> | undefined;
  readonly hedge?: HedgePlan<T> | undefined;
  /** What every attempt's values pass through. */
  readonly seam?: (() => Seam<T>) | undefined;
  /** Where what is delivered is collected, where somebody else wants to know. */
  readonly delivered?: Delivered<T> | undefined;
  /** Where the attempts at fallback targets are counted. */
  readonly fallbackHub?: SignalsHub | undefined;
  /** What successes of attempts at the source itself fill. */
  readonly budget?: RetryBudget | undefined;
  /** The ways to recover from a failure, the innermost first. */
  readonly recoveries?: (() => Recovery<T>)[] | undefined;
  /** Limits of all attempts together. */
  readonly maxAttempts?: number | undefined;
  readonly maxElapsedMs?: number | undefined;
  /** What this stream shares with those that it is a part of, or that are parts of it: they count their own attempts in it. */
  readonly tree?: Tree | undefined;
  /** Instead of the hedge's own. */
  readonly hedgeTargets?: FallbackChain<T> | undefined;
}

/**
 * The same plan in the shape that all have. One that was put together by spreading has a hidden class of its own, which
 * takes 600 bytes; the client makes two for each chat.
 */
export const shaped = <T>(plan: Plan<T>): Plan<T> => ({
  scheduler: plan.scheduler,
  random: plan.random,
  isContent: plan.isContent,
  textOf: plan.textOf,
  withText: plan.withText,
  rewindValue: plan.rewindValue,
  hold: plan.hold,
  limits: plan.limits,
  verify: plan.verify,
  hub: plan.hub,
  inputTokens: plan.inputTokens,
  admission: plan.admission,
  totalMs: plan.totalMs,
  partials: plan.partials,
  hedge: plan.hedge,
  seam: plan.seam,
  delivered: plan.delivered,
  fallbackHub: plan.fallbackHub,
  budget: plan.budget,
  recoveries: plan.recoveries,
  maxAttempts: plan.maxAttempts,
  maxElapsedMs: plan.maxElapsedMs,
  tree: plan.tree,
  hedgeTargets: plan.hedgeTargets,
});
