import type { RejectedError } from '../../src/errors/WeirError';
import { MAX_DELAY_MS } from '../../src/policies/options';
import type { PreflightChecker } from '../../src/policies/PreflightChecker';
import type { Queueable } from '../../src/policies/waiting';
import { decide, Gate, type Applicant, type Place } from './Gate';

/**
 * Admits a stream when its breaker lets it, a slot is free and the bucket holds its cost, all taken at that instant; else
 * it waits its turn. Waiting for one resource never holds another.
 *
 * @returns its place in the queue; `undefined` when it was decided at once
 */
export function admit(checker: PreflightChecker, applicant: Applicant): Place | undefined {
  const { cost, scheduler } = applicant;
  const { queues } = checker;
  const now = scheduler.now();
  // The breaker is asked before the queue and takes its permit behind it: no probe waits in a queue.
  let refusal: RejectedError | undefined = checker.circuitBreaker?.check(now);
  const isReady = !refusal && checker.ready(cost, now);
  if (!isReady) for (const policy of queues) refusal ??= refusalAtOnce(policy, applicant, now);
  if (refusal) {
    applicant.refused(refusal);
  } else if (!isReady || queues.some(isBusy)) {
    // While lines are being served a newcomer stands behind them, also where something seems free for a moment.
    return Gate.of(checker, queues).enter(applicant, now);
  } else {
    decide(checker, applicant, now);
  }
  return undefined;
}

const isBusy = ({ service }: Queueable): boolean => service.busy;

/** What a newcomer is refused for without waiting: a wait that is too long already, or a full queue. */
function refusalAtOnce(policy: Queueable, { cost, priority }: Applicant, now: number): RejectedError | undefined {
  if (policy.ready(cost, now)) return undefined;
  const { maxQueue, maxWaitMs } = policy.config;
  const ahead = { requests: 0, tokens: 0 };
  for (const line of policy.lines) {
    const { requests, tokens } = line.ahead(priority);
    ahead.requests += requests;
    ahead.tokens += tokens;
  }
  // A wait that nobody knows is longer than none.
  const waitMs = policy.backlogMs(ahead, cost, now) ?? Number.MIN_VALUE;
  if (waitMs > Math.min(maxWaitMs, MAX_DELAY_MS))
    return policy.refuse(`a longer wait than maxWaitMs ${maxWaitMs}`, waitMs);
  return policy.queued < maxQueue
    ? undefined
    : policy.refuse(`the queue is full, maxQueue ${maxQueue}`, policy.waitMs(cost, now));
}
