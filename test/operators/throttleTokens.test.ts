import { concat, EMPTY, from, NEVER, Observable, of, take, throwError } from 'rxjs';
import {
  Backpressure,
  ProviderError,
  RateLimiter,
  RateLimitExceededError,
  resilient,
  throttleTokens,
  type ChatEvent,
  type CostOptions,
  type RateLimiterConfig,
} from 'rx-weir';
import { describe, expect, it, vi } from 'vitest';
import { marbles } from '../support/marbles';
import { Time } from '../support/time';
import { listen, Upstream } from '../support/upstream';

function setup(config: RateLimiterConfig = {}) {
  const time = new Time();
  const limiter = new RateLimiter({ clock: () => time.now(), ...config });
  const up = new Upstream();
  const starts: [string, number][] = [];
  /** A stream that notes when it is opened, and stays open. */
  const named = (name: string, options: CostOptions = {}) =>
    new Observable<string>((subscriber) => {
      starts.push([name, time.now()]);
      return up.stream.subscribe(subscriber);
    }).pipe(throttleTokens<string>(limiter, { scheduler: time, ...options }));
  const tokens = (n: number): CostOptions => ({ cost: { tokens: n } });
  return { time, limiter, up, starts, named, tokens };
}

describe('waiting', () => {
  it('starts streams in order, at the exact times of the rate', () => {
    const { time, starts, named } = setup({ requestsPerSecond: 2, burstSize: 3 });
    for (let i = 0; i < 7; i++) listen(named(`s${i}`));
    time.advance(10_000);
    expect(starts).toEqual([
      ['s0', 0],
      ['s1', 0],
      ['s2', 0],
      ['s3', 500],
      ['s4', 1000],
      ['s5', 1500],
      ['s6', 2000],
    ]);
    expect(time.timers).toBe(0);
  });

  it('is never early where the rate is no whole number of milliseconds', () => {
    const { time, starts, named } = setup({ requestsPerSecond: 3, burstSize: 1 });
    for (let i = 0; i < 7; i++) listen(named(''));
    time.advance(10_000);
    for (const [i, [, at]] of starts.entries()) {
      expect(at).toBeGreaterThanOrEqual((i * 1000) / 3);
      expect(at).toBeLessThanOrEqual(i * 334); // timers know whole milliseconds only
    }
    expect(starts).toHaveLength(7);
  });

  it('subscribes to the source only then', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('a|');
      const result = source.pipe(throttleTokens({ requestsPerSecond: 100, burstSize: 1 }));
      expectObservable(result).toBe('a|');
      expectObservable(result).toBe('10ms a|');
      expectObservable(result, '---!').toBe('-');
      expectObservable(result).toBe('20ms a|');
      expectSubscriptions(source.subscriptions).toBe(['^!', '10ms ^!', '20ms ^!']);
    });
  });

  it('takes tokens and requests together, or neither', () => {
    const { time, limiter, starts, named, tokens } = setup({
      requestsPerSecond: 1,
      tokensPerMinute: 60_000,
      tokenBurst: 1000,
    });
    listen(named('a', tokens(1000)));
    listen(named('b', tokens(1000))); // has a request after 1 s, and its tokens too
    listen(named('c', tokens(500))); // has its tokens 0.5 s later, its request 1 s later
    expect(limiter.snapshot()).toMatchObject({ remaining: 0, tokensRemaining: 0, queued: 2 });
    time.advance(500);
    expect(limiter.snapshot()).toMatchObject({ remaining: 0.5, tokensRemaining: 500 });
    time.advance(9500);
    expect(starts).toEqual([
      ['a', 0],
      ['b', 1000],
      ['c', 2000],
    ]);
  });

  it('lets no small stream overtake a big one', () => {
    const { time, starts, named, tokens } = setup({ tokensPerMinute: 60_000, tokenBurst: 1000 });
    listen(named('first', tokens(600)));
    listen(named('big', tokens(1000)));
    listen(named('small', tokens(1)));
    expect(starts).toEqual([['first', 0]]);
    time.advance(10_000);
    expect(starts).toEqual([
      ['first', 0],
      ['big', 600],
      ['small', 601],
    ]);
  });

  it('lets nobody overtake who comes just when the turn of another has come', () => {
    const { time, starts, named } = setup({ requestsPerSecond: 1 });
    // Set before the limiter's own timer, so it comes first of those due at 1000; a busy event loop does the same.
    time.schedule(() => listen(named('newcomer')), 1000);
    listen(named('first'));
    listen(named('waiting'));
    time.advance(5000);
    expect(starts).toEqual([
      ['first', 0],
      ['waiting', 1000],
      ['newcomer', 2000],
    ]);
  });

  it('nor through another operator on the same limiter', () => {
    const { time, limiter, starts, named, tokens } = setup({ tokensPerMinute: 60_000, tokenBurst: 1000 });
    listen(named('first', tokens(1000)));
    listen(named('big', tokens(1000)));
    const other = throttleTokens<string>(limiter, { scheduler: time, cost: { tokens: 1 } });
    time.schedule(() => listen(of('x').pipe(other), () => starts.push(['other', time.now()])), 500);
    time.advance(5000);
    expect(starts).toEqual([
      ['first', 0],
      ['big', 1000],
      ['other', 1001],
    ]);
  });

  it('sets one timer per limiter, whatever is queued', () => {
    const { time, named, limiter } = setup({ requestsPerSecond: 10, burstSize: 1 });
    for (let i = 0; i < 1000; i++) listen(named(`${i}`));
    expect(limiter.queued).toBe(999);
    expect(time.timers).toBe(1);
    expect(time.delays).toEqual([100]);
    time.advance(5000);
    expect(time.timers).toBe(1);
    expect(time.delays).toHaveLength(51);
  });

  it('sets one timer for a bucket in front of which several operators wait', () => {
    const { time, named, limiter, up } = setup({ requestsPerSecond: 10, burstSize: 1 });
    const slots = new Backpressure({ maxInflight: 99 });
    const other = resilient<string>({ rateLimiter: limiter, backpressure: slots }, { scheduler: time });
    for (let i = 0; i < 5; i++) {
      listen(named(`${i}`));
      listen(up.stream.pipe(other));
    }
    for (let i = 1; i < 10; i++) {
      expect(up.opened).toBe(i);
      expect(time.timers).toBe(1);
      time.advance(100);
    }
    expect(time.timers).toBe(0);
  });

  it('starts all whose time has come, when the timer is late', () => {
    const { time, starts, named } = setup({ requestsPerSecond: 10, burstSize: 5 });
    for (let i = 0; i < 12; i++) listen(named(`${i}`));
    expect(starts).toHaveLength(5);
    time.jump(350); // a blocked event loop
    time.advance(100);
    expect(starts).toHaveLength(9);
    time.advance(1000);
    expect(starts).toHaveLength(12);
  });

  it('takes nothing for who leaves before', () => {
    const { time, limiter, starts, named, up } = setup({ requestsPerSecond: 1 });
    listen(named('a'));
    const b = listen(named('b'));
    listen(named('c'));
    b.leave();
    expect(limiter.queued).toBe(1);
    time.advance(5000);
    expect(starts).toEqual([
      ['a', 0],
      ['c', 1000],
    ]);
    expect(limiter.snapshot().remaining).toBe(1);
    expect(up.opened).toBe(2);
  });

  it('sets no timer for nobody', () => {
    const { time, named, limiter } = setup({ requestsPerSecond: 1 });
    const waiting = Array.from({ length: 5 }, (_, i) => listen(named(`${i}`)));
    for (const one of waiting) one.leave();
    expect(time.timers).toBe(0);
    expect(limiter).toMatchObject({ queued: 0 });
    expect(limiter.lines.size).toBe(0);
  });

  it('lets those behind go at once when a big one in front leaves', () => {
    const { time, starts, named, tokens } = setup({ tokensPerMinute: 60_000, tokenBurst: 1000 });
    listen(named('first', tokens(500)));
    const big = listen(named('big', tokens(1000)));
    listen(named('small', tokens(100)));
    listen(named('small too', tokens(400)));
    time.advance(10);
    big.leave();
    expect(starts).toEqual([
      ['first', 0],
      ['small', 10],
      ['small too', 10],
    ]);
    expect(time.timers).toBe(0);
  });

  it('survives a hundred thousand who leave, and starts the rest in order', () => {
    const { time, starts, named, limiter } = setup({ requestsPerSecond: 1000, burstSize: 1 });
    const all = Array.from({ length: 100_000 }, (_, i) => named(`${i}`).subscribe());
    for (const [i, one] of all.entries()) if (i % 25_000 !== 0) one.unsubscribe();
    expect(limiter.queued).toBe(3);
    time.advance(100);
    expect(starts.map(([name]) => name)).toEqual(['0', '25000', '50000', '75000']);
    expect(time.timers).toBe(0);
  }, 60_000);

  it('drains a hundred thousand synchronous streams on a flat stack', () => {
    const time = new Time();
    const limiter = new RateLimiter({ tokensPerMinute: 1_000_000, clock: () => time.now() });
    const guard = throttleTokens<number>(limiter, { scheduler: time, cost: { tokens: 1 } });
    listen(EMPTY.pipe(throttleTokens<never>(limiter, { scheduler: time, cost: { tokens: 1_000_000 } })));
    let done = 0;
    for (let i = 0; i < 100_000; i++)
      of(i)
        .pipe(guard)
        .subscribe({ complete: () => done++ });
    expect(done).toBe(0);
    time.advance(60_000);
    expect(done).toBe(100_000);
    expect(limiter.lines.size).toBe(0);
  }, 60_000);

  it.each([
    ['leaves', (others: { leave(): void }[]) => others[0]!.leave()],
    ['makes all others leave', (others: { leave(): void }[]) => others.forEach((other) => other.leave())],
  ])('goes on where a stream, once started, %s', (_name, act) => {
    const { time, limiter, up, named } = setup({ requestsPerSecond: 1 });
    listen(named('busy'));
    const others: { leave(): void }[] = [];
    listen(new Observable(() => act(others)).pipe(throttleTokens(limiter, { scheduler: time })));
    for (let i = 0; i < 3; i++) others.push(listen(named(`${i}`)));
    time.advance(60_000);
    expect(limiter).toMatchObject({ queued: 0 });
    expect(time.timers).toBe(0);
    expect(up.opened).toBe(1 + (_name === 'leaves' ? 2 : 0));
  });
});

describe('refusals', () => {
  it('says at once that a cost is above the capacity', () => {
    const { limiter, up, named, tokens } = setup({ requestsPerSecond: 5, tokensPerMinute: 1000 });
    for (const cost of [tokens(1001), { cost: { requests: 6 } }, { cost: { requests: 6, tokens: 5000 } }]) {
      const { error } = listen(named('never', cost));
      expect(error).toBeInstanceOf(RateLimitExceededError);
      expect(error).toMatchObject({ code: 'E2001', retryable: false, fallbackable: true });
      expect((error as RateLimitExceededError).retryAfterMs).toBeUndefined();
    }
    expect(up.opened).toBe(0);
    expect(limiter.snapshot()).toMatchObject({ remaining: 5, tokensRemaining: 1000, queued: 0 });
  });

  it('does not let such a cost block the queue', () => {
    const { time, starts, named, tokens } = setup({ tokensPerMinute: 60_000, tokenBurst: 10 });
    listen(named('a', tokens(10)));
    expect(listen(named('too big', tokens(50))).end).toBe('error');
    listen(named('b', tokens(10)));
    expect(listen(named('too big, behind b', tokens(50))).end).toBe('error');
    time.advance(1000);
    expect(starts.map(([name]) => name)).toEqual(['a', 'b']);
  });

  it('does not wait longer than maxWaitMs, and knows that at once', () => {
    const { time, limiter, starts, named } = setup({ requestsPerSecond: 1, maxWaitMs: 2500 });
    for (let i = 0; i < 3; i++) listen(named(`s${i}`));
    const { error } = listen(named('too late'));
    expect(error).toBeInstanceOf(RateLimitExceededError);
    expect(error).toMatchObject({ retryAfterMs: 3000, message: expect.stringMatching(/maxWaitMs 2500/) });
    expect(limiter.queued).toBe(2);
    time.advance(10_000);
    expect(starts.map(([name]) => name)).toEqual(['s0', 's1', 's2']);
    expect(time.timers).toBe(0);
  });

  it('with maxWaitMs 0 never waits', () => {
    const { time, named, up } = setup({ requestsPerSecond: 1, maxWaitMs: 0 });
    listen(named('a'));
    expect(listen(named('b')).error).toBeInstanceOf(RateLimitExceededError);
    time.advance(1000);
    expect(listen(named('c')).error).toBeUndefined();
    expect(up.opened).toBe(2);
  });

  it('refuses whom a pause would keep waiting beyond maxWaitMs as soon as that is known', () => {
    const { time, limiter, named, up } = setup({ requestsPerSecond: 1, maxWaitMs: 2500 });
    const ends: number[] = [];
    for (let i = 0; i < 3; i++) listen(named(`${i}`), ({ error }) => error && ends.push(time.now()));
    time.advance(500);
    limiter.observe({ retryAfterMs: 60_000 }, time.now());
    time.advance(60_000);
    expect(ends).toEqual([500, 500]);
    expect(up.opened).toBe(1);
    expect(time.timers).toBe(0);
  });

  it('refuses one more than maxQueue', () => {
    const { time, named, starts } = setup({ requestsPerSecond: 1, maxQueue: 2 });
    for (let i = 0; i < 3; i++) listen(named(`s${i}`));
    const { error } = listen(named('too many'));
    expect(error).toBeInstanceOf(RateLimitExceededError);
    expect(error).toMatchObject({ message: expect.stringMatching(/maxQueue 2/) });
    time.advance(1000);
    listen(named('fits'));
    time.advance(10_000);
    expect(starts.map(([name]) => name)).toEqual(['s0', 's1', 's2', 'fits']);
  });

  it('are what comes out of a cost that throws or is none, and nothing is taken', () => {
    const { named, limiter, up } = setup({ requestsPerSecond: 1, tokensPerMinute: 10 });
    const mistake = new Error('in cost');
    const cost = (value: unknown) => ({ cost: () => value as { tokens: number } });
    const thrower = () => {
      throw mistake;
    };
    expect(listen(named('', { cost: thrower })).error).toBe(mistake);
    expect(listen(named('', cost({ tokens: NaN }))).error).toMatchObject({
      message: expect.stringMatching(/tokens.*NaN/),
    });
    expect(listen(named('', cost({ tokens: -1 }))).error).toBeInstanceOf(RangeError);
    expect(listen(named('', cost({ requests: '2' }))).error).toBeInstanceOf(TypeError);
    expect(up.opened).toBe(0);
    expect(limiter.snapshot()).toMatchObject({ remaining: 1, tokensRemaining: 10 });
  });
});

describe('settling', () => {
  const text = (n: number): ChatEvent => ({ type: 'text', text: 'x'.repeat(n) });
  const usage = (inputTokens: number, outputTokens: number): ChatEvent => ({
    type: 'usage',
    inputTokens,
    outputTokens,
  });
  const chat = (...events: ChatEvent[]) => from(events);
  const broken = throwError(() => new ProviderError('cut', { httpStatus: 500 }));

  // Each stream is estimated at 300 of 1000 tokens.
  it.each<[string, Observable<ChatEvent>, number]>([
    ['a report below the estimate', chat(text(4), usage(100, 50)), 850],
    ['a report above it', chat(text(4), usage(300, 450)), 250],
    ['a report above the capacity: debt', chat(text(4), usage(1000, 500)), -500],
    ['the last of several reports', chat(usage(100, 1), text(4), usage(100, 100)), 800],
    ['no report', chat(text(400)), 700],
    ['no report, but more text than estimated', chat(text(1400), text(600)), 500],
    [
      'no report when it is cut: its text, 4 characters a token',
      concat(chat(text(201), text(200)), broken),
      1000 - 101,
    ],
    ['no report when the consumer leaves: the same', concat(chat(text(400)), NEVER), 900],
    ['nothing before it failed', broken, 1000],
    ['a report, and text behind it when it is cut', concat(chat(usage(200, 1), text(400)), broken), 1000 - 301],
    ['a nonsense report', chat(text(4), usage(NaN, 1)), 700],
  ])('counts %s', (_name, source, left) => {
    const time = new Time();
    const limiter = new RateLimiter({ tokensPerMinute: 1000, clock: () => time.now() });
    const heard = listen(source.pipe(throttleTokens<ChatEvent>(limiter, { scheduler: time, cost: { tokens: 300 } })));
    heard.leave();
    expect(limiter.snapshot().tokensRemaining).toBe(left);
  });

  it('takes the estimate while the stream runs', () => {
    const { limiter, named, tokens, up } = setup({ tokensPerMinute: 1000 });
    const heard = listen(named('a', tokens(300)));
    up.last.next('x'.repeat(4000));
    expect(limiter.snapshot().tokensRemaining).toBe(700);
    heard.leave();
    expect(limiter.snapshot().tokensRemaining).toBe(0);
  });

  it("takes the user's usage, the last of it", () => {
    const { limiter, named, up } = setup({ tokensPerMinute: 1000 });
    const usage = (value: unknown): number | undefined => (value === 'n' ? undefined : Number(value));
    const heard = listen(named('a', { cost: { tokens: 300 }, usage }));
    for (const value of ['100', 'n', '250', 'n']) up.last.next(value);
    up.last.complete();
    expect(heard.end).toBe('complete');
    expect(limiter.snapshot().tokensRemaining).toBe(750);
  });

  it('does it before the terminal event', () => {
    const { limiter, named, tokens, up } = setup({ tokensPerMinute: 1000 });
    const left: unknown[] = [];
    const note = () => left.push(limiter.snapshot().tokensRemaining);
    listen(named('a', tokens(300)), note);
    up.last.error(new Error('cut'));
    listen(named('b', { ...tokens(300), usage: () => 100 }), note);
    up.last.next('all');
    up.last.complete();
    expect(left).toEqual([1000, 900]);
  });

  it('starts those who waited for what comes back', () => {
    const { named, tokens, up, starts, time } = setup({ tokensPerMinute: 1000 });
    listen(named('a', tokens(1000)));
    listen(named('b', tokens(900)));
    up.last.error(new Error('dead at once'));
    expect(starts).toEqual([
      ['a', 0],
      ['b', 0],
    ]);
    expect(time.timers).toBe(0);
  });

  it('makes others wait for a debt', () => {
    const { named, tokens, up, starts, time } = setup({ tokensPerMinute: 60_000, tokenBurst: 1000 });
    listen(named('a', { ...tokens(0), usage: () => 3000 }));
    up.last.next('much');
    up.last.complete();
    listen(named('b', tokens(0)));
    listen(named('c', tokens(10)));
    time.advance(10_000);
    expect(starts).toEqual([
      ['a', 0],
      ['b', 2000],
      ['c', 2010],
    ]);
  });

  it('ends the stream with what usage throws, and counts what was seen', () => {
    const { limiter, named, up } = setup({ tokensPerMinute: 1000 });
    const mistake = new Error('in usage');
    const usage = (value: unknown): number | undefined => {
      if (value === 'bad') throw mistake;
      return 70;
    };
    const heard = listen(named('a', { cost: { tokens: 300 }, usage }));
    up.last.next('good');
    up.last.next('bad');
    expect(heard).toMatchObject({ values: ['good'], error: mistake });
    expect(up.open).toBe(0);
    expect(limiter.snapshot().tokensRemaining).toBe(930);
  });

  it('asks for no text where tokens are not limited', () => {
    const textOf = vi.fn(String);
    const guard = throttleTokens<string>({ requestsPerSecond: 1 }, { textOf });
    listen(of('a', 'b').pipe(guard));
    expect(textOf).not.toHaveBeenCalled();
  });
});

describe('what the provider says', () => {
  const limited = (retryAfterMs?: number): ProviderError => new ProviderError('429', { httpStatus: 429, retryAfterMs });

  it('in a chat start event lowers the balance', () => {
    const time = new Time();
    const limiter = new RateLimiter({ requestsPerSecond: 10, tokensPerMinute: 1000, clock: () => 123_456_789 });
    const rateLimit = { remainingRequests: 2, remainingTokens: 40 };
    const start: ChatEvent = { type: 'start', provider: 'p', model: 'm', rateLimit };
    const observe = vi.spyOn(limiter, 'observe');
    listen(of(start).pipe(throttleTokens<ChatEvent>(limiter, { scheduler: time })));
    expect(limiter.snapshot(time.now())).toMatchObject({ remaining: 2, tokensRemaining: 40 });
    // At the scheduler's time, not the limiter's own.
    expect(observe).toHaveBeenCalledExactlyOnceWith(rateLimit, time.now());
  });

  it('in a chat start event pauses everybody', () => {
    const { limiter, named, starts, time } = setup({ requestsPerSecond: 10 });
    const start: ChatEvent = {
      type: 'start',
      provider: 'p',
      model: 'm',
      rateLimit: { remainingRequests: 0, resetMs: 3000 },
    };
    listen(of(start).pipe(throttleTokens<ChatEvent>(limiter, { scheduler: time })));
    listen(named('next'));
    time.advance(10_000);
    expect(starts).toEqual([['next', 3000]]);
  });

  it('in a 429 with Retry-After pauses the bucket for everybody', () => {
    const { named, starts, time, limiter, up } = setup({ requestsPerSecond: 10, burstSize: 2 });
    const first = listen(named('first'));
    listen(named('second'));
    listen(named('queued'));
    up.calls[0]!.error(limited(5000));
    expect(first.error).toMatchObject({ code: 'E2001', retryAfterMs: 5000 });
    expect(limiter.snapshot().throttledUntil).toBe(5000);
    listen(named('newcomer'));
    time.advance(10_000);
    expect(starts.slice(2)).toEqual([
      ['queued', 5000],
      ['newcomer', 5000],
    ]);
  });

  it("in a 429 of an SDK's own error class too, before the error is forwarded", () => {
    const { named, limiter, up } = setup({ requestsPerSecond: 10 });
    const raw = Object.assign(new Error('429'), { status: 429, headers: { 'retry-after': '7' } });
    let until: unknown;
    listen(named('a'), () => (until = limiter.snapshot().throttledUntil));
    up.last.error(raw);
    expect(until).toBe(7000);
  });

  it.each([
    ['a 429 that says no time', limited()],
    ['a 503, which is no rate limit', new ProviderError('503', { httpStatus: 503, retryAfterMs: 5000 })],
    ['a refusal of the library', new RateLimitExceededError('', { retryAfterMs: 5000 })],
  ])('is nothing: %s', (_name, error) => {
    const { named, limiter, up } = setup({ requestsPerSecond: 10 });
    listen(named('a'));
    up.last.error(error);
    expect(limiter.snapshot()).toMatchObject({ remaining: 9, throttledUntil: null });
  });

  it('is not heeded without adaptive', () => {
    const { named, limiter, up } = setup({ requestsPerSecond: 10, adaptive: false });
    listen(named('a'));
    up.last.error(limited(5000));
    expect(limiter.snapshot().throttledUntil).toBeNull();
  });

  it('does not let those start who wait for what the failed stream gives back', () => {
    const { named, tokens, starts, time, up } = setup({ tokensPerMinute: 60_000, tokenBurst: 1000 });
    listen(named('first', tokens(1000)));
    listen(named('queued', tokens(1000)));
    up.last.error(limited(5000));
    time.advance(10_000);
    expect(starts[1]).toEqual(['queued', 5000]);
  });

  it.each([1e12, Number.MAX_SAFE_INTEGER, Number.MAX_VALUE])('fails fast instead of waiting %d ms', (retryAfterMs) => {
    const { named, time, up, limiter } = setup({ requestsPerSecond: 1 });
    listen(named('a'));
    const queued = listen(named('queued'));
    up.last.error(limited(retryAfterMs));
    expect(queued.error).toBeInstanceOf(RateLimitExceededError);
    expect(listen(named('newcomer')).error).toBeInstanceOf(RateLimitExceededError);
    expect(time.timers).toBe(0);
    expect(limiter.queued).toBe(0);
    limiter.reset(time.now());
    expect(listen(named('again')).error).toBeUndefined();
  });
});

describe('clocks', () => {
  it('that jump ahead give no more than one burst', () => {
    const { time, named, starts } = setup({ requestsPerSecond: 10, burstSize: 2 });
    for (let i = 0; i < 50; i++) listen(named(''));
    time.jump(86_400_000);
    time.advance(100);
    expect(starts).toHaveLength(4);
    time.advance(1000);
    expect(starts).toHaveLength(14);
  });

  it('that are put back stall nobody', () => {
    const { time, named, starts } = setup({ requestsPerSecond: 10, burstSize: 1 });
    time.jump(100_000_000);
    for (let i = 0; i < 50; i++) listen(named(''));
    time.advance(1000);
    expect(starts).toHaveLength(11);
    time.jump(-3_600_000);
    time.advance(2000);
    expect(starts.length).toBeGreaterThanOrEqual(29);
    expect(starts.length).toBeLessThanOrEqual(31);
  });
});

describe('as an operator', () => {
  it('makes one limiter for all subscriptions through one call, on the clock of its scheduler', () => {
    const time = new Time();
    const up = new Upstream();
    const config = { requestsPerSecond: 1, scheduler: time, cost: { requests: 1 } };
    const guard = throttleTokens<string>(config);
    listen(up.stream.pipe(guard));
    listen(up.stream.pipe(guard));
    listen(up.stream.pipe(throttleTokens(config)));
    expect(up.opened).toBe(2);
    time.advance(1000);
    expect(up.opened).toBe(3);
  });

  it('without any rate lets everything through', () => {
    const { named, time, up } = setup();
    for (let i = 0; i < 1000; i++) listen(named('', { cost: { requests: 5, tokens: 1e9 } }));
    expect(up.opened).toBe(1000);
    expect(time.delays).toEqual([]);
  });

  it('is asked anew by each subscription what it costs', () => {
    const cost = vi.fn(() => ({ tokens: 10 }));
    const { named, limiter } = setup({ tokensPerMinute: 1000 });
    const twice = named('', { cost });
    expect(cost).not.toHaveBeenCalled();
    listen(twice);
    listen(twice);
    expect(cost).toHaveBeenCalledTimes(2);
    expect(limiter.snapshot().tokensRemaining).toBe(980);
  });

  it('leaves a shared limiter as it is when it is made', () => {
    const used = () => {
      const limiter = new RateLimiter({ requestsPerSecond: 1 });
      limiter.take({ requests: 1, tokens: 0 }, 10_000_000);
      return limiter;
    };
    const limiter = used();
    throttleTokens(limiter);
    for (const now of [9_000_000, 9_000_500]) {
      expect(limiter.waitMs({ requests: 1, tokens: 0 }, now)).toBe(
        used().waitMs({ requests: 1, tokens: 0 }, 9_000_000) - (now - 9_000_000),
      );
    }
  });

  it('stops a synchronous source when the consumer has enough', () => {
    let sent = 0;
    const firehose = from(
      (function* () {
        while (sent < 1_000_000) yield String(sent++);
      })(),
    );
    expect(listen(firehose.pipe(throttleTokens({}), take(2))).values).toEqual(['0', '1']);
    expect(sent).toBe(2);
  });

  it.each([
    [{ requestsPerSecond: NaN }, {}, /requestsPerSecond.*NaN/],
    [{ requestsPerSecond: 0 }, {}, /requestsPerSecond.*0/],
    [{ burstSize: 3 }, {}, /burstSize/],
    [{ requestsPerSecond: 1, requestsPerMinute: 1 }, {}, /requestsPerMinute/],
    [{ maxQueue: 1.5 }, {}, /maxQueue.*1\.5/],
    [{ maxWaitMs: -1 }, {}, /maxWaitMs.*-1/],
    [{}, { cost: { tokens: -1 } }, /tokens.*-1/],
    [{}, { cost: { requests: NaN } }, /requests.*NaN/],
    [{}, { usage: 7 }, /usage.*7/],
    [{ usage: 7 }, {}, /usage.*7/],
    [null, {}, /rateLimiter.*null/],
    [7, {}, /rateLimiter.*7/],
  ])('refuses %j, %j at the call', (config, options, message) => {
    expect(() => throttleTokens(config as RateLimiterConfig, options as CostOptions)).toThrow(message);
  });
});
