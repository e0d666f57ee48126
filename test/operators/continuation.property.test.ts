import fc from 'fast-check';
import { defer, of, type Observable } from 'rxjs';
import { describe, expect, it } from 'vitest';
import {
  fallbackTo,
  resilient,
  retryBackoff,
  trimOverlap,
  type ChatEvent,
  type OnPartial,
  type PartialOutput,
  type RuntimeOptions,
} from 'rx-weir';
import { cut, finish, overlapOf, piecesOf, start, text, textOf } from '../support/answers';
import { busy, seenBy } from '../support/attempts';
import { VirtualTime } from '../support/virtual';

const TRIES = 8;
const exact = { initialDelayMs: 5, backoffMultiplier: 1, jitter: 'none', maxRetries: TRIES } as const;

type Build = (
  source$: Observable<ChatEvent>,
  onPartial: OnPartial<ChatEvent>,
  options: RuntimeOptions<ChatEvent>,
) => Observable<ChatEvent>;

const BUILDS: Record<string, Build> = {
  retryBackoff: (source$, onPartial, options) => source$.pipe(retryBackoff({ ...exact, onPartial }, options)),
  fallbackTo: (source$, onPartial, options) =>
    source$.pipe(fallbackTo(...Array.from({ length: TRIES }, () => source$), { onPartial, ...options })),
  resilient: (source$, onPartial, options) =>
    source$.pipe(resilient<ChatEvent>({ retry: exact, backpressure: 1, onPartial }, options)),
};

/** What one continuation does: how much it repeats, how much it says before it is cut, and in which pieces. */
interface Try {
  readonly repeats: number;
  readonly says: number;
  readonly offsets: readonly number[];
}

const letters = fc.constantFrom(...'abcdefgh ', '\n', '水', '😀', '😁');
const whole = fc.array(letters, { minLength: 1, maxLength: 120 }).map((units) => units.join(''));
const tries: fc.Arbitrary<Try[]> = fc.array(
  fc.record({
    repeats: fc.integer({ min: 16, max: 60 }),
    says: fc.nat(120),
    offsets: fc.array(fc.nat(120), { maxLength: 20 }),
  }),
  { minLength: 1, maxLength: TRIES },
);

const MIN = 16;

describe.each(Object.entries(BUILDS))(
  'a continuation of which trimOverlap leaves out what it repeats: %s',
  (_name, build) => {
    // Precondition: of what a continuation says, no longer end of the delivered text is the beginning than what it repeats; a
    // text that repeats itself is ambiguous, and the longest end is taken.
    it('gives the whole text, wherever it is cut and however often', () => {
      fc.assert(
        fc.property(whole, tries, (all, plan) => {
          const scheduler = new VirtualTime();
          let n = 0;
          let ambiguous = false;
          const say = (from: number, { says, offsets }: Try): Observable<ChatEvent> => {
            const said = all.slice(from);
            if (n === plan.length) return of(start, ...piecesOf(said, offsets).map(text), finish);
            return cut(busy(), start, ...piecesOf(said.slice(0, says), offsets).map(text));
          };
          // The source is taken again where nothing was delivered.
          const source$ = defer(() => say(0, plan[n++]!));
          const onPartial = ({ text: delivered, values }: PartialOutput<ChatEvent>): Observable<ChatEvent> => {
            expect(delivered, 'it is a beginning of the text').toBe(all.slice(0, delivered.length));
            expect(textOf(values)).toBe(delivered);
            const next = plan[n++]!;
            // Who has less than the least cannot be given that much again.
            const from = delivered.length >= MIN ? Math.max(0, delivered.length - next.repeats) : delivered.length;
            ambiguous ||= overlapOf(delivered, all.slice(from), MIN) !== delivered.length - from;
            return say(from, next).pipe(trimOverlap<ChatEvent>(delivered, { min: MIN }));
          };
          const seen = seenBy(build(source$, onPartial, { scheduler }));
          scheduler.flush();
          fc.pre(!ambiguous);
          expect(seen.error).toBeUndefined();
          expect(seen.ends).toEqual(['complete']);
          expect(textOf(seen.values)).toBe(all);
          expect(scheduler.timers).toBe(0);
        }),
        { numRuns: 300 },
      );
    });
  },
);
