import {
  Backpressure,
  CircuitBreaker,
  isRejected,
  PreflightChecker,
  PreflightError,
  ProviderError,
  RateLimiter,
  type AdmissionParts,
  type AdmissionPermit,
  type Cost,
} from 'rx-weir';
import { describe, expect, it } from 'vitest';

const BROKEN = new ProviderError('down', { httpStatus: 500 });

function setup() {
  let now = 0;
  const clock = () => now;
  const circuitBreaker = new CircuitBreaker({ failureThreshold: 1, cooldownMs: 1000, clock });
  const rateLimiter = new RateLimiter({
    requestsPerSecond: 2,
    burstSize: 2,
    tokensPerMinute: 6000,
    tokenBurst: 100,
    clock,
  });
  const backpressure = new Backpressure({ maxInflight: 1 });
  const checker = new PreflightChecker({ circuitBreaker, rateLimiter, backpressure, clock });
  const admit = (cost?: Cost): AdmissionPermit => {
    const permit = checker.tryAdmit(cost);
    if (isRejected(permit)) throw permit;
    return permit;
  };
  const state = () => {
    const { remaining, tokensRemaining } = rateLimiter.snapshot();
    return { circuit: circuitBreaker.state, slots: backpressure.inUse, requests: remaining, tokens: tokensRemaining };
  };
  return { checker, circuitBreaker, rateLimiter, backpressure, admit, state, pass: (ms: number) => void (now += ms) };
}
const FRESH = { circuit: 'closed', slots: 0, requests: 2, tokens: 100 };

describe('check', () => {
  it('passes, and takes nothing', () => {
    const { checker, state } = setup();
    for (let i = 0; i < 10; i++) expect(checker.check({ tokens: 100 })).toEqual({ passed: true, failures: [] });
    expect(state()).toEqual(FRESH);
  });

  it('reports all that is in the way, and changes nothing', () => {
    const { checker, admit, state, circuitBreaker } = setup();
    admit({ requests: 2, tokens: 100 });
    circuitBreaker.isolate();
    const before = state();
    expect(checker.check({ tokens: 10 })).toEqual({
      passed: false,
      failures: [
        { component: 'circuitBreaker', retryAfterMs: undefined, reason: expect.any(String) },
        { component: 'rateLimiter', retryAfterMs: 500, reason: expect.any(String) },
        { component: 'backpressure', retryAfterMs: undefined, reason: expect.any(String) },
      ],
    });
    expect(state()).toEqual(before);
  });

  it('passes again after the cooldown, without any call in between', () => {
    const { checker, admit, pass } = setup();
    admit().fail(BROKEN);
    expect(checker.check().failures).toMatchObject([{ component: 'circuitBreaker', retryAfterMs: 1000 }]);
    pass(1000);
    expect(checker.check().passed).toBe(true);
  });

  it('passes what has no limits', () => {
    expect(new PreflightChecker({ rateLimiter: {} }).check({ requests: 1e9, tokens: 1e9 }).passed).toBe(true);
    expect(new PreflightChecker({}).check().passed).toBe(true);
  });

  it('never passes a cost above the capacity', () => {
    const { checker } = setup();
    expect(checker.check({ tokens: 101 }).failures).toMatchObject([
      { component: 'rateLimiter', retryAfterMs: undefined },
    ]);
  });

  it('is at the `now` that it is given', () => {
    const { checker, admit } = setup();
    admit({ requests: 2 }).succeed();
    expect(checker.check({}, 499).passed).toBe(false);
    expect(checker.check({}, 500).passed).toBe(true);
  });
});

describe('tryAdmit', () => {
  it('takes everything at once', () => {
    const { admit, state } = setup();
    admit({ requests: 1, tokens: 30 });
    expect(state()).toEqual({ circuit: 'closed', slots: 1, requests: 1, tokens: 70 });
  });

  it.each<[string, (context: ReturnType<typeof setup>) => void]>([
    ['circuitBreaker', ({ circuitBreaker }) => void circuitBreaker.isolate()],
    ['rateLimiter', ({ rateLimiter }) => void rateLimiter.take({ requests: 2, tokens: 0 })],
    ['backpressure', ({ backpressure }) => void backpressure.take()],
  ])('takes nothing where the %s refuses', (component, block) => {
    const context = setup();
    block(context);
    const before = context.state();
    const error = context.checker.tryAdmit();
    expect(error).toBeInstanceOf(PreflightError);
    expect(error).toMatchObject({ component, code: component === 'rateLimiter' ? 'E2001' : 'E3002' });
    expect(context.state()).toEqual(before);
  });

  it('takes one probe for halfOpenMaxProbes', () => {
    const { checker, admit, pass } = setup();
    admit().fail(BROKEN);
    pass(1000);
    admit();
    expect(checker.tryAdmit()).toMatchObject({ component: 'circuitBreaker' });
  });

  it.each([{ tokens: NaN }, { tokens: -1 }, { requests: Infinity }, { requests: '1' }])(
    'refuses the cost %j',
    (cost) => {
      const { checker, state } = setup();
      expect(() => checker.tryAdmit(cost as Cost)).toThrow(/tokens|requests/);
      expect(() => checker.check(cost as Cost)).toThrow(/tokens|requests/);
      expect(state()).toEqual(FRESH);
    },
  );
});

describe('a permit', () => {
  it.each<[string, (permit: AdmissionPermit) => unknown, string]>([
    ['succeed', (permit) => permit.succeed(), 'closed'],
    ['fail', (permit) => permit.fail(BROKEN), 'open'],
    ['fail, uncounted', (permit) => permit.fail(new ProviderError('', { httpStatus: 400 })), 'closed'],
    ['ignore', (permit) => permit.ignore(), 'closed'],
    ['release', (permit) => permit.release(), 'closed'],
  ])('gives its slot back once: %s', (_name, end, circuit) => {
    const { admit, state, backpressure } = setup();
    const permit = admit();
    end(permit);
    expect(state()).toEqual({ ...FRESH, circuit, requests: 1 });
    backpressure.take(); // another's
    for (const again of [
      () => permit.succeed(),
      () => permit.fail(BROKEN),
      () => permit.ignore(),
      () => permit.release(),
    ])
      again();
    expect(state()).toMatchObject({ circuit, slots: 1 });
  });

  it('decides once: the first counts', () => {
    const { admit, circuitBreaker } = setup();
    const permit = admit();
    permit.succeed();
    expect(permit.fail(BROKEN)).toBeUndefined();
    expect(circuitBreaker.state).toBe('closed');
  });

  it('says whether a failure counted', () => {
    expect(setup().admit().fail(BROKEN)).toBe(true);
    expect(
      setup()
        .admit()
        .fail(new ProviderError('', { httpStatus: 404 })),
    ).toBe(false);
    const alone = new PreflightChecker({}).tryAdmit() as AdmissionPermit;
    expect(alone.fail(BROKEN)).toBeUndefined();
  });

  it('of a probe succeeds with the first content', () => {
    const { admit, circuitBreaker, pass } = setup();
    admit().fail(BROKEN);
    pass(1000);
    admit().content();
    expect(circuitBreaker.state).toBe('closed');
  });

  it('settles its tokens; the last report wins, also one after the end', () => {
    const { admit, state } = setup();
    const permit = admit({ tokens: 50 });
    permit.settle(80);
    expect(state().tokens).toBe(20);
    permit.settle(10);
    expect(state().tokens).toBe(90);
    permit.succeed();
    permit.settle(150);
    expect(state().tokens).toBe(-50);
    for (const nonsense of [NaN, -1, Infinity]) permit.settle(nonsense);
    expect(state().tokens).toBe(-50);
  });

  it('pauses the bucket for a 429 that says how long, before the slot is free', () => {
    const { admit, backpressure, rateLimiter } = setup();
    const seen: unknown[] = [];
    const permit = admit();
    backpressure.watch(() => seen.push(rateLimiter.snapshot().throttledUntil));
    permit.fail(new ProviderError('', { httpStatus: 429, retryAfterMs: 7000 }));
    expect(seen).toEqual([7000]);
  });

  it('tells the breaker before the slot is free', () => {
    const { admit, backpressure, circuitBreaker } = setup();
    const seen: unknown[] = [];
    const permit = admit();
    backpressure.watch(() => seen.push(circuitBreaker.state));
    permit.fail(BROKEN);
    expect(seen).toEqual(['open']);
  });

  it('holds nothing where isFailure throws', () => {
    const mistake = new Error('in isFailure');
    const backpressure = new Backpressure({ maxInflight: 1 });
    const checker = new PreflightChecker({
      backpressure,
      circuitBreaker: {
        isFailure: () => {
          throw mistake;
        },
      },
    });
    const permit = checker.tryAdmit() as AdmissionPermit;
    expect(() => permit.fail(BROKEN)).toThrow(mistake);
    expect(backpressure.inUse).toBe(0);
    expect(checker.circuitBreaker!.snapshot()).toMatchObject({ state: 'closed', failureCount: 0 });
  });
});

describe('its parts', () => {
  it('are instances, shared, or made of options on its clock', () => {
    const breaker = new CircuitBreaker();
    const checker = new PreflightChecker({
      circuitBreaker: breaker,
      rateLimiter: { requestsPerSecond: 1 },
      backpressure: 3,
      clock: () => 5000,
    });
    expect(checker.circuitBreaker).toBe(breaker);
    expect(checker.rateLimiter!.config.clock()).toBe(5000);
    expect(checker.backpressure!.config.maxInflight).toBe(3);
  });

  it.each<[unknown, RegExp]>([
    [null, /null/],
    [7, /7/],
    [{ circuitBreaker: null }, /circuitBreaker.*null/],
    [{ circuitBreaker: 'x' }, /circuitBreaker.*'x'/],
    [{ rateLimiter: 0 }, /rateLimiter.*0/],
    [{ rateLimiter: { requestsPerSecond: NaN } }, /requestsPerSecond.*NaN/],
    [{ backpressure: null }, /backpressure.*null/],
    [{ backpressure: 0 }, /maxInflight.*0/],
  ])('refuses %j', (parts, message) => {
    expect(() => new PreflightChecker(parts as AdmissionParts)).toThrow(message);
  });
});
