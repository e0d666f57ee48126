import fc from 'fast-check';
import { concat, concatMap, delay, from, NEVER, Observable, of, throwError } from 'rxjs';
import {
  Backpressure,
  CircuitBreaker,
  isRejected,
  limitConcurrency,
  preflight,
  ProviderError,
  RateLimiter,
  resilient,
  throttleTokens,
} from 'rx-weir';
import { expect, it } from 'vitest';
import { Time } from '../support/time';
import { listen, Upstream, type Heard } from '../support/upstream';

const CAPACITY = { requests: 3, tokens: 100 };
const PER_MS = { requests: 0.01, tokens: 0.1 };

const stream = fc.record({
  at: fc.integer({ min: 0, max: 400 }),
  by: fc.constantFrom('joint', 'guarded', 'rated', 'slotted', 'preflight'),
  priority: fc.integer({ min: 0, max: 2 }),
  tokens: fc.constantFrom(0, 1, 10, 60, 100, 101),
  gaps: fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 3 }),
  end: fc.constantFrom('complete', 'complete', 'error', 'slow down', 'never'),
  sync: fc.boolean(),
  leaves: fc.option(fc.integer({ min: 0, max: 300 })),
  /** What its consumer does at the end. */
  then: fc.constantFrom('nothing', 'nothing', 'another', 'leave another'),
});
type Script = typeof stream extends fc.Arbitrary<infer S> ? S : never;

it('whatever comes, fails, waits and leaves: nothing is exceeded, forgotten or left over', () => {
  fc.assert(
    fc.property(
      fc.record({
        scripts: fc.array(stream, { minLength: 1, maxLength: 25 }),
        maxInflight: fc.integer({ min: 1, max: 3 }),
        maxQueue: fc.constantFrom(Infinity, Infinity, 2),
        maxWaitMs: fc.constantFrom(Infinity, Infinity, 50),
        failureThreshold: fc.integer({ min: 1, max: 4 }),
      }),
      ({ scripts, maxInflight, maxQueue, maxWaitMs, failureThreshold }) => {
        const time = new Time();
        const clock = () => time.now();
        const rateLimiter = new RateLimiter({
          requestsPerSecond: PER_MS.requests * 1000,
          burstSize: CAPACITY.requests,
          tokensPerMinute: PER_MS.tokens * 60_000,
          tokenBurst: CAPACITY.tokens,
          maxWaitMs,
          clock,
        });
        const backpressure = new Backpressure({ maxInflight, maxQueue, maxWaitMs });
        const circuitBreaker = new CircuitBreaker({ failureThreshold, cooldownMs: 70, probeTimeoutMs: 40, clock });
        const withSlot = new Upstream<string>();
        const others = new Upstream<string>();
        const starts: { script: Script; arrival: number }[] = [];
        const heard: Heard<string>[] = [];
        let arrivals = 0;

        // What the bucket gave, and got back.
        const charges: { at: number; requests: number; tokens: number; isTake: boolean }[] = [];
        const take = rateLimiter.take.bind(rateLimiter);
        rateLimiter.take = (cost, now) => {
          if (now === undefined) throw new Error('a stream is charged at the time of its scheduler');
          expect(rateLimiter.waitMs(cost, now)).toBe(0);
          charges.push({ at: now, ...cost, isTake: true });
          const permit = take(cost, now);
          let charged = cost.tokens;
          return {
            settle: (tokens, at = clock()) => {
              charges.push({ at, requests: 0, tokens: tokens - charged, isTake: false });
              charged = tokens;
              permit.settle(tokens, at);
            },
            cancel: (at = clock()) => {
              charges.push({ at, requests: -cost.requests, tokens: -charged, isTake: false });
              permit.cancel(at);
            },
          };
        };

        const ending = (end: Script['end']): Observable<string> =>
          end === 'complete'
            ? from([])
            : end === 'never'
              ? NEVER
              : throwError(
                  () =>
                    new ProviderError(
                      end,
                      end === 'error' ? { httpStatus: 500 } : { httpStatus: 429, retryAfterMs: 60 },
                    ),
                );

        const start = (script: Script): void => {
          const { by, gaps, end, sync, leaves, then, priority, tokens } = script;
          const arrival = arrivals++;
          const text = from(gaps).pipe(
            concatMap((gap) => (sync ? of('12345678') : of('12345678').pipe(delay(gap, time)))),
          );
          const up = by === 'rated' ? others : withSlot;
          const source = new Observable<string>((subscriber) => {
            starts.push({ script, arrival });
            return up.tracked(concat(text, ending(end))).subscribe(subscriber);
          });
          const runtime = { scheduler: time };
          const cost = { tokens };
          const guard = {
            joint: () => resilient<string>({ rateLimiter, backpressure, cost, priority }, runtime),
            guarded: () => resilient<string>({ rateLimiter, backpressure, circuitBreaker, cost, priority }, runtime),
            rated: () => throttleTokens<string>(rateLimiter, { ...runtime, cost }),
            slotted: () => limitConcurrency<string>(backpressure, { ...runtime, priority }),
            preflight: () => preflight<string>({ rateLimiter, backpressure, circuitBreaker }, { ...runtime, cost }),
          }[by as 'joint']();
          const mine = listen(source.pipe(guard), () => {
            expect(withSlot.most).toBeLessThanOrEqual(maxInflight);
            if (then === 'another' && arrivals < 60) start({ ...script, then: 'nothing' });
            if (then === 'leave another') heard[arrival % heard.length]?.leave();
          });
          heard.push(mine);
          if (leaves !== null) time.schedule(() => mine.leave(), leaves);
        };

        for (const script of scripts) time.schedule(() => start(script), script.at);
        for (let i = 0; i < 100; i++) {
          time.advance(20);
          expect(backpressure.inUse).toBe(withSlot.open);
          expect(backpressure.inUse).toBeLessThanOrEqual(maxInflight);
        }
        // Those that never end are left; then everybody who waits must have had their turn.
        for (let i = 0; i < 200; i++) {
          time.advance(50);
          for (const one of [...heard]) if (!one.end && one.values.length > 0) one.leave();
          if (i > 100) for (const one of [...heard]) if (!one.end) one.leave();
        }

        expect(withSlot.most).toBeLessThanOrEqual(maxInflight);
        expect([withSlot.open, others.open]).toEqual([0, 0]);
        expect(backpressure).toMatchObject({ inUse: 0, queued: 0 });
        expect([rateLimiter.lines.size, backpressure.lines.size]).toEqual([0, 0]);
        expect(time.timers).toBe(0);
        time.advance(10_000);
        expect(rateLimiter.snapshot()).toMatchObject({
          remaining: CAPACITY.requests,
          tokensRemaining: CAPACITY.tokens,
        });
        expect(isRejected(circuitBreaker.tryAcquire())).toBe(false); // no probe's place was lost

        // In any time t the bucket gives no more than its capacity and what flows in during t.
        for (const dimension of ['requests', 'tokens'] as const) {
          for (let i = 0; i < charges.length; i++) {
            let sum = 0;
            for (let j = i; j < charges.length; j++) {
              sum += charges[j]![dimension];
              if (!charges[j]!.isTake) continue;
              const most = CAPACITY[dimension] + PER_MS[dimension] * (charges[j]!.at - charges[i]!.at);
              expect(sum).toBeLessThanOrEqual(most + 1e-6);
            }
          }
        }

        // First come, first served, for those who ask for the same.
        const groups = new Map<string, number>();
        for (const { script, arrival } of starts) {
          const { by, priority, tokens } = script;
          if (by === 'preflight') continue;
          const group = by === 'rated' ? `${by} ${tokens}` : `${by} ${priority} ${tokens}`;
          expect(arrival).toBeGreaterThan(groups.get(group) ?? -1);
          groups.set(group, arrival);
        }
      },
    ),
    { numRuns: 300 },
  );
}, 120_000);
