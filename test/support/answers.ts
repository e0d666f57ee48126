import { concat, Observable, of, throwError, type SchedulerLike } from 'rxjs';
import type { ChatEvent } from 'rx-weir';

export const start: ChatEvent = { type: 'start', provider: 'p', model: 'm' };
export const finish: ChatEvent = { type: 'finish', reason: 'stop' };
export const text = (said: string): ChatEvent => ({ type: 'text', text: said });
export const reasoning = (said: string): ChatEvent => ({ type: 'reasoning', text: said });
export const toolCall: ChatEvent = { type: 'toolCall', id: '1', name: 'f', arguments: '{}' };
export const usage = (inputTokens: number, outputTokens: number): ChatEvent => ({
  type: 'usage',
  inputTokens,
  outputTokens,
});
export const rewind = (to = 0): ChatEvent => ({ type: 'rewind', to });

/** Says these, all at once, and fails. */
export const cut = <T>(error: unknown, ...values: T[]): Observable<T> =>
  concat(
    of(...values),
    throwError(() => error),
  );

/** One thing that an attempt does, so many ms after the one before. */
export type Moment<T> = readonly [
  after: number,
  what: 'complete' | { readonly value: T } | { readonly error: unknown },
];

/** Does these one after another, synchronously where there is no time between; stays open behind the last. */
export const timed = <T>(moments: readonly Moment<T>[], scheduler: SchedulerLike): Observable<T> =>
  new Observable((subscriber) => {
    const go = (i: number): void => {
      const moment = moments[i];
      if (!moment || subscriber.closed) return;
      const [after, what] = moment;
      const act = (): void => {
        if (what === 'complete') subscriber.complete();
        else if ('error' in what) subscriber.error(what.error);
        else subscriber.next(what.value);
        go(i + 1);
      };
      if (after > 0) subscriber.add(scheduler.schedule(act, after));
      else act();
    };
    go(0);
  });

/** The text that a subscriber has in the end, rewinds applied. */
export const textOf = (values: readonly (ChatEvent | string)[]): string => {
  let said = '';
  for (const value of values) {
    if (typeof value === 'string') said += value;
    else if (value.type === 'text') said += value.text;
    else if (value.type === 'rewind') said = said.slice(0, value.to);
  }
  return said;
};

/** A text in pieces, cut at those of the offsets that lie within it. */
export function piecesOf(whole: string, offsets: readonly number[]): string[] {
  const inside = [...new Set(offsets)].filter((at) => at > 0 && at < whole.length).sort((a, b) => a - b);
  const edges = [0, ...inside, whole.length];
  return edges
    .slice(1)
    .map((edge, i) => whole.slice(edges[i], edge))
    .filter((piece) => piece !== '');
}

/** By definition: the length of the longest end of `delivered`, of at least `min` characters, with which `said` begins; else 0. */
export function overlapOf(delivered: string, said: string, min: number): number {
  for (let length = Math.min(delivered.length, said.length); length >= min; length--) {
    if (delivered.endsWith(said.slice(0, length))) return length;
  }
  return 0;
}
