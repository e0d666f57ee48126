import fc from 'fast-check';
import { Subject } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { smoothText, type ChatEvent } from 'rx-weir';
import { codePoints, graphemes, type Characters } from '../../src/interop/characters';
import { piecesOf, text, usage } from '../support/answers';
import { see, VirtualTime } from '../support/virtual';
import { boundariesOf, hardText } from './texts';

const lag = fc.record({ targetLagMs: fc.integer({ min: 0, max: 300 }), everyMs: fc.integer({ min: 1, max: 60 }) });

/** What a source does, one after another: it waits, says something or tells of something else. */
interface Play {
  readonly whole: string;
  readonly steps: readonly { after: number; value: string | number }[];
}

/** @param pauses - the longest wait, in ms */
const play = (pauses: number): fc.Arbitrary<Play> =>
  fc
    .record({
      whole: hardText,
      cuts: fc.array(fc.nat(120), { maxLength: 20 }),
      others: fc.array(fc.nat(20), { maxLength: 4 }),
      waits: fc.array(fc.integer({ min: 0, max: pauses }), { minLength: 30, maxLength: 30 }),
    })
    .map(({ whole, cuts, others, waits }) => {
      const values: (string | number)[] = piecesOf(whole, cuts);
      for (const [i, at] of others.entries()) values.splice(Math.min(at, values.length), 0, i);
      return { whole, steps: values.map((value, i) => ({ after: waits[i] ?? 0, value })) };
    });

/** As strings, or as chat events among others. */
const asValue = (value: string | number, events: boolean): unknown =>
  typeof value === 'number' ? usage(value, 0) : events ? text(value) : value;

const saidBy = (value: unknown): string =>
  typeof value === 'string' ? value : (value as ChatEvent).type === 'text' ? (value as { text: string }).text : '';

describe('smoothText, for any schedule', () => {
  it('says the same, with everything else at the same place', () => {
    const end = fc.constantFrom('complete', 'error', 'never');
    fc.assert(
      fc.property(play(400), lag, fc.boolean(), end, ({ whole, steps }, options, events, how) => {
        const time = new VirtualTime();
        const source = new Subject<unknown>();
        const seen = see(source.pipe(smoothText({ ...options, scheduler: time })), time);
        for (const { after, value } of steps) {
          if (after > 0) time.advance(after);
          source.next(asValue(value, events));
        }
        if (how === 'complete') source.complete();
        else if (how === 'error') source.error('cut');
        else time.advance(100_000);
        expect(time.timers).toBe(0);
        expect(seen.values.map(saidBy).join('')).toBe(whole);
        const placesOf = (values: readonly unknown[]): string[] => {
          let at = 0;
          return values.flatMap((value) => {
            at += saidBy(value).length;
            return saidBy(value) ? [] : [`${at} ${JSON.stringify(value)}`];
          });
        };
        expect(placesOf(seen.values)).toEqual(placesOf(steps.map(({ value }) => asValue(value, events))));
        expect(seen.values.every((value) => typeof value !== 'string' || value !== '')).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('cuts no character, but where the source ends, pauses or tells of something else', () => {
    fc.assert(
      fc.property(play(200), lag, fc.boolean(), ({ whole, steps }, options, events) => {
        const time = new VirtualTime();
        const source = new Subject<unknown>();
        const boundaries = boundariesOf(whole);
        let sent = 0;
        let sentAt = 0;
        let said = 0;
        let followed = false;
        const odd: { at: number; excused: boolean }[] = [];
        see(source.pipe(smoothText({ ...options, scheduler: time })), time, (value) => {
          const { length } = saidBy(value);
          // Something else behind it: it had to be cut there.
          if (length === 0 && odd.at(-1)?.at === said) odd.pop();
          said += length;
          if (length === 0 || boundaries.has(said)) return;
          const paused = time.elapsed - sentAt > Math.max(1, options.targetLagMs) - options.everyMs;
          // All that had come, or all but half of a code point.
          const all = said === sent || /^[\ud800-\udbff]$/.test(whole.slice(said, sent));
          odd.push({ at: said, excused: all && (followed || (paused && time.elapsed > sentAt)) });
        });
        for (const { after, value } of steps) {
          if (after > 0) time.advance(after);
          if (typeof value === 'string') {
            sent += value.length;
            sentAt = time.elapsed;
          }
          followed = typeof value === 'number';
          source.next(asValue(value, events));
        }
        expect(odd.filter(({ excused }) => !excused)).toEqual([]);
        time.advance(100_000);
        expect(said).toBe(whole.length);
      }),
      { numRuns: 500 },
    );
  });

  it('is through in the time it promises when the source pauses, and never says less than a character', () => {
    fc.assert(
      fc.property(play(100), lag, ({ steps }, { targetLagMs, everyMs }) => {
        const time = new VirtualTime();
        const source = new Subject<unknown>();
        const seen = see(source.pipe(smoothText({ targetLagMs, everyMs, scheduler: time })), time);
        let sent = '';
        for (const { after, value } of steps) {
          if (after > 0) time.advance(after);
          if (typeof value === 'string') sent += value;
          source.next(asValue(value, false));
        }
        const waiting = sent.length - seen.values.map(saidBy).join('').length;
        time.advance(
          Math.ceil(
            targetLagMs * (1 + Math.log(Math.max(1, (waiting * everyMs) / Math.max(1, targetLagMs)))) + 2 * everyMs,
          ),
        );
        expect(seen.values.map(saidBy).join('')).toBe(sent);
        expect(time.timers).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});

describe('characters', () => {
  /** What is found from each place is the next boundary of the whole, one way and the other. */
  const expectEdges = (characters: Characters, whole: string, boundaries: ReadonlySet<number>): void => {
    const edge = characters(whole);
    let down = 0;
    for (let at = 0; at < whole.length; at++) {
      if (boundaries.has(at)) down = at;
      let up = at;
      while (!boundaries.has(up)) up++;
      if (edge(at) !== down || edge(at, true) !== up) expect([at, edge(at), edge(at, true)]).toEqual([at, down, up]);
    }
  };

  it('asked for one place, are those of the whole text', () => {
    fc.assert(
      fc.property(hardText, (whole) => {
        expectEdges(graphemes(), whole, boundariesOf(whole));
      }),
    );
  });

  it('begin where no segmenter is asked as where one is: all pairs of units below U+0300', () => {
    for (let a = 0; a < 0x300; a++) {
      let whole = '';
      for (let b = 0; b < 0x300; b++) whole += String.fromCharCode(a, b);
      expectEdges(graphemes(), whole, boundariesOf(whole));
    }
  });

  it('are code points where there is nothing better', () => {
    fc.assert(
      fc.property(hardText, (whole) => {
        let at = 0;
        const boundaries = new Set([...whole].map((point) => (at += point.length) - point.length));
        expectEdges(codePoints, whole, boundaries.add(whole.length));
      }),
    );
  });
});
