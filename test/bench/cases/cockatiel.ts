/** Everything that cockatiel has, with limits that nothing here comes near. */
export async function cockatielPolicy(timeoutMs: number) {
  const {
    bulkhead,
    circuitBreaker,
    ConsecutiveBreaker,
    ExponentialBackoff,
    handleAll,
    retry,
    timeout,
    TimeoutStrategy,
    wrap,
  } = await import('cockatiel');
  return wrap(
    retry(handleAll, { maxAttempts: 3, backoff: new ExponentialBackoff() }),
    circuitBreaker(handleAll, { halfOpenAfter: 30_000, breaker: new ConsecutiveBreaker(5) }),
    bulkhead(1e6, Infinity),
    timeout(timeoutMs, TimeoutStrategy.Aggressive),
  );
}
