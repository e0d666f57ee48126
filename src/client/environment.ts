import type { ResilienceConfig } from '../../operators/kernel/pipeline';
import { describe, MAX_DELAY_MS, numberOption } from '../policies/options';
import { processEnv, type Environment } from '../sources/processEnv';

/**
 * What the `AI_LIB_*` variables ask for; a part without a variable is absent. Empty counts as unset.
 *
 * @throws TypeError for a value that is no number, RangeError for one that is out of range; both name the variable
 */
export function resilienceFromEnv(env: Environment = processEnv()): ResilienceConfig {
  const rate = { min: 1e-6 };
  const count = { min: 1, integer: true };
  const rps = read(env, 'AI_LIB_RPS', rate);
  const rpm = read(env, 'AI_LIB_RPM', rate);
  if (rps !== undefined && rpm !== undefined)
    throw new TypeError('AI_LIB_RPS and AI_LIB_RPM exclude each other, set one');
  const failureThreshold = read(env, 'AI_LIB_BREAKER_FAILURE_THRESHOLD', count);
  const cooldownSecs = read(env, 'AI_LIB_BREAKER_COOLDOWN_SECS', { max: MAX_DELAY_MS / 1000 });
  const maxInflight = read(env, 'AI_LIB_MAX_INFLIGHT', count);
  return {
    ...(rps !== undefined && { rateLimiter: { requestsPerSecond: rps } }),
    ...(rpm !== undefined && { rateLimiter: { requestsPerMinute: rpm } }),
    ...((failureThreshold ?? cooldownSecs) !== undefined && {
      circuitBreaker: {
        ...(failureThreshold !== undefined && { failureThreshold }),
        ...(cooldownSecs !== undefined && { cooldownMs: cooldownSecs * 1000 }),
      },
    }),
    ...(maxInflight !== undefined && { backpressure: { maxInflight } }),
  };
}

function read(env: Environment, name: string, rules: Parameters<typeof numberOption>[2]): number | undefined {
  const text = env[name]?.trim();
  if (!text) return undefined;
  const value = Number(text);
  if (Number.isNaN(value)) throw new TypeError(`${name} must be a number, got ${describe(text)}`);
  return numberOption(name, value, rules);
}
