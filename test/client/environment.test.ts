import { afterEach, describe, expect, it, vi } from 'vitest';
import { ResilientExecutor } from 'rx-weir';

afterEach(() => {
  vi.unstubAllEnvs();
});

const of = (env: Record<string, string | undefined>) => ResilientExecutor.fromEnv(env).snapshot();

describe('ResilientExecutor.fromEnv', () => {
  it('has no part that no variable asks for', () => {
    expect(of({})).toMatchObject({ circuitState: 'disabled', rate: null, inflight: null });
    expect(of({ AI_LIB_RPS: '', AI_LIB_MAX_INFLIGHT: '  ', PATH: '/bin' })).toMatchObject({
      rate: null,
      inflight: null,
    });
  });

  it('reads each variable', () => {
    expect(of({ AI_LIB_RPS: '2.5' })).toMatchObject({
      rate: { refillPerSecond: 2.5, capacity: 3 },
      circuitState: 'disabled',
    });
    expect(of({ AI_LIB_RPM: '90' })).toMatchObject({ rate: { refillPerSecond: 1.5, capacity: 2 } });
    expect(of({ AI_LIB_MAX_INFLIGHT: ' 7\n' })).toMatchObject({ inflight: { max: 7 } });
    expect(of({ AI_LIB_BREAKER_FAILURE_THRESHOLD: '3' })).toMatchObject({ circuit: { failureThreshold: 3 } });
    expect(of({ AI_LIB_BREAKER_COOLDOWN_SECS: '0.5' })).toMatchObject({
      circuitState: 'closed',
      circuit: { failureThreshold: 5 },
    });
    const executor = ResilientExecutor.fromEnv({
      AI_LIB_BREAKER_COOLDOWN_SECS: '2',
      AI_LIB_BREAKER_FAILURE_THRESHOLD: '1',
    });
    expect(executor.preflight.circuitBreaker?.config).toMatchObject({ cooldownMs: 2000, failureThreshold: 1 });
  });

  it('reads process.env by default', () => {
    vi.stubEnv('AI_LIB_MAX_INFLIGHT', '4');
    vi.stubEnv('AI_LIB_RPS', undefined);
    vi.stubEnv('AI_LIB_RPM', '60');
    expect(ResilientExecutor.fromEnv().snapshot()).toMatchObject({
      inflight: { max: 4 },
      rate: { refillPerSecond: 1 },
    });
  });

  it.each([
    ['AI_LIB_RPS', 'ten', TypeError],
    ['AI_LIB_RPM', '10/min', TypeError],
    ['AI_LIB_BREAKER_FAILURE_THRESHOLD', '1,5', TypeError],
    ['AI_LIB_BREAKER_COOLDOWN_SECS', '30s', TypeError],
    ['AI_LIB_MAX_INFLIGHT', 'NaN', TypeError],
    ['AI_LIB_RPS', '-1', RangeError],
    ['AI_LIB_RPS', '0', RangeError],
    ['AI_LIB_RPM', 'Infinity', RangeError],
    ['AI_LIB_BREAKER_FAILURE_THRESHOLD', '1.5', RangeError],
    ['AI_LIB_BREAKER_COOLDOWN_SECS', '-3', RangeError],
    ['AI_LIB_MAX_INFLIGHT', '0', RangeError],
    ['AI_LIB_BREAKER_COOLDOWN_SECS', '99999999', RangeError],
    ['AI_LIB_BREAKER_COOLDOWN_SECS', 'Infinity', RangeError],
    ['AI_LIB_RPS', '1e-10', RangeError],
    ['AI_LIB_RPM', '1e-9', RangeError],
  ])('refuses %s=%s, naming the variable and its value', (name, value, kind) => {
    const make = (): unknown => ResilientExecutor.fromEnv({ [name]: value });
    expect(make).toThrow(kind);
    expect(make).toThrow(name);
    expect(make).toThrow(value);
  });

  it('refuses both a rate per second and one per minute', () => {
    const make = (): unknown => ResilientExecutor.fromEnv({ AI_LIB_RPS: '1', AI_LIB_RPM: '60' });
    expect(make).toThrow(/AI_LIB_RPS.*AI_LIB_RPM/);
  });
});
