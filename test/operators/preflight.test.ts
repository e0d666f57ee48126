import { EMPTY, NEVER, of, take, throwError } from 'rxjs';
import {
  Backpressure,
  CircuitBreaker,
  limitConcurrency,
  preflight,
  PreflightChecker,
  PreflightError,
  ProviderError,
  RateLimiter,
  throttleTokens,
  type AdmissionParts,
  type ChatEvent,
  type CostOptions,
} from 'rx-weir';
import { describe, expect, it } from 'vitest';
import { marbles } from '../support/marbles';
import { Time } from '../support/time';
import { listen, Upstream } from '../support/upstream';

const BROKEN = new ProviderError('down', { httpStatus: 500 });

function setup() {
  const time = new Time();
  const clock = () => time.now();
  const circuitBreaker = new CircuitBreaker({ failureThreshold: 1, cooldownMs: 1000, clock });
  const rateLimiter = new RateLimiter({ requestsPerSecond: 1, burstSize: 3, tokensPerMinute: 1000, clock });
  const backpressure = new Backpressure({ maxInflight: 2 });
  const up = new Upstream();
  const guard = preflight<string>(
    { circuitBreaker, rateLimiter, backpressure },
    { scheduler: time, cost: { tokens: 100 } },
  );
  /** What would have to be given back. */
  const held = () => {
    const { remaining, tokensRemaining } = rateLimiter.snapshot();
    return [remaining, tokensRemaining, backpressure.inUse];
  };
  return { time, circuitBreaker, rateLimiter, backpressure, up, guard, guarded: up.stream.pipe(guard), held };
}

describe('all or nothing', () => {
  it('takes a request, its tokens and a slot', () => {
    const { guarded, held } = setup();
    listen(guarded);
    expect(held()).toEqual([2, 900, 1]);
  });

  it('takes nothing when there is no slot', () => {
    const { guarded, held, up } = setup();
    listen(guarded);
    listen(guarded);
    const { error } = listen(guarded);
    expect(error).toBeInstanceOf(PreflightError);
    expect(error).toMatchObject({ component: 'backpressure', code: 'E3002', retryable: false, fallbackable: true });
    expect(held()).toEqual([1, 800, 2]);
    expect(up.opened).toBe(2);
  });

  it('takes nothing when the bucket is empty', () => {
    const { guarded, held, rateLimiter, time } = setup();
    rateLimiter.take({ requests: 3, tokens: 0 });
    time.advance(400);
    const { error } = listen(guarded);
    expect(error).toMatchObject({ component: 'rateLimiter', code: 'E2001', retryAfterMs: 600 });
    expect(held()).toEqual([0.4, 1000, 0]);
  });

  it('takes no probe when there is no slot', () => {
    const { guarded, backpressure, circuitBreaker, guard, time, up } = setup();
    listen(throwError(() => BROKEN).pipe(guard));
    time.advance(1000);
    const slots = [backpressure.take(), backpressure.take()];
    expect(listen(guarded).error).toMatchObject({ component: 'backpressure' });
    for (const slot of slots) slot.release();
    expect(listen(guarded).error).toBeUndefined();
    up.last.next('a');
    expect(circuitBreaker.state).toBe('closed');
  });

  it('tells of everything that is in the way, the breaker first', () => {
    const { guarded, guard, rateLimiter, backpressure } = setup();
    listen(throwError(() => BROKEN).pipe(guard));
    rateLimiter.take({ requests: 2, tokens: 0 });
    backpressure.take();
    backpressure.take();
    const { error } = listen(guarded);
    expect(error).toMatchObject({ component: 'circuitBreaker', code: 'E3002', retryAfterMs: 1000 });
    expect((error as PreflightError).failures).toEqual([
      { component: 'circuitBreaker', retryAfterMs: 1000, reason: expect.stringContaining('open') },
      { component: 'rateLimiter', retryAfterMs: 1000, reason: expect.any(String) },
      { component: 'backpressure', retryAfterMs: undefined, reason: expect.any(String) },
    ]);
  });

  it('never waits', () => {
    const { guarded, time, backpressure, rateLimiter } = setup();
    for (let i = 0; i < 100; i++) listen(guarded);
    expect(time.delays).toEqual([]);
    expect(backpressure.queued + rateLimiter.queued).toBe(0);
  });

  it('does not overtake those who wait', () => {
    const { guarded, backpressure, rateLimiter, time, up } = setup();
    listen(of('x').pipe(throttleTokens<string>(rateLimiter, { scheduler: time, cost: { tokens: 800 } })));
    listen(up.stream.pipe(throttleTokens<string>(rateLimiter, { scheduler: time, cost: { tokens: 800 } })));
    expect(rateLimiter.queued).toBe(1); // 200 tokens are left, which would do for us
    expect(listen(guarded).error).toMatchObject({ component: 'rateLimiter' });
    expect(backpressure.inUse).toBe(0);
  });

  it('nor those whose turn it is just then', () => {
    const { backpressure, guarded, time, up } = setup();
    const wait = limitConcurrency<string>(backpressure, { scheduler: time });
    const [a] = [listen(up.stream.pipe(wait)), listen(up.stream.pipe(wait))];
    const refused: unknown[] = [];
    // Two wait. The first is synchronous, and at its end somebody comes who asks without waiting.
    listen(of('x').pipe(wait), () => refused.push(listen(guarded).error));
    const second = listen(up.stream.pipe(wait));
    a.leave();
    expect(refused).toEqual([expect.any(PreflightError)]);
    up.calls[2]!.next('served');
    expect(second.values).toEqual(['served']);
  });
});

describe('the end of a stream', () => {
  it('gives the slot back and the outcome to the breaker, before the terminal event', () => {
    const { guard, backpressure, circuitBreaker } = setup();
    const seen: unknown[] = [];
    const note = () => seen.push([backpressure.inUse, circuitBreaker.state]);
    listen(EMPTY.pipe(guard), note);
    listen(throwError(() => BROKEN).pipe(guard), note);
    expect(seen).toEqual([
      [0, 'closed'],
      [0, 'open'],
    ]);
  });

  it('settles the tokens, refunds who was cut, and pauses for a 429', () => {
    const { guard, held, rateLimiter, time } = setup();
    const chat = preflight<ChatEvent>({ rateLimiter }, { scheduler: time, cost: { tokens: 100 } });
    listen(of<ChatEvent>({ type: 'usage', inputTokens: 10, outputTokens: 20 }).pipe(chat));
    expect(held()[1]).toBe(970);
    listen(throwError(() => BROKEN).pipe(guard));
    expect(held()[1]).toBe(970);
    listen(throwError(() => new ProviderError('', { httpStatus: 429, retryAfterMs: 9000 })).pipe(chat));
    expect(rateLimiter.snapshot().throttledUntil).toBe(9000);
  });

  it('by its consumer is a success after content, and nothing before it', () => {
    const { guarded, circuitBreaker, backpressure, up, guard, time } = setup();
    listen(throwError(() => BROKEN).pipe(guard));
    time.advance(1000);
    listen(guarded).leave();
    expect(circuitBreaker.state).toBe('half_open');
    expect(backpressure.inUse).toBe(0);
    listen(guarded.pipe(take(1)));
    up.last.next('a');
    expect(circuitBreaker.state).toBe('closed');
    expect(up).toMatchObject({ open: 0, closed: 2 });
    expect(backpressure.inUse).toBe(0);
  });
});

describe('as an operator', () => {
  it('takes a PreflightChecker', () => {
    const checker = new PreflightChecker({ backpressure: 1 });
    const up = new Upstream();
    const guarded = up.stream.pipe(preflight(checker));
    listen(guarded);
    expect(checker.check()).toMatchObject({ passed: false });
    expect(listen(guarded).error).toBeInstanceOf(PreflightError);
    up.last.complete();
    expect(checker.check()).toEqual({ passed: true, failures: [] });
  });

  it('makes parts of plain options, shared by its subscriptions, on the clock of its scheduler', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('a|');
      const guarded = source.pipe(preflight({ rateLimiter: { requestsPerSecond: 100, burstSize: 1 } }));
      const refused = new PreflightError([
        { component: 'rateLimiter', retryAfterMs: 10, reason: 'the rate limit is exhausted' },
      ]);
      expectObservable(guarded).toBe('a|');
      expectObservable(guarded).toBe('#', undefined, refused);
      expectObservable(guarded, '10ms ^').toBe('10ms a|');
      expectSubscriptions(source.subscriptions).toBe(['^!', '10ms ^!']);
    });
  });

  it('lets everything through without parts', () => {
    expect(listen(of('a').pipe(preflight({})))).toMatchObject({ values: ['a'], end: 'complete' });
  });

  it('takes the cost from the parts, the last argument wins', () => {
    const { rateLimiter, time, held } = setup();
    listen(NEVER.pipe(preflight({ rateLimiter, cost: { tokens: 5 }, scheduler: time })));
    expect(held()).toEqual([2, 995, 0]);
    listen(NEVER.pipe(preflight({ rateLimiter, cost: { tokens: 5 } }, { cost: { tokens: 7 }, scheduler: time })));
    expect(held()).toEqual([1, 988, 0]);
  });

  it.each<[unknown, unknown, RegExp]>([
    [{ circuitBreaker: { failureThreshold: 0 } }, {}, /failureThreshold.*0/],
    [{ circuitBreaker: null }, {}, /circuitBreaker.*null/],
    [{ rateLimiter: 7 }, {}, /rateLimiter.*7/],
    [{ backpressure: 'x' }, {}, /backpressure.*'x'/],
    [{ rateLimiter: { requestsPerSecond: 1 } }, { cost: { tokens: NaN } }, /tokens.*NaN/],
    [{}, { usage: 1 }, /usage.*1/],
    [null, {}, /null/],
    [7, {}, /7/],
  ])('refuses %j, %j at the call', (parts, options, message) => {
    expect(() => preflight(parts as AdmissionParts, options as CostOptions)).toThrow(message);
  });
});
