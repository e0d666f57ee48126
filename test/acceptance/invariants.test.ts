import fc from 'fast-check';
import { take } from 'rxjs';
import { describe, expect, it } from 'vitest';
import {
  isRejected,
  ResilientExecutor,
  type ChatEvent,
  type ExecutorOptions,
  type SignalsSnapshot,
  type WeirEvent,
} from 'rx-weir';
import { chance, play, scripts, type Played } from '../support/scripts';
import { START, VirtualTime } from '../support/virtual';

type Config = NonNullable<ConstructorParameters<typeof ResilientExecutor>[0]>;

const stream = fc.record({
  at: fc.constantFrom(0, 0, 1, 5, 20, 60, 150),
  scripts,
  leaveAfter: fc.option(fc.nat(200), { nil: undefined }),
  /** Leaves inside `next`. */
  take: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
  /** Subscribes to the same again, inside its own last callback. */
  again: fc.boolean(),
  priority: fc.integer({ min: 0, max: 1 }),
  tokens: fc.constantFrom(0, 10, 50),
});

const settings = fc.record({
  maxInflight: fc.integer({ min: 1, max: 3 }),
  maxQueue: fc.constantFrom(Infinity, 2),
  maxWaitMs: fc.constantFrom(Infinity, 40),
  requestsPerSecond: fc.constantFrom(20, 100),
  failureThreshold: fc.integer({ min: 1, max: 4 }),
  halfOpenMaxProbes: fc.integer({ min: 1, max: 2 }),
  probeVerdict: fc.constantFrom('first' as const, 'complete' as const),
  maxRetries: fc.nat(3),
  onPartial: fc.constantFrom('fail' as const, 'rewind' as const),
  watched: fc.boolean(),
  /** Isolates and releases the breaker, and resets everything, in between. */
  meddle: fc.boolean(),
});

interface Story {
  readonly texts: ChatEvent[];
  readonly ends: unknown[];
  left: boolean;
}

describe('an executor with all its parts, under any schedule', () => {
  it('leaks nothing, and delivers nothing twice, out of order or after the end', () => {
    fc.assert(
      fc.property(fc.array(stream, { minLength: 1, maxLength: 10 }), scripts, settings, (streams, rescue, s) => {
        const time = new VirtualTime();
        const options: ExecutorOptions = { scheduler: time, random: chance() };
        const fallback = play(rescue, time, 'f');
        const config: Config = {
          retry: { maxRetries: s.maxRetries, initialDelayMs: 10, maxRetryAfterMs: 100 },
          circuitBreaker: {
            failureThreshold: s.failureThreshold,
            cooldownMs: 40,
            halfOpenMaxProbes: s.halfOpenMaxProbes,
            probeVerdict: s.probeVerdict,
            probeTimeoutMs: 50,
          },
          rateLimiter: {
            requestsPerSecond: s.requestsPerSecond,
            burstSize: 3,
            tokensPerMinute: 60_000,
            tokenBurst: 100,
          },
          backpressure: { maxInflight: s.maxInflight, maxQueue: s.maxQueue, maxWaitMs: s.maxWaitMs },
          timeout: { firstMs: 45, idleMs: 40, totalMs: 500 },
          fallback: [fallback.source],
          onPartial: s.onPartial,
        };
        const executor = new ResilientExecutor(config, options);
        const events: WeirEvent[] = [];
        const signals: SignalsSnapshot[] = [];
        const watching = s.watched
          ? [
              executor.events$.subscribe((event) => events.push(event)),
              executor.signals$.subscribe((now) => signals.push(now)),
            ]
          : [];

        const stories: Story[] = [];
        const sources: Played[] = [];
        const start = (plan: (typeof streams)[number], again: boolean): void => {
          const played = play(plan.scripts, time, `${stories.length}:`);
          const story: Story = { texts: [], ends: [], left: false };
          stories.push(story);
          sources.push(played);
          const { priority, tokens } = plan;
          const source = played.source.pipe(executor.protect<ChatEvent>({ priority, cost: { tokens } }));
          const end = (how: unknown): void => {
            story.ends.push(how);
            if (again) start(plan, false);
          };
          const subscription = (plan.take === undefined ? source : source.pipe(take(plan.take))).subscribe({
            next: (value) => {
              expect(story.ends).toEqual([]);
              expect(story.left).toBe(false);
              story.texts.push(value);
            },
            error: (error: unknown) => end(error ?? 'error'),
            complete: () => end('complete'),
          });
          if (plan.leaveAfter !== undefined) {
            time.schedule(() => {
              story.left = story.ends.length === 0;
              subscription.unsubscribe();
              // The request is aborted now.
              if (story.left) expect(played.script.active).toBe(0);
            }, plan.leaveAfter);
          }
        };
        for (const plan of streams) time.schedule(() => start(plan, plan.again), plan.at);
        const limits = (): void => {
          const { inflight, rate } = executor.snapshot();
          expect(inflight!.inUse).toBeLessThanOrEqual(s.maxInflight);
          expect(rate!.remaining).toBeLessThanOrEqual(3);
        };
        for (let at = 0; at < 800; at += 13) time.schedule(limits, at);
        if (s.meddle) {
          time.schedule(() => {
            const release = executor.preflight.circuitBreaker!.isolate();
            time.schedule(() => release(), 30);
          }, 50);
          time.schedule(() => executor.reset(), 110);
        }
        time.flush();

        // Everything is given back: no slot, no place in a queue, no probe, no timer.
        for (const subscription of watching) subscription.unsubscribe();
        expect(time.timers).toBe(0);
        if (!s.watched) expect(time.elapsed).toBeLessThan(2000); // a watcher sees a pause of 90 s end
        const now = executor.snapshot();
        expect(now).toMatchObject({
          currentInflight: 0,
          inflight: { inUse: 0, queued: 0 },
          rate: { queued: 0 },
          streams: { active: 0 },
        });
        const { started, completed, failed, cancelled, rejected } = now.streams;
        expect(completed + failed + cancelled + rejected).toBe(started);
        const breaker = executor.preflight.circuitBreaker!;
        if (breaker.state === 'half_open') {
          const probes = Array.from({ length: s.halfOpenMaxProbes + 1 }, () => breaker.tryAcquire());
          expect(probes.map(isRejected)).toEqual(probes.map((_, i) => i === s.halfOpenMaxProbes));
        }
        time.advance(100_000);
        expect(executor.snapshot()).toMatchObject({ rate: { remaining: 3, tokensRemaining: 100 } });

        sources.forEach(({ script }, i) => {
          const { texts, ends, left } = stories[i]!;
          // One terminal event, or none for who left.
          expect(ends).toHaveLength(left ? 0 : 1);
          // Each attempt's source was closed, once, and before the next opened.
          expect(script.active).toBe(0);
          expect(script.maxConcurrent).toBeLessThanOrEqual(1);
          expect(script.subscriptions.length).toBeLessThanOrEqual(1 + s.maxRetries);
          for (const { end, closedAt, openedAt } of script.subscriptions) {
            expect(end).toBeDefined();
            expect(closedAt! - openedAt).toBeLessThanOrEqual(500);
          }
          // Since the last rewind: the texts of one attempt, from its first, in order and with none left out.
          const rounds: string[][] = [[]];
          for (const event of texts) {
            if (event.type === 'rewind') rounds.push([]);
            else if (event.type === 'text' && event.text) rounds.at(-1)!.push(event.text);
          }
          if (s.onPartial === 'fail') expect(rounds).toHaveLength(1);
          for (const round of rounds) {
            const attempt = /^(.*)\./.exec(round[0] ?? '')?.[1];
            expect(round.map((text) => text.split('.')[0])).toEqual(round.map(() => attempt));
            const numbers = round.map((text) => Number(/\.(\d+)/.exec(text)![1]));
            expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
            expect(new Set(numbers).size).toBe(numbers.length);
          }
        });
        expect(fallback.script.active).toBe(0);
        for (const { end } of fallback.script.subscriptions) expect(end).toBeDefined();

        const count = (type: WeirEvent['type']): number => events.filter((event) => event.type === type).length;
        expect(count('attempt.start')).toBe(count('attempt.end'));
        expect(signals.every(({ timestamp }) => timestamp >= START)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('drains a long queue of synchronous streams without growing the stack', () => {
    const time = new VirtualTime();
    const executor = new ResilientExecutor({ backpressure: 1, circuitBreaker: {}, retry: {} }, { scheduler: time });
    const first = play([[{ kind: 'text', after: 5 }]], time).source.pipe(executor.protect<ChatEvent>());
    const next = play([[{ kind: 'text', after: 0 }]], time).source.pipe(executor.protect<ChatEvent>());
    let completed = 0;
    const complete = (): void => {
      completed++;
    };
    first.subscribe({ complete });
    for (let i = 0; i < 5_000; i++) next.subscribe({ complete });
    time.flush();
    expect(completed).toBe(5_001);
    expect(executor.snapshot()).toMatchObject({ currentInflight: 0, inflight: { inUse: 0, queued: 0 } });
  });

  it('does not retry in a storm, whatever the server asks for', () => {
    for (const retryAfterMs of [NaN, -1, Infinity, 2 ** 31, Number.MAX_VALUE, 0]) {
      const time = new VirtualTime();
      const config: Config = {
        retry: { maxRetries: Infinity, maxElapsedMs: 10_000, jitter: 'none', maxRetryAfterMs: Infinity },
        circuitBreaker: { failureThreshold: 1000 },
        rateLimiter: { requestsPerSecond: 100 },
      };
      const executor = new ResilientExecutor(config, { scheduler: time });
      const { source, script } = play([[{ kind: 'error', after: 0, status: 429, retryAfterMs }]], time);
      let ended = 0;
      source.pipe(executor.protect<ChatEvent>()).subscribe({ error: () => ended++ });
      time.advance(20_000);
      expect(ended).toBe(1);
      expect(script.subscriptions.length).toBeLessThanOrEqual(5); // after 1, 3 and 7 s
      expect(time.timers).toBe(0);
    }
  });
});
