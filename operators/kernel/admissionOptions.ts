import { functionOption, numberOption } from '../../src/policies/options';
import { PreflightChecker, type AdmissionParts } from '../../src/policies/PreflightChecker';
import type { Cost } from '../../src/policies/waiting';
import type { Runtime } from './runtime';
import type { Admission } from './Plan';

/** What a stream costs in a rate limiter. */
export interface CostOptions<T = unknown> {
  /** What each attempt takes: a cost, or what makes it. @defaultValue `{ requests: 1, tokens: 0 }` */
  cost?: Cost | (() => Cost);
  /**
   * The LLM tokens used so far, input and output together, where a value tells them; the last report settles the estimate.
   *
   * @defaultValue the sum of a chat `usage` event
   */
  usage?(value: T): number | undefined;
}

/** A stream's place in a queue. */
export interface PriorityOptions {
  /** Higher is served first; first come, first served inside. @defaultValue 0 */
  priority?: number;
}

/** @throws TypeError, RangeError for a bad option */
export function resolveAdmission<T>(
  parts: AdmissionParts,
  { scheduler }: Runtime<T>,
  options: CostOptions<T> & PriorityOptions = {},
  wait = true,
): Admission<T> {
  const { cost, usage, priority = 0 } = options;
  functionOption('usage', usage);
  const checker = new PreflightChecker({ ...parts, clock: () => scheduler.now() });
  // A cost that is known is checked now, not at the first stream.
  if (typeof cost !== 'function') checker.cost(cost);
  return {
    checker,
    wait,
    cost,
    usage,
    priority: numberOption('priority', priority, { min: -Number.MAX_VALUE }),
    countsTokens: checker.rateLimiter?.snapshot(scheduler.now()).tokensRemaining != null,
  };
}
