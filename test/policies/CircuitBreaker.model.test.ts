import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CircuitBreaker, type CircuitBreakerConfig, type CircuitPermit } from '../../src/policies/CircuitBreaker';
import { isRejected } from '../../src/errors/WeirError';

/** The contract once more, as plainly as possible: one mutable thing that is told of every instant. */
class Reference {
  state: 'closed' | 'open' | 'half_open' = 'closed';
  epoch = 0;
  history: boolean[] = []; // true: failed
  openedAt = 0;
  until = 0;
  cooldowns = 0;
  shownFailures = 0;
  successes = 0;
  isolated = 0;
  lastError: unknown;
  probes: { id: number; at: number; content: boolean }[] = [];
  readonly config: Config;

  constructor(config: Config) {
    this.config = config;
  }

  tick(now: number): void {
    for (;;) {
      const late = this.probes.filter((p) => !p.content && now >= p.at + this.config.probeTimeoutMs).map((p) => p.at);
      if (this.state === 'open' && (now >= this.until || now < this.openedAt - (this.until - this.openedAt) / 10)) {
        this.enter('half_open');
      } else if (this.state === 'half_open' && late.length > 0) {
        this.open(Math.min(...late) + this.config.probeTimeoutMs, this.shownFailures);
      } else return;
    }
  }

  enter(state: Reference['state']): void {
    this.state = state;
    this.epoch++;
    this.probes = [];
    this.successes = 0;
    if (state !== 'closed') return;
    this.history = [];
    this.cooldowns = 0;
    this.lastError = undefined;
  }

  open(at: number, failures: number): void {
    const { cooldownMs, cooldownMultiplier, maxCooldownMs } = this.config;
    this.openedAt = at;
    this.until = at + Math.min(maxCooldownMs, cooldownMs * cooldownMultiplier ** this.cooldowns++);
    this.shownFailures = failures;
    this.enter('open');
  }

  get failures(): number {
    if (this.state !== 'closed') return this.shownFailures;
    if (this.config.window) return this.history.slice(-this.config.window.size).filter(Boolean).length;
    return this.history.length - 1 - this.history.lastIndexOf(false);
  }

  places(now: number): number {
    return (
      this.config.halfOpenMaxProbes -
      this.probes.filter((p) => p.content || p.at <= now + this.config.probeTimeoutMs / 10).length
    );
  }

  settle(permit: Given, failed: boolean | undefined, error: unknown, now: number): void {
    if (permit.settled) return;
    permit.settled = true;
    this.tick(now);
    if (permit.epoch !== this.epoch) return;
    this.probes = this.probes.filter((p) => p.id !== permit.id);
    if (failed === undefined) return;
    if (failed) this.lastError = error;
    if (this.state === 'half_open') {
      if (failed) this.open(now, this.shownFailures);
      else if (++this.successes === this.config.successThreshold) this.enter('closed');
      return;
    }
    this.history.push(failed);
    const { window, minimumCalls, failureRate = 2, failureThreshold } = this.config;
    const seen = this.history.slice(-(window?.size ?? Infinity)).length;
    const trips = window
      ? seen >= minimumCalls && this.failures > 0 && this.failures >= failureRate * seen
      : this.failures >= failureThreshold;
    if (trips) this.open(now, this.failures);
  }
}

interface Config {
  failureThreshold: number;
  cooldownMs: number;
  cooldownMultiplier: number;
  maxCooldownMs: number;
  successThreshold: number;
  halfOpenMaxProbes: number;
  probeVerdict: 'first' | 'complete';
  probeTimeoutMs: number;
  window?: { type: 'count'; size: number };
  minimumCalls: number;
  failureRate?: number;
}
interface Given {
  id: number;
  epoch: number;
  isProbe: boolean;
  settled: boolean;
  real: CircuitPermit;
}

const configs: fc.Arbitrary<Config> = fc
  .record({
    failureThreshold: fc.integer({ min: 1, max: 3 }),
    cooldownMs: fc.constantFrom(0, 10, 50),
    cooldownMultiplier: fc.constantFrom(1, 2),
    maxCooldownMs: fc.constantFrom(100, Infinity),
    successThreshold: fc.integer({ min: 1, max: 3 }),
    halfOpenMaxProbes: fc.integer({ min: 1, max: 3 }),
    probeVerdict: fc.constantFrom('first' as const, 'complete' as const),
    probeTimeoutMs: fc.constantFrom(20, 60),
    size: fc.constantFrom(0, 2, 5),
    minimumCalls: fc.constantFrom(1, 2),
    failureRate: fc.constantFrom(0, 0.4, 1),
  })
  .map(({ size, failureRate, ...rest }) => (size ? { ...rest, window: { type: 'count', size }, failureRate } : rest));

type Op = { type: string; which: number; ms: number };
const ops = (backwards: boolean): fc.Arbitrary<Op[]> => {
  const weights: [string, number][] = [
    ['acquire', 8],
    ['content', 4],
    ['succeed', 3],
    ['fail', 6],
    ['ignore', 2],
    ['advance', 6],
    ['back', backwards ? 2 : 0],
    ['isolate', 1],
    ['release', 1],
    ['reset', 1],
    ['serialise', 1],
  ];
  const type = fc.oneof(...weights.map(([name, weight]) => ({ weight, arbitrary: fc.constant(name) })));
  return fc.array(fc.record({ type, which: fc.nat(20), ms: fc.constantFrom(1, 5, 10, 20, 50, 100) }), {
    minLength: 1,
    maxLength: 120,
  });
};

function check(config: Config, list: readonly Op[]): void {
  const { minimumCalls, ...rest } = config;
  const options: CircuitBreakerConfig = { ...rest, ...(config.window && { minimumCalls }) };
  let real = new CircuitBreaker(options);
  const model = new Reference(config);
  let permits: Given[] = [];
  let stale: CircuitPermit[] = [];
  let releasers: (() => void)[] = [];
  const released = new Set<() => void>();
  let now = 1000;
  let ids = 0;

  const steps: Record<string, (op: Op) => void> = {
    acquire: () => {
      const refusedBefore = real.check(now);
      const answer = real.tryAcquire(now);
      model.tick(now);
      const free = model.state === 'closed' || (model.state === 'half_open' && model.places(now) > 0);
      expect(isRejected(answer)).toBe(model.isolated > 0 || !free);
      expect(isRejected(answer)).toBe(refusedBefore !== undefined);
      if (isRejected(answer)) {
        expect(answer.cause).toBe(model.lastError);
        if (model.isolated > 0) expect(answer.retryAfterMs).toBeUndefined();
        else expect(answer.retryAfterMs).toBeGreaterThan(0);
        return;
      }
      const id = ids++;
      if (model.state === 'half_open') model.probes.push({ id, at: now, content: false });
      permits.push({ id, epoch: model.epoch, isProbe: model.state === 'half_open', settled: false, real: answer });
    },
    content: ({ which }) => {
      const permit = permits[which % permits.length];
      if (!permit) return;
      permit.real.content(now);
      if (!permit.isProbe || permit.settled) return;
      if (config.probeVerdict === 'first') return model.settle(permit, false, undefined, now);
      model.tick(now);
      for (const probe of model.probes) probe.content ||= probe.id === permit.id;
    },
    succeed: ({ which }) => end(which, false),
    fail: ({ which }) => end(which, true),
    ignore: ({ which }) => end(which, undefined),
    advance: ({ ms }) => void (now += ms),
    back: ({ ms }) => void (now -= ms),
    isolate: () => {
      releasers.push(real.isolate(now));
      model.tick(now);
      model.isolated++;
    },
    release: ({ which }) => {
      const release = releasers[which % releasers.length];
      if (!release) return;
      (release as (now: number) => void)(now);
      model.tick(now);
      if (!released.has(release)) model.isolated--;
      released.add(release);
    },
    reset: () => {
      real.reset(now);
      model.enter('closed');
    },
    // Observationally equal for closed and open; half-open asks for an immediate probe. What runs is stale.
    serialise: () => {
      const json = JSON.stringify(real.toJSON(now));
      model.tick(now);
      if (model.state === 'half_open') model.successes = 0;
      model.probes = [];
      model.isolated = 0;
      model.lastError = undefined;
      stale = [...stale, ...permits.map((permit) => permit.real)].slice(-20);
      permits = [];
      releasers = [];
      real = CircuitBreaker.from(JSON.parse(json), options);
    },
  };
  function end(which: number, failed: boolean | undefined): void {
    const permit = permits[which % permits.length];
    if (!permit) {
      stale[which]?.fail('stale', now);
      return;
    }
    const error = new Error(String(permit.id));
    if (failed === undefined) permit.real.ignore(now);
    else if (failed) permit.real.fail(error, now);
    else permit.real.succeed(now);
    model.settle(permit, failed, error, now);
  }

  for (const op of list) {
    steps[op.type]!(op);
    // Reading, as often as one likes and also ahead of time, changes nothing.
    const snapshot = real.snapshot(now);
    real.snapshot(now + 1000);
    real.check(now + 1000);
    real.toJSON(now + 1000);
    expect(real.snapshot(now)).toEqual(snapshot);
    // What the reference would be now, without telling it.
    const then: Reference = Object.assign(new Reference(config), model);
    then.tick(now);
    expect(snapshot).toEqual({
      state: model.isolated > 0 ? 'isolated' : then.state,
      failureCount: then.failures,
      failureThreshold: config.failureThreshold,
      successCount: then.state === 'half_open' ? then.successes : 0,
      openUntil: then.state === 'open' ? then.until : null,
    });
    expect(real.lastError).toBe(model.lastError);
    const change = real.nextChangeAt(now);
    if (change !== undefined) {
      expect(change).toBeGreaterThan(now);
      expect(real.snapshot(change).state).not.toBe(config.cooldownMs ? snapshot.state : '');
    }
  }
}

describe('CircuitBreaker against its reference', () => {
  it('agrees after every step', () => {
    fc.assert(fc.property(configs, ops(false), check), { numRuns: 700 });
  });

  it('agrees after every step, also when the clock is put back', () => {
    fc.assert(fc.property(configs, ops(true), check), { numRuns: 700 });
  });

  it('never has more than halfOpenMaxProbes probes outstanding', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), ops(false), (halfOpenMaxProbes, list) => {
        const breaker = new CircuitBreaker({
          failureThreshold: 1,
          cooldownMs: 10,
          probeTimeoutMs: 1_000_000,
          halfOpenMaxProbes,
        });
        let probes: CircuitPermit[] = [];
        const others: CircuitPermit[] = [];
        let now = 0;
        for (const { type, which, ms } of list) {
          if (type === 'advance') now += ms;
          const { state } = breaker.snapshot(now);
          const answer = breaker.tryAcquire(now);
          if (!isRejected(answer)) (state === 'half_open' ? probes : others).push(answer);
          expect(probes.length).toBeLessThanOrEqual(halfOpenMaxProbes);
          const from = which % 3 ? probes : others;
          const [permit] = from.splice(which % (from.length || 1), 1);
          if (type === 'succeed') permit?.succeed(now);
          else if (type === 'fail') permit?.fail('x', now);
          else permit?.ignore(now);
          if (breaker.snapshot(now).state !== 'half_open') probes = [];
        }
      }),
      { numRuns: 500 },
    );
  });
});
