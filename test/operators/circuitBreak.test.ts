import {
  concat,
  defer,
  EMPTY,
  from,
  ignoreElements,
  NEVER,
  Observable,
  of,
  Subject,
  take,
  throwError,
  timer,
} from 'rxjs';
import {
  circuitBreak,
  CircuitBreaker,
  CircuitOpenError,
  ConcurrencyLimitError,
  isRejected,
  ProviderError,
  type CircuitBreakerConfig,
} from 'rx-weir';
import { describe, expect, it, vi } from 'vitest';
import { marbles } from '../support/marbles';
import { Time } from '../support/time';
import { unhandled } from '../support/unhandled';
import { listen, Upstream } from '../support/upstream';

const http = (httpStatus: number, retryAfterMs?: number): ProviderError =>
  new ProviderError(`HTTP ${httpStatus}`, { httpStatus, retryAfterMs });
const BROKEN = http(500);

/** A breaker on virtual time, the operator on it, and a provider behind. */
function setup(config: CircuitBreakerConfig = {}) {
  const time = new Time();
  const breaker = new CircuitBreaker({ failureThreshold: 1, cooldownMs: 1000, clock: () => time.now(), ...config });
  const up = new Upstream();
  const guard = circuitBreak<string>(breaker, { scheduler: time });
  const guarded = up.stream.pipe(guard);
  /** Opens the circuit; probes are let through 1000 ms later. */
  const breakIt = (): void => {
    while (breaker.state === 'closed')
      listen(throwError(() => BROKEN).pipe(circuitBreak(breaker, { scheduler: time })));
  };
  return { time, breaker, up, guard, guarded, breakIt };
}

describe('the outcome of a stream', () => {
  const start = { type: 'start', provider: 'p', model: 'm' };
  const text = { type: 'text', text: 'hello' };
  const after = (...values: unknown[]) => ({
    complete: of(...values),
    error: (error: unknown) =>
      concat(
        of(...values),
        throwError(() => error),
      ),
    never: concat(of(...values), NEVER),
  });

  // One failure before: a success forgets it, a second failure opens the circuit, anything else changes nothing.
  const SUCCESS = { failureCount: 0, state: 'closed' };
  const FAILURE = { failureCount: 2, state: 'open' };
  const NOTHING = { failureCount: 1, state: 'closed' };
  const abort = new DOMException('aborted', 'AbortError');

  it.each<[string, Observable<unknown>, object, CircuitBreakerConfig?]>([
    ['complete after content', after(1).complete, SUCCESS],
    ['complete with nothing at all', EMPTY, SUCCESS],
    ['complete with nothing but preamble', after(start).complete, SUCCESS],
    ['an error before content', after().error(BROKEN), FAILURE],
    ['an error after preamble', after(start).error(BROKEN), FAILURE],
    ['an error after content', after(start, text).error(BROKEN), FAILURE],
    ['an overload', after().error(http(529)), FAILURE],
    ['an exhausted quota', after().error(http(402)), FAILURE],
    ['an error that nobody knows', after().error(new Error('what')), FAILURE],
    ['a throw that is no Error', after().error('what'), FAILURE],
    ['a bad request', after(1).error(http(400)), NOTHING],
    ['a missing key', after().error(http(401)), NOTHING],
    ['a conflict', after().error(http(409)), NOTHING],
    ['an abort', after().error(abort), NOTHING],
    ['a rate limit', after().error(http(429)), NOTHING],
    ['a rate limit that counts', after().error(http(429)), FAILURE, { countRateLimits: true }],
    ['a refusal from inside', after().error(new ConcurrencyLimitError()), NOTHING],
    [
      'a refusal from inside, whatever isFailure says',
      after().error(new ConcurrencyLimitError()),
      NOTHING,
      { isFailure: () => true },
    ],
    ['left after content', after(1).never.pipe(take(1)), SUCCESS],
    ['left before content', NEVER, NOTHING],
    ['left after preamble', after(start).never, NOTHING],
    ['isFailure: yes', after().error(http(400)), FAILURE, { isFailure: () => true }],
    ['isFailure: no', after().error(BROKEN), NOTHING, { isFailure: () => false }],
  ])('%s', (_name, source, expected, config) => {
    const { time, breaker } = setup({ failureThreshold: 2, ...config });
    const permit = breaker.tryAcquire();
    if (isRejected(permit)) throw permit;
    permit.fail(BROKEN);
    listen(source.pipe(circuitBreak(breaker, { scheduler: time }))).leave();
    expect(breaker.snapshot()).toMatchObject(expected);
    expect(time.timers).toBe(0);
  });

  it.each([1, 2, 3])('take(%i) of three values is a success, where the source ends too', (n) => {
    for (const source of [of('a', 'b', 'c'), concat(of('a', 'b', 'c'), NEVER)]) {
      const { breaker, guard, breakIt, time } = setup();
      breakIt();
      time.advance(1000);
      expect(listen(source.pipe(guard, take(n))).values).toHaveLength(n);
      expect(breaker.state).toBe('closed');
    }
  });

  it('is not what a consumer throws', () => {
    const { breaker, up, guarded } = setup();
    const mistake = new Error("the consumer's");
    vi.useFakeTimers();
    guarded.subscribe(() => {
      throw mistake;
    });
    up.last.next('a');
    up.last.next('b');
    up.last.complete();
    vi.runAllTimers();
    vi.useRealTimers();
    expect(breaker.snapshot()).toMatchObject({ state: 'closed', failureCount: 0 });
    expect(unhandled.splice(0)).toEqual([mistake, mistake]);
  });

  it('is not what isContent throws, and that becomes the error of the stream', () => {
    const mistake = new Error('in isContent');
    const { breaker, up, time, breakIt } = setup();
    breakIt();
    time.advance(1000);
    const isContent = (): boolean => {
      throw mistake;
    };
    const heard = listen(up.stream.pipe(circuitBreak(breaker, { scheduler: time, isContent })));
    up.last.next('a');
    expect(heard).toMatchObject({ values: [], end: 'error', error: mistake });
    expect(up.open).toBe(0);
    expect(breaker.state).toBe('half_open');
    listen(up.stream.pipe(circuitBreak(breaker, { scheduler: time })));
    expect(up.opened).toBe(2); // the probe's place was given back
  });

  it('is decided before the terminal event is forwarded', () => {
    const { breaker, time, guard, breakIt } = setup();
    const states: string[] = [];
    listen(throwError(() => BROKEN).pipe(guard), () => states.push(breaker.state));
    time.advance(1000);
    breakIt();
    listen(EMPTY.pipe(guard), () => states.push(breaker.state));
    expect(states).toEqual(['open', 'closed']);
  });

  it('is known to a call from inside the error', () => {
    const { up, guarded } = setup();
    const errors: unknown[] = [];
    listen(guarded, ({ error }) => {
      errors.push(error);
      listen(guarded, (second) => errors.push(second.error));
    });
    up.last.error(BROKEN);
    expect(errors).toEqual([BROKEN, expect.any(CircuitOpenError)]);
    expect(up.opened).toBe(1);
  });

  it('asks isFailure with the raw error and the classified one', () => {
    const isFailure = vi.fn(() => true);
    const raw = Object.assign(new Error('raw'), { status: 503 });
    const { guard, time, breaker } = setup({ isFailure });
    expect(listen(throwError(() => raw).pipe(guard)).error).toBe(raw);
    expect(isFailure).toHaveBeenCalledExactlyOnceWith(raw, { error: expect.objectContaining({ code: 'E3002' }) });
    expect(breaker.state).toBe('open');
    expect(time.timers).toBe(0);
  });

  it('is open to the next probe when isFailure throws, which comes out with the error as its cause', () => {
    const mistake = new Error('in isFailure');
    let careless = false;
    const { guard, up, guarded, time, breaker, breakIt } = setup({
      isFailure: () => {
        if (careless) throw mistake;
        return true;
      },
    });
    breakIt();
    time.advance(1000);
    careless = true;
    const heard = listen(throwError(() => BROKEN).pipe(guard));
    expect(heard.error).toBe(mistake);
    expect(mistake.cause).toBe(BROKEN);
    expect(breaker.state).toBe('half_open');
    listen(guarded);
    expect(up.opened).toBe(1);
  });
});

describe('an open circuit', () => {
  it('refuses without touching the source', () => {
    const breaker = new CircuitBreaker({ failureThreshold: 2, cooldownMs: 100, clock: () => 0 });
    const { frame } = marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('  --#', undefined, BROKEN);
      const guarded = source.pipe(circuitBreak(breaker));
      const at = (ms: number) => concat(timer(ms).pipe(ignoreElements()), guarded);
      const refused = new CircuitOpenError('the circuit is open', { retryAfterMs: 96, cause: BROKEN });
      expectObservable(at(0)).toBe('--#', undefined, BROKEN);
      expectObservable(at(3)).toBe('-----#', undefined, BROKEN);
      expectObservable(at(9)).toBe('---------#', undefined, refused);
      expectSubscriptions(source.subscriptions).toBe(['^-!', '---^-!']);
    });
    expect(frame).toBe(9); // nothing waits for the cooldown
    expect(breaker.lastError).toBe(BROKEN);
  });

  it('gives the last counted failure as the cause, and when to come again', () => {
    const { guarded, breakIt, time } = setup();
    breakIt();
    time.advance(300);
    const { error } = listen(guarded);
    expect(error).toMatchObject({
      code: 'E3002',
      retryable: false,
      fallbackable: true,
      retryAfterMs: 700,
      cause: BROKEN,
    });
  });

  it('refuses while it is isolated', () => {
    const { breaker, guarded, up } = setup();
    const release = breaker.isolate();
    expect(listen(guarded).error).toBeInstanceOf(CircuitOpenError);
    release();
    expect(listen(guarded).error).toBeUndefined();
    expect(up.opened).toBe(1);
  });

  it('keeps no timer', () => {
    const { time, guarded, breakIt } = setup();
    breakIt();
    listen(guarded);
    expect(time.timers).toBe(0);
    expect(time.delays).toEqual([]);
  });

  it('leaves the streams alone that run, and their results change nothing', () => {
    const { breaker, guarded, up, breakIt, time } = setup();
    const [failing, fine] = [listen(guarded), listen(guarded)];
    breakIt();
    up.calls[1]!.next('still here');
    up.calls[1]!.complete();
    expect(fine).toMatchObject({ values: ['still here'], end: 'complete' });
    expect(breaker.state).toBe('open');
    time.advance(1000);
    up.calls[0]!.error(BROKEN);
    expect(failing.end).toBe('error');
    expect(breaker.state).toBe('half_open'); // no probe failed
  });
});

describe('half-open', () => {
  it.each([1, 3])('lets %i of ten thousand callers through', (halfOpenMaxProbes) => {
    const { guarded, up, time, breakIt } = setup({ halfOpenMaxProbes });
    breakIt();
    time.advance(1000);
    const callers = Array.from({ length: 10_000 }, () => listen(guarded));
    expect(up.opened).toBe(halfOpenMaxProbes);
    const refused = callers.filter(({ error }) => error instanceof CircuitOpenError);
    expect(refused).toHaveLength(10_000 - halfOpenMaxProbes);
    for (const { error } of refused.slice(0, 3)) {
      expect(error).toMatchObject({ retryAfterMs: expect.any(Number), cause: BROKEN });
      expect((error as CircuitOpenError).retryAfterMs).toBeGreaterThan(0);
    }
  });

  it('lets them through one after another when each acts on the end of the one before', () => {
    const { guarded, up, time, breakIt } = setup();
    breakIt();
    time.advance(1000);
    const refusals: unknown[] = [];
    // A refused caller that tries again at once is refused again.
    listen(guarded);
    listen(guarded, ({ error }) => {
      refusals.push(error);
      listen(guarded, (again) => refusals.push(again.error));
    });
    expect(refusals).toEqual([expect.any(CircuitOpenError), expect.any(CircuitOpenError)]);
    expect(up.opened).toBe(1);
  });

  it('closes at the first content of a probe, though its stream runs on', () => {
    const { breaker, guarded, up, time, breakIt } = setup();
    breakIt();
    time.advance(1000);
    const probe = listen(guarded);
    expect(breaker.state).toBe('half_open');
    up.last.next('a');
    expect(breaker.state).toBe('closed');
    up.last.error(BROKEN);
    expect(probe.end).toBe('error');
    // Its permit was of the half-open circuit: it has decided.
    expect(breaker.snapshot()).toMatchObject({ state: 'closed', failureCount: 0 });
  });

  it("waits for the end with the verdict 'complete'", () => {
    const { breaker, guarded, up, time, breakIt } = setup({ probeVerdict: 'complete' });
    breakIt();
    time.advance(1000);
    listen(guarded);
    up.last.next('a');
    time.advance(3_600_000); // it has content: no probe timeout
    expect(breaker.state).toBe('half_open');
    up.last.error(BROKEN);
    expect(breaker.state).toBe('open');
    time.advance(1000);
    listen(guarded);
    up.last.next('a');
    up.last.complete();
    expect(breaker.state).toBe('closed');
  });

  it("takes a consumer that leaves after content as a success, also with the verdict 'complete'", () => {
    const { breaker, guarded, up, time, breakIt } = setup({ probeVerdict: 'complete' });
    breakIt();
    time.advance(1000);
    listen(guarded.pipe(take(1)));
    up.last.next('a');
    expect(breaker.state).toBe('closed');
  });

  it('opens again when a probe fails, for the multiplied cooldown', () => {
    const { breaker, guarded, up, time, breakIt } = setup({ cooldownMultiplier: 2 });
    breakIt();
    time.advance(1000);
    listen(guarded);
    up.last.error(BROKEN);
    expect(breaker.snapshot()).toMatchObject({ state: 'open', openUntil: 3000 });
    expect(listen(guarded).error).toBeInstanceOf(CircuitOpenError);
  });

  it('gets the place of a cancelled probe back, and nothing is decided', () => {
    const { breaker, guarded, up, time, breakIt } = setup();
    breakIt();
    time.advance(1000);
    for (let i = 1; i <= 5; i++) {
      const probe = listen(guarded);
      expect(up).toMatchObject({ opened: i, open: 1 });
      probe.leave();
      expect(breaker.state).toBe('half_open');
    }
  });

  it.each([400, 429])('gets the place of a probe back whose error is none of the provider (%i)', (status) => {
    const { breaker, guarded, up, time, breakIt } = setup();
    breakIt();
    time.advance(1000);
    listen(guarded);
    up.last.error(http(status));
    expect(breaker.state).toBe('half_open');
    listen(guarded);
    expect(up.opened).toBe(2);
  });

  it('is over when a probe hangs; that stream itself runs on, its result stale', () => {
    const { breaker, guarded, up, time, breakIt } = setup({ probeTimeoutMs: 500, cooldownMs: 1000 });
    breakIt();
    time.advance(1000);
    const hung = listen(guarded);
    time.advance(499);
    expect(breaker.state).toBe('half_open');
    time.advance(1);
    expect(breaker.snapshot()).toMatchObject({ state: 'open', openUntil: 2500 }); // as of 1500, whenever one looks
    up.last.next('late');
    expect(breaker.state).toBe('open');
    time.advance(1000);
    const second = listen(guarded);
    up.calls[0]!.complete();
    expect(hung).toMatchObject({ values: ['late'], end: 'complete' });
    expect(breaker.state).toBe('half_open');
    up.last.next('a');
    expect(second.values).toEqual(['a']);
    expect(breaker.state).toBe('closed');
    expect(time.timers).toBe(0);
  });

  it('needs successThreshold probes', () => {
    const { breaker, guarded, up, time, breakIt } = setup({ successThreshold: 2 });
    breakIt();
    time.advance(1000);
    listen(guarded);
    up.last.next('a');
    expect(breaker.snapshot()).toMatchObject({ state: 'half_open', successCount: 1 });
    listen(guarded);
    up.last.next('a');
    expect(breaker.state).toBe('closed');
  });
});

it('takes a slow first content as slow, and a long answer not', () => {
  const { breaker, guarded, up, time } = setup({
    window: { type: 'count', size: 2 },
    slowRate: 1,
    slowFirstContentMs: 100,
  });
  const call = (firstMs: number, wholeMs: number): void => {
    listen(guarded);
    time.advance(firstMs);
    up.last.next('a');
    time.advance(wholeMs);
    up.last.complete();
  };
  for (let i = 0; i < 4; i++) call(100, 60_000);
  expect(breaker.state).toBe('closed');
  call(101, 0);
  expect(breaker.state).toBe('closed');
  call(101, 0);
  expect(breaker.state).toBe('open');
});

describe('as an operator', () => {
  it('makes one breaker for all subscriptions through one call, on the clock of its scheduler', () => {
    const time = new Time();
    const up = new Upstream();
    const config = { failureThreshold: 1, cooldownMs: 1000, scheduler: time };
    const guard = circuitBreak<string>(config);
    listen(throwError(() => BROKEN).pipe(guard));
    expect(listen(up.stream.pipe(guard)).error).toMatchObject({ retryAfterMs: 1000 });
    expect(listen(up.stream.pipe(circuitBreak(config))).error).toBeUndefined();
    time.advance(1000);
    listen(up.stream.pipe(guard));
    expect(up.opened).toBe(2);
  });

  it('has defaults', () => {
    const guard = circuitBreak<string>();
    for (let i = 0; i < 5; i++) expect(listen(throwError(() => BROKEN).pipe(guard)).error).toBe(BROKEN);
    expect(listen(throwError(() => BROKEN).pipe(guard)).error).toBeInstanceOf(CircuitOpenError);
  });

  it('passes everything on as it comes, and closes the source with the consumer', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('a--b--c--|');
      const result = source.pipe(circuitBreak());
      expectObservable(result).toBe('a--b--c--|');
      expectObservable(result, '-----!').toBe('a--b--');
      expectObservable(result.pipe(take(2))).toBe('a--(b|)');
      expectSubscriptions(source.subscriptions).toBe(['^--------!', '^----!', '^--!']);
    });
  });

  it('takes empty, never and synchronous throws as they are', () => {
    marbles(({ expectObservable }) => {
      expectObservable(EMPTY.pipe(circuitBreak())).toBe('|');
      expectObservable(NEVER.pipe(circuitBreak())).toBe('-');
      const thrown = new Error('in the factory');
      const source = defer<Observable<string>>(() => {
        throw thrown;
      });
      expectObservable(source.pipe(circuitBreak())).toBe('#', undefined, thrown);
    });
  });

  it('stops a synchronous source when the consumer has enough', () => {
    const { guard, breaker } = setup();
    let sent = 0;
    const firehose = from(
      (function* () {
        while (sent < 1_000_000) yield String(sent++);
      })(),
    );
    expect(listen(firehose.pipe(guard, take(2))).values).toEqual(['0', '1']);
    expect(sent).toBe(2);
    expect(breaker.state).toBe('closed');
  });

  it('counts each subscription to a dead hot source', () => {
    const { breaker, guard } = setup({ failureThreshold: 3 });
    const dead = new Subject<string>();
    dead.error(BROKEN);
    for (let i = 0; i < 3; i++) listen(dead.pipe(guard));
    expect(breaker.state).toBe('open');
  });

  it('closes each source once', () => {
    const { guarded, up, guard } = setup({ failureThreshold: 9 });
    listen(guarded).leave();
    listen(guarded);
    up.last.complete();
    listen(guarded);
    up.last.error(BROKEN);
    listen(up.tracked(of('a', 'b')).pipe(guard, take(1)));
    listen(up.tracked(EMPTY).pipe(guard));
    expect(up).toMatchObject({ open: 0, closed: 5 });
  });

  it.each([
    [{ failureThreshold: 0 }, /failureThreshold.*got 0/],
    [{ failureThreshold: NaN }, /failureThreshold.*got NaN/],
    [{ cooldownMs: -1 }, /cooldownMs.*got -1/],
    [{ cooldownMs: Infinity }, /cooldownMs.*got Infinity/],
    [{ isFailure: 'no' }, /isFailure.*'no'/],
    [{ probeVerdict: 'last' }, /probeVerdict.*'last'/],
    [{ scheduler: 7 }, /scheduler.*7/],
    [{ isContent: 7 }, /isContent.*7/],
  ])('refuses %j at the call', (config, message) => {
    expect(() => circuitBreak(config as CircuitBreakerConfig)).toThrow(message);
  });

  it.each([null, 7, 'open'])('refuses %j instead of options', (config) => {
    expect(() => circuitBreak(config as unknown as CircuitBreakerConfig)).toThrow(TypeError);
  });
});
