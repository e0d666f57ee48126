import { NEVER, Observable, of, take, throwError } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { ResilientExecutor, WeirError, type ChatEvent, type ExecutorOptions, type SignalsSnapshot } from 'rx-weir';
import { scriptedStream } from 'rx-weir/testing';
import { see, VirtualTime } from '../support/virtual';

type Config = ConstructorParameters<typeof ResilientExecutor>[0];

function setup(config: Config = {}, options: ExecutorOptions = {}) {
  const time = new VirtualTime();
  const executor = new ResilientExecutor(config, { scheduler: time, random: () => 0.5, ...options });
  return { time, executor, streams: () => executor.snapshot().streams };
}

const overloaded = (): WeirError => new WeirError('overloaded', { code: 'E3002' });
const invalid = (): WeirError => new WeirError('no', { code: 'E1001' });

describe('the streams in a snapshot', () => {
  it('are counted by how they ended', () => {
    const { time, executor, streams } = setup({ circuitBreaker: {}, backpressure: { maxInflight: 10 } });
    see(scriptedStream(['a'], { scheduler: time, paceMs: 10 }).pipe(executor.protect()), time);
    see(throwError(overloaded).pipe(executor.protect()), time);
    see(throwError(invalid).pipe(executor.protect()), time);
    const left = see(NEVER.pipe(executor.protect()), time);
    see(of('a', 'b', 'c').pipe(executor.protect<string>(), take(2)), time);
    const release = executor.preflight.circuitBreaker!.isolate();
    see(of('a').pipe(executor.protect()), time);
    release();
    expect(streams()).toMatchObject({ started: 6, active: 2, completed: 0, failed: 2, cancelled: 1, rejected: 1 });
    left.subscription.unsubscribe();
    time.advance(10);
    expect(streams()).toMatchObject({ started: 6, active: 0, completed: 1, failed: 2, cancelled: 2, rejected: 1 });
  });

  it('counts a stream once, however many attempts it took', () => {
    const { time, executor, streams } = setup({ retry: { maxRetries: 3, jitter: 'none', initialDelayMs: 100 } });
    const source = scriptedStream.attempts<string>([{ error: overloaded() }], [{ error: overloaded() }], ['a'], {
      scheduler: time,
    });
    see(source.pipe(executor.protect()), time);
    time.flush();
    expect(streams()).toMatchObject({ started: 1, completed: 1, retries: 2, fallbacks: 0, failed: 0 });
  });

  it('counts fallbacks, configured or given for one stream', () => {
    const { time, executor, streams } = setup({ fallback: [of('b')] });
    const failing = throwError(overloaded);
    expect(see(failing.pipe(executor.protect<string>()), time).values).toEqual(['b']);
    expect(see(failing.pipe(executor.protect<string>({ fallback: [of('c')] })), time).values).toEqual(['c']);
    expect(streams()).toMatchObject({ started: 2, completed: 2, fallbacks: 2 });
  });

  it('are refused, not failed, where a queue was full', () => {
    const { time, executor } = setup({ backpressure: { maxInflight: 1, maxQueue: 1 } });
    const running = see(NEVER.pipe(executor.protect()), time);
    const waiting = see(NEVER.pipe(executor.protect()), time);
    expect(see(NEVER.pipe(executor.protect()), time).end).toBe('error');
    expect(executor.snapshot()).toMatchObject({
      currentInflight: 1,
      inflight: { inUse: 1, queued: 1 },
      streams: { started: 3, active: 2, rejected: 1 },
    });
    waiting.subscription.unsubscribe();
    running.subscription.unsubscribe();
    expect(executor.snapshot()).toMatchObject({
      currentInflight: 0,
      inflight: { inUse: 0, queued: 0 },
      streams: { started: 3, active: 0, cancelled: 2, rejected: 1 },
    });
  });

  it('currentInflight is the attempts that run, not the streams that wait to retry', () => {
    const { time, executor } = setup({ retry: { jitter: 'none', initialDelayMs: 100 } });
    const source = scriptedStream.attempts<string>(
      [{ error: overloaded(), after: 10 }],
      [{ value: 'a', after: 10 }, { stall: true }],
      {
        scheduler: time,
      },
    );
    const seen = see(source.pipe(executor.protect()), time);
    const inflight: number[] = [];
    for (const ms of [5, 10, 90, 10, 10]) {
      time.advance(ms);
      inflight.push(executor.snapshot().currentInflight);
    }
    expect(inflight).toEqual([1, 0, 0, 1, 1]);
    seen.subscription.unsubscribe();
    expect(executor.snapshot().currentInflight).toBe(0);
  });

  it('count contents as tokens, until usage corrects them', () => {
    const { time, executor, streams } = setup();
    const events: ChatEvent[] = [
      { type: 'start', provider: 'p', model: 'm' },
      { type: 'text', text: 'a b c' },
      { type: 'reasoning', text: 'hm' },
      { type: 'text', text: '' },
      { type: 'usage', inputTokens: 1000, outputTokens: 3 },
      { type: 'text', text: ' d' },
      { type: 'usage', inputTokens: 1000, outputTokens: 7 },
      { type: 'finish', reason: 'stop' },
    ];
    const source = scriptedStream<ChatEvent>(
      events.map((value) => ({ value, after: 10 })),
      { scheduler: time },
    );
    see(source.pipe(executor.protect()), time);
    time.advance(30);
    expect(streams().tokens).toBe(2);
    time.flush();
    expect(streams().tokens).toBe(7);
    see(of('a', 'b').pipe(executor.protect()), time);
    expect(streams().tokens).toBe(9);
  });

  it('tokensPerSecond is what runs now', () => {
    const { time, executor, streams } = setup();
    const source = scriptedStream(
      Array.from({ length: 50 }, (_, i) => String(i)),
      { scheduler: time, paceMs: 10 },
    );
    expect(streams().tokensPerSecond).toBe(0);
    see(source.pipe(executor.protect()), time);
    time.advance(400);
    expect(streams().tokensPerSecond).toBeGreaterThan(90);
    expect(streams().tokensPerSecond).toBeLessThan(115);
    see(source.pipe(executor.protect()), time);
    see(source.pipe(executor.protect()), time);
    time.advance(90);
    const { tokensPerSecond } = streams();
    expect(tokensPerSecond).toBeGreaterThan(250);
    expect(tokensPerSecond).toBeLessThan(350);
    time.flush();
    expect(streams()).toMatchObject({ tokensPerSecond: 0, tokens: 150 });
  });

  it('are counted right for whoever leaves before the first content reached him', () => {
    const { time, executor, streams } = setup({ retry: {} });
    const chat: ChatEvent[] = [
      { type: 'start', provider: 'p', model: 'm' },
      { type: 'text', text: 'a' },
    ];
    // What precedes the content is delivered with it: this one leaves between the two.
    for (let i = 0; i < 5; i++) see(of(...chat).pipe(executor.protect<ChatEvent>(), take(1)), time);
    expect(streams()).toMatchObject({ started: 5, cancelled: 5, active: 0 });
    const source = scriptedStream(['a', 'b', 'c', 'd'], { scheduler: time, paceMs: 10 });
    see(source.pipe(executor.protect()), time);
    time.advance(30);
    expect(streams().tokensPerSecond).toBeGreaterThan(0);
  });

  it('firstContentMs is the last, the median and the 95th percentile of the time to first content', () => {
    const { time, executor, streams } = setup({ backpressure: 1 });
    expect(streams().firstContentMs).toBeNull();
    for (const ms of [...Array.from({ length: 19 }, (_, i) => 10 * (i + 1)), 5000]) {
      // Each waits for the one before it: time in the queue is not time to first content.
      see(scriptedStream<string>([{ value: 'a', after: ms }], { scheduler: time }).pipe(executor.protect()), time);
    }
    time.flush();
    expect(streams().firstContentMs).toEqual({ last: 5000, p50: 100, p95: 190 });
    see(NEVER.pipe(executor.protect()), time).subscription.unsubscribe();
    expect(streams().firstContentMs?.last).toBe(5000);
  });

  it('are forgotten by reset, but for those that run', () => {
    const { time, executor, streams } = setup({
      circuitBreaker: { failureThreshold: 1 },
      rateLimiter: { requestsPerSecond: 2 },
    });
    const source = scriptedStream(['a', 'b', 'c', 'd'], { scheduler: time, paceMs: 10 });
    see(source.pipe(executor.protect()), time);
    time.advance(20);
    see(throwError(overloaded).pipe(executor.protect()), time);
    expect(executor.snapshot()).toMatchObject({ circuitState: 'open', isHealthy: false });
    executor.reset();
    expect(executor.snapshot()).toMatchObject({ circuitState: 'closed', rateRemaining: 2, isHealthy: true });
    expect(streams()).toMatchObject({ started: 1, active: 1, failed: 0, tokens: 0, firstContentMs: null });
    time.flush();
    expect(streams()).toMatchObject({ started: 1, active: 0, completed: 1, tokens: 2, tokensPerSecond: 0 });
  });

  it('add up at every moment that signals$ show', () => {
    const { time, executor } = setup({ retry: { maxRetries: 1, initialDelayMs: 20 }, backpressure: 2 });
    const off: SignalsSnapshot[] = [];
    executor.signals$.subscribe((s) => {
      const { started, active, completed, failed, cancelled, rejected } = s.streams;
      if (started !== active + completed + failed + cancelled + rejected) off.push(s);
    });
    const ways: (() => Observable<string>)[] = [
      () => of('a'),
      () => throwError(overloaded),
      () => scriptedStream(['a', 'b'], { scheduler: time, paceMs: 30 }),
    ];
    for (let i = 0; i < 12; i++) {
      const seen = see(ways[i % 3]!().pipe(executor.protect()), time);
      if (i % 5 === 0) time.schedule(() => seen.subscription.unsubscribe(), 25);
      time.advance(10);
    }
    time.advance(5000);
    expect(off).toEqual([]);
    expect(executor.snapshot()).toMatchObject({ currentInflight: 0, streams: { started: 12, active: 0 } });
  });
});
