import { describe, expect, it } from 'vitest';
import { CircuitBreaker, type CircuitBreakerConfig } from '../../src/policies/CircuitBreaker';

describe('CircuitBreaker options', () => {
  const window = { type: 'count', size: 10 } as const;
  it.each<[unknown, string]>([
    [{ failureThreshold: 0 }, 'failureThreshold'],
    [{ failureThreshold: 1.5 }, 'failureThreshold'],
    [{ failureThreshold: '5' }, 'failureThreshold'],
    [{ failureThreshold: null }, 'failureThreshold'],
    [{ cooldownMs: -1 }, 'cooldownMs'],
    [{ cooldownMs: NaN }, 'cooldownMs'],
    [{ cooldownMs: Infinity }, 'cooldownMs'],
    [{ cooldownMultiplier: 0.5 }, 'cooldownMultiplier'],
    [{ maxCooldownMs: -1 }, 'maxCooldownMs'],
    [{ successThreshold: 0 }, 'successThreshold'],
    [{ halfOpenMaxProbes: 0 }, 'halfOpenMaxProbes'],
    [{ probeVerdict: 'last' }, 'probeVerdict'],
    [{ probeTimeoutMs: 0 }, 'probeTimeoutMs'],
    [{ probeTimeoutMs: Infinity }, 'probeTimeoutMs'],
    [{ isFailure: true }, 'isFailure'],
    [{ clock: 5 }, 'clock'],
    [{ window }, 'window'],
    [{ window: { type: 'count', size: 10, failureRate: 0.5 } }, 'failureRate'],
    [{ window: 10, failureRate: 0.5 }, 'window.type'],
    [{ window: null, failureRate: 0.5 }, 'window.type'],
    [{ window: { type: 'count', sizeMs: 10 }, failureRate: 0.5 }, 'window.size'],
    [{ window: { type: 'time', size: 10 }, failureRate: 0.5 }, 'window.sizeMs'],
    [{ window, failureRate: 1.5 }, 'failureRate'],
    [{ window, failureRate: -0.1 }, 'failureRate'],
    [{ window, slowRate: 2, slowFirstContentMs: 5 }, 'slowRate'],
    [{ window, slowRate: 0.5 }, 'slowFirstContentMs'],
    [{ window, failureRate: 0.5, slowFirstContentMs: 5 }, 'slowRate'],
    [{ window, slowRate: 0.5, slowFirstContentMs: -5 }, 'slowFirstContentMs'],
    [{ window, failureRate: 0.5, minimumCalls: 11 }, 'minimumCalls'],
    [{ window, failureRate: 0.5, minimumCalls: 0 }, 'minimumCalls'],
    [{ minimumCalls: 5 }, 'minimumCalls'],
    [{ failureRate: 0.5 }, 'failureRate'],
    [{ slowRate: 0.5, slowFirstContentMs: 1 }, 'slowRate'],
  ])('throws for %j, naming the option', (config, name) => {
    expect(() => new CircuitBreaker(config as CircuitBreakerConfig)).toThrow(name);
  });
});
