import { ResilientExecutor, RetryBudget } from 'rx-weir';

/** Every part, with limits that nothing here comes near: what is measured is the way through. */
export const allParts = () => ({
  retry: { budget: new RetryBudget() },
  circuitBreaker: {},
  rateLimiter: { requestsPerSecond: 1e9, burstSize: 1e9 },
  backpressure: { maxInflight: 1e6 },
  timeout: { firstMs: 60_000, idleMs: 30_000, totalMs: 600_000 },
});

/** An executor with all of them, and this many that listen to its signals. */
export function executor(listeners = 1): ResilientExecutor {
  const made = new ResilientExecutor(allParts());
  for (let i = 0; i < listeners; i++) made.signals$.subscribe();
  return made;
}
