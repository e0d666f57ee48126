import fc from 'fast-check';
import { Observable } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { hedge, resilient, type ChatEvent, type RetryConfig } from 'rx-weir';
import { text, timed, type Moment } from '../support/answers';
import { busy } from '../support/attempts';
import { VirtualTime } from '../support/virtual';

/** What one attempt does: when it says what, and how it ends. */
interface Script {
  /** In tens of ms, after the one before. */
  readonly steps: readonly { readonly after: number; readonly content: boolean }[];
  readonly after: number;
  readonly end: 'complete' | 'error' | 'stall';
}

const script: fc.Arbitrary<Script> = fc.record({
  steps: fc.array(fc.record({ after: fc.nat(4), content: fc.boolean() }), { maxLength: 4 }),
  after: fc.nat(4),
  end: fc.constantFrom('complete', 'error', 'error', 'stall'),
});
const scripts = fc.array(script, { minLength: 1, maxLength: 8 });

/** When a script does what, in ms from when it is opened, as a model reads it. */
interface Played {
  readonly at: number;
  readonly what: 'complete' | 'error' | ChatEvent;
}

/** Each attempt does things at another millisecond than all others, and than hedges start. */
function playedBy({ steps, after, end }: Script, n: number): Played[] {
  let at = (n % 9) + 1;
  const played = steps.map(({ after: wait, content }, i): Played => {
    at += wait * 10;
    return { at, what: content ? text(`${n}.${i} `) : { type: 'start', provider: 'p', model: `${n}.${i}` } };
  });
  return end === 'stall' ? played : [...played, { at: at + after * 10, what: end }];
}

const momentsOf = (played: readonly Played[], error: unknown): Moment<ChatEvent>[] =>
  played.map(({ at, what }, i) => {
    const wait = at - (played[i - 1]?.at ?? 0);
    if (what === 'complete') return [wait, what];
    return [wait, what === 'error' ? { error } : { value: what }];
  });

type Output = readonly [at: number, what: 'complete' | 'error 1' | 'error 2' | 'error 3' | ChatEvent][];

const isContent = ({ what }: Played): boolean => typeof what === 'object' && what.type === 'text';
const isDecisive = (played: Played): boolean => played.what === 'complete' || isContent(played);

/** What the contract says must come out of attempts of which each is hedged by the next. */
function expected(plays: readonly Played[][], afterMs: number, max: number): { output: Output; opened: number } {
  const lanes: { openedAt: number; played: Played[] }[] = [];
  const winsAt = ({ openedAt, played }: (typeof lanes)[number]): number => {
    const decisive = played.find(isDecisive);
    return decisive ? openedAt + decisive.at : Infinity;
  };
  const failsAt = ({ openedAt, played }: (typeof lanes)[number]): number => {
    const last = played.at(-1);
    return last?.what === 'error' && !played.some(isDecisive) ? openedAt + last.at : Infinity;
  };
  for (let at = 0; lanes.length < max; at += afterMs) {
    const over =
      lanes.length > 0 && (lanes.some((lane) => winsAt(lane) < at) || lanes.every((lane) => failsAt(lane) < at));
    if (over) break;
    lanes.push({ openedAt: at, played: plays[lanes.length % plays.length]! });
  }
  const opened = lanes.length;
  const wonAt = Math.min(...lanes.map(winsAt));
  const winner = lanes.find((lane) => winsAt(lane) === wonAt && wonAt < Infinity);
  if (!winner) {
    const at = Math.max(...lanes.map(failsAt));
    return { output: at < Infinity ? [[at, 'error 1']] : [], opened };
  }
  const output = winner.played.map(({ at, what }): Output[number] => [
    // What came before the first content comes with it.
    Math.max(winner.openedAt + at, wonAt),
    what === 'error' ? (`error ${lanes.indexOf(winner) + 1}` as 'error 1') : what,
  ]);
  return { output, opened };
}

describe('hedge, for any attempts', () => {
  it('gives what the contract says', () => {
    fc.assert(
      fc.property(scripts, fc.integer({ min: 1, max: 6 }), fc.integer({ min: 2, max: 3 }), (plan, tens, max) => {
        const time = new VirtualTime();
        const afterMs = tens * 10;
        const plays = plan.map(playedBy);
        let opened = 0;
        let active = 0;
        let most = 0;
        const source$ = new Observable<ChatEvent>((subscriber) => {
          const n = opened++;
          most = Math.max(most, ++active);
          const played = plays[n % plays.length]!;
          timed(momentsOf(played, `error ${n + 1}`), time).subscribe(subscriber);
          return () => active--;
        });
        const output: unknown[] = [];
        const subscription = source$.pipe(hedge<ChatEvent>({ afterMs, max }, { scheduler: time })).subscribe({
          next: (value) => output.push([time.elapsed, value]),
          error: (error: unknown) => output.push([time.elapsed, error]),
          complete: () => output.push([time.elapsed, 'complete']),
        });
        time.flush();
        subscription.unsubscribe();
        expect([active, time.timers]).toEqual([0, 0]);
        expect(most).toBeLessThanOrEqual(max);
        expect({ output, opened }).toEqual(expected(plays, afterMs, max));
      }),
      { numRuns: 500 },
    );
  });

  it('gives the contents of one attempt, whole, also with retries, rewinds, and consumers who leave', () => {
    const settings = fc.record({
      max: fc.integer({ min: 2, max: 3 }),
      afterMs: fc.constantFrom(0, 10, 15, 30),
      onPartial: fc.constantFrom('fail' as const, 'rewind' as const),
      maxRetries: fc.nat(3),
      delayMs: fc.constantFrom(0, 10, 20),
      maxAttempts: fc.constantFrom(Infinity, 3),
      leaveAt: fc.option(fc.nat(150), { nil: undefined }),
      leaveWith: fc.option(fc.nat(5), { nil: undefined }),
      slots: fc.constantFrom(9, 2),
    });
    fc.assert(
      fc.property(scripts, settings, (plan, s) => {
        const time = new VirtualTime();
        const retry: RetryConfig<ChatEvent> = { maxRetries: s.maxRetries, initialDelayMs: s.delayMs, jitter: 'none' };
        let opened = 0;
        let active = 0;
        let most = 0;
        let left = false;
        let forNobody = false;
        const closes: number[] = [];
        const source$ = new Observable<ChatEvent>((subscriber) => {
          const n = opened++;
          most = Math.max(most, ++active);
          forNobody ||= left;
          closes[n] = 0;
          timed(momentsOf(playedBy(plan[n % plan.length]!, n), busy()), time).subscribe(subscriber);
          return () => {
            active--;
            closes[n]!++;
          };
        });
        const values: ChatEvent[] = [];
        const ends: string[] = [];
        const end = (how: string): void => {
          expect(active, 'all are closed before the end is told').toBe(0);
          ends.push(how);
        };
        const config = {
          hedge: { afterMs: s.afterMs, max: s.max },
          ...{ retry, onPartial: s.onPartial, maxAttempts: s.maxAttempts, backpressure: s.slots },
        };
        const leave = (): void => {
          left = ends.length === 0;
          subscription.unsubscribe();
          expect(active).toBe(0);
        };
        const subscription = source$.pipe(resilient<ChatEvent>(config, { scheduler: time })).subscribe({
          next: (value) => {
            expect([left, ends]).toEqual([false, []]);
            values.push(value);
            if (value.type === 'text') expect(active, 'only the winner is left').toBeLessThanOrEqual(1);
            if (s.leaveWith === values.length) leave();
          },
          error: () => end('error'),
          complete: () => end('complete'),
        });
        if (s.leaveAt !== undefined) time.schedule(leave, s.leaveAt);
        time.flush();
        subscription.unsubscribe();
        expect([active, time.timers, forNobody]).toEqual([0, 0, false]);
        expect(most).toBeLessThanOrEqual(Math.min(s.max, s.slots));
        expect(closes, 'each is closed once').toEqual(closes.map(() => 1));
        expect(ends.length).toBeLessThanOrEqual(left ? 0 : 1);
        expect(opened).toBeLessThanOrEqual(Math.min(s.maxAttempts, s.max * (1 + s.maxRetries)));

        const rounds: ChatEvent[][] = [[]];
        for (const value of values) {
          if (value.type === 'rewind') rounds.push([]);
          else rounds.at(-1)!.push(value);
        }
        if (s.onPartial === 'fail') expect(rounds).toHaveLength(1);
        rounds.forEach((round, i) => {
          const [first] = round;
          const whose = Number.parseInt(
            first?.type === 'text' ? first.text : first?.type === 'start' ? first.model : '0',
          );
          const said = playedBy(plan[whose % plan.length]!, whose).flatMap(({ what }) =>
            typeof what === 'object' ? what : [],
          );
          // From its beginning, in order, with nothing left out; and to its end, but for who left in between.
          expect(round).toEqual(said.slice(0, round.length));
          const whole = i < rounds.length - 1 || (ends[0] === 'complete' && round.length > 0);
          if (whole) expect(round).toEqual(said);
        });
      }),
      { numRuns: 500 },
    );
  });
});
