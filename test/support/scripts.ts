import fc from 'fast-check';
import { catchError, throwError, type Observable } from 'rxjs';
import { isWeirError, ProviderError, type ChatEvent } from 'rx-weir';
import { scriptedStream, type ScriptedStream } from 'rx-weir/testing';
import type { VirtualTime } from './virtual';

/** A step as data, so that every run has errors of its own. */
export type Step =
  | { kind: 'text' | 'start' | 'empty'; after: number }
  | { kind: 'usage'; after: number; tokens: number }
  | { kind: 'error'; after: number; status: number; retryAfterMs: number | undefined }
  | { kind: 'raw'; after: number }
  | { kind: 'stall' };

/** What each subscription plays; the last script repeats. */
export type Scripts = readonly (readonly Step[])[];

const pause = fc.constantFrom(0, 0, 0, 3, 10, 25, 60);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('text' as const), after: pause }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('start' as const, 'empty' as const), after: pause }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('usage' as const), after: pause, tokens: fc.nat(40) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('error' as const),
      after: pause,
      // What is retried and moved on, counted or not, and what is neither.
      status: fc.constantFrom(500, 529, 529, 429, 409, 401, 400),
      retryAfterMs: fc.constantFrom(undefined, undefined, 30, 90_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('raw' as const), after: pause }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'stall' as const }) },
);

export const scripts: fc.Arbitrary<Scripts> = fc.array(fc.array(step, { maxLength: 6 }), {
  minLength: 1,
  maxLength: 4,
});

/** The source of a stream, and what became of it. */
export interface Played {
  readonly source: Observable<ChatEvent>;
  readonly script: ScriptedStream<ChatEvent>;
}

/** What all subscriptions say of which each says the same. */
const SAME = 'The same words come again, and in other pieces. 水は低きに流れる 🌊.';

/**
 * Each text says which subscription it belongs to, and the how manieth it is; where they are to say the `same`, it is the next
 * piece of one text, which each subscription cuts in pieces of its own.
 */
export function play(plan: Scripts, time: VirtualTime, name = '', same = false): Played {
  const script = scriptedStream.attempts<ChatEvent>(
    ...plan.map((steps, attempt) => {
      let n = 0;
      const nextText = (): string => {
        const size = 1 + (attempt % 3);
        return same ? SAME.slice(n, (n += size)) : `${name}${attempt}.${n++} `;
      };
      return steps.map((one) => {
        if (one.kind === 'stall') return { stall: true } as const;
        const { after } = one;
        switch (one.kind) {
          case 'error': {
            const { status: httpStatus, retryAfterMs } = one;
            return { error: new ProviderError(`status ${httpStatus}`, { httpStatus, retryAfterMs }), after };
          }
          case 'raw':
            return { error: new TypeError('fetch failed'), after };
          case 'start':
            return { value: { type: 'start', provider: name, model: String(attempt) } as ChatEvent, after };
          case 'usage':
            return { value: { type: 'usage', inputTokens: 1, outputTokens: one.tokens } as ChatEvent, after };
          default:
            return { value: { type: 'text', text: one.kind === 'empty' ? '' : nextText() } as ChatEvent, after };
        }
      });
    }),
    { scheduler: time },
  );
  // Every subscription fails with an error of its own.
  const source = script.pipe(
    catchError((error: unknown) =>
      throwError(() => (error instanceof ProviderError ? new ProviderError(error.message, { ...error }) : error)),
    ),
  );
  return { source, script };
}

/** An error as two runs can compare it. */
export const plain = (error: unknown): unknown =>
  isWeirError(error) ? { ...facts(error), emitted: error.emitted } : facts(error);

const facts = (error: unknown): object | undefined => {
  if (!(error instanceof Error)) return undefined;
  const { name, message, cause } = error;
  if (!isWeirError(error)) return { name, message };
  const { code, retryAfterMs } = error;
  const parts = (error as { errors?: readonly { target: string; error: unknown }[] }).errors;
  return {
    ...{ name, message, code, retryAfterMs, cause: facts(cause) },
    errors: parts?.map((part) => ({ target: part.target, error: facts(part.error) })),
  };
};

/** A source of chance that gives every run the same. */
export function chance(seed = 1): () => number {
  let state = seed;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}
