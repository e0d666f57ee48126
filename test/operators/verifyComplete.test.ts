import { concat, EMPTY, NEVER, Observable, of, Subject, take, throwError, VirtualTimeScheduler } from 'rxjs';
import { describe, expect, it, vi } from 'vitest';
import {
  EmptyStreamError,
  IncompleteStreamError,
  retryBackoff,
  verifyComplete,
  type ChatEvent,
  type FinishReason,
} from 'rx-weir';
import { attempts, busy, seenBy } from '../support/attempts';
import { marbles } from '../support/marbles';
import { unhandled } from '../support/unhandled';

const finish = (reason: FinishReason): ChatEvent => ({ type: 'finish', reason });
const EVENTS: Record<string, ChatEvent> = {
  s: { type: 'start', provider: 'p', model: 'm' },
  a: { type: 'text', text: 'a' },
  e: { type: 'text', text: '' },
  r: { type: 'reasoning', text: 'hm' },
  t: { type: 'toolCall', id: '1', name: 'f', arguments: '{}' },
  u: { type: 'usage', inputTokens: 1, outputTokens: 0 },
  f: finish('stop'),
  '<': { type: 'rewind', to: 0 },
};
const stream = (letters: string): Observable<ChatEvent> => of(...[...letters].map((letter) => EVENTS[letter]!));
const isDot = { isTerminal: (value: string): boolean => value === '.' };

describe('verifyComplete', () => {
  it.each([
    ['saf', undefined],
    ['safu', undefined],
    ['srf', undefined],
    ['stf', undefined],
    ['sa', IncompleteStreamError],
    ['sau', IncompleteStreamError],
    ['sf', EmptyStreamError],
    ['sef', EmptyStreamError],
    ['suf', EmptyStreamError],
    ['s', EmptyStreamError],
    ['', EmptyStreamError],
    // What counts is what is left after a rewind.
    ['af<af', undefined],
    ['af<a', IncompleteStreamError],
    ['af<f', EmptyStreamError],
  ] as const)('%s: %o', (letters, error) => {
    const values = [...letters].map((letter) => EVENTS[letter]!);
    const seen = seenBy(stream(letters).pipe(verifyComplete()));
    expect(seen.values).toEqual(values);
    if (!error) expect(seen).toEqual({ values, ends: ['complete'] });
    else {
      expect(seen.ends).toEqual(['error']);
      expect((seen.error as Error).constructor).toBe(error);
      expect(seen.error).toMatchObject({ code: 'E3001', retryable: true, fallbackable: true });
    }
  });

  it.each<[FinishReason, boolean]>([
    ['contentFilter', true],
    ['refusal', true],
    ['stop', false],
    ['length', false],
    ['toolCalls', false],
    ['other', false],
  ])('an answer without content that ended by %s is whole: %s', (reason, whole) => {
    const seen = seenBy(of(EVENTS.s!, finish(reason)).pipe(verifyComplete()));
    expect(seen.ends).toEqual([whole ? 'complete' : 'error']);
    if (!whole) expect(seen.error).toBeInstanceOf(EmptyStreamError);
  });

  it('says how much was delivered', () => {
    expect(seenBy(stream('saa').pipe(verifyComplete())).error).toMatchObject({ emitted: 2 });
    expect(seenBy(stream('sf').pipe(verifyComplete())).error).not.toHaveProperty('emitted');
  });

  it('delivers everything when it comes, and errors in place of the completion', () => {
    const { frame } = marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const whole = cold('s-a-u-f-|', EVENTS);
      const short = cold('s-a-u-a-|', EVENTS);
      const error = Object.assign(new IncompleteStreamError(), { emitted: 2 });
      expectObservable(whole.pipe(verifyComplete())).toBe('s-a-u-f-|', EVENTS);
      expectObservable(short.pipe(verifyComplete())).toBe('s-a-u-a-#', EVENTS, error);
      expectObservable(cold('---|').pipe(verifyComplete())).toBe('---#', undefined, new EmptyStreamError());
      expectSubscriptions(short.subscriptions).toBe('^-------!');
    });
    expect(frame).toBe(8);
  });

  it('lets errors, and streams that do not end, through as they are', () => {
    for (const error of [busy(), new Error('raw'), 'text', undefined]) {
      expect(seenBy(throwError(() => error).pipe(verifyComplete()))).toEqual({ values: [], ends: ['error'], error });
    }
    marbles(({ expectObservable }) => expectObservable(NEVER.pipe(verifyComplete()), '---!').toBe('----'));
  });

  it('asks isTerminal where it is given', () => {
    expect(seenBy(of('a', '.').pipe(verifyComplete(isDot))).ends).toEqual(['complete']);
    expect(seenBy(of('a', 'b').pipe(verifyComplete(isDot))).error).toBeInstanceOf(IncompleteStreamError);
    expect(seenBy(of('a', 'b').pipe(verifyComplete())).error).toBeInstanceOf(IncompleteStreamError);
    expect(seenBy(EMPTY.pipe(verifyComplete(isDot))).error).toBeInstanceOf(EmptyStreamError);
  });

  it('asks isContent where it is given', () => {
    const isContent = (value: string): boolean => value === 'c';
    expect(seenBy(of('a', '.').pipe(verifyComplete({ ...isDot, isContent }))).error).toBeInstanceOf(EmptyStreamError);
    expect(seenBy(of('a', 'c', '.').pipe(verifyComplete({ ...isDot, isContent }))).ends).toEqual(['complete']);
  });

  it('allowEmpty: a stream without content is fine, one without a terminator is not', () => {
    const check = verifyComplete<ChatEvent>({ allowEmpty: true });
    expect(seenBy(stream('sf').pipe(check)).ends).toEqual(['complete']);
    for (const letters of ['', 's', 'sa']) {
      const { error } = seenBy(stream(letters).pipe(check));
      expect(error).toBeInstanceOf(IncompleteStreamError);
      expect(error).not.toBeInstanceOf(EmptyStreamError);
    }
  });

  it('checks each subscription by itself, also at the same time', () => {
    const subject = new Subject<string>();
    const result = subject.pipe(verifyComplete(isDot));
    const first = seenBy(result);
    subject.next('a');
    subject.next('.');
    const second = seenBy(result);
    subject.next('b');
    subject.complete();
    expect(first).toEqual({ values: ['a', '.', 'b'], ends: ['complete'] });
    expect(second.error).toBeInstanceOf(IncompleteStreamError);
    expect(second.values).toEqual(['b']);
    const operator = verifyComplete(isDot);
    expect(seenBy(of('a', '.').pipe(operator)).ends).toEqual(['complete']);
    expect(seenBy(of('a').pipe(operator)).ends).toEqual(['error']);
  });

  it('makes a stream that was cut short be retried', () => {
    const scheduler = new VirtualTimeScheduler();
    const { source$, opened } = attempts<ChatEvent>(stream('s'), stream('sf'), stream('saf'));
    const seen = seenBy(source$.pipe(verifyComplete(), retryBackoff({ scheduler })));
    scheduler.flush();
    expect(seen).toEqual({ values: [EVENTS.s, EVENTS.a, EVENTS.f], ends: ['complete'] });
    expect(opened()).toBe(3);
  });

  it('sees retries from above: what was taken back does not count', () => {
    const scheduler = new VirtualTimeScheduler();
    const cut = concat(stream('saf'), throwError(busy));
    const run = (last: string): unknown => {
      const { source$ } = attempts<ChatEvent>(cut, stream(last));
      const seen = seenBy(source$.pipe(retryBackoff({ onPartial: 'rewind', scheduler }), verifyComplete()));
      scheduler.flush();
      return seen.error;
    };
    expect(run('saf')).toBeUndefined();
    expect(run('sa')).toBeInstanceOf(IncompleteStreamError);
  });
});

describe('verifyComplete: leaving and order', () => {
  it('says nothing to a consumer that left, also one that took just enough', () => {
    const { source$, log } = attempts(stream('saa'));
    expect(seenBy(source$.pipe(verifyComplete(), take(3)))).toEqual({
      values: [EVENTS.s, EVENTS.a, EVENTS.a],
      ends: ['complete'],
    });
    expect(log).toEqual(['open 1', 'close 1']);
    const { frame } = marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('a--b--|');
      expectObservable(source.pipe(verifyComplete()), '----!').toBe('a--b-');
      expectSubscriptions(source.subscriptions).toBe('^---!');
    });
    expect(frame).toBe(4);
  });

  it('stops a synchronous source in the middle', () => {
    let given = 0;
    const firehose = new Observable<number>((subscriber) => {
      while (!subscriber.closed && given < 1_000_000) subscriber.next(given++);
    });
    expect(seenBy(firehose.pipe(verifyComplete(), take(3)))).toEqual({ values: [0, 1, 2], ends: ['complete'] });
    expect(given).toBe(3);
  });

  it('closes the source before the end is told', () => {
    for (const letters of ['saf', 'sa']) {
      const { source$, log } = attempts(stream(letters));
      source$
        .pipe(verifyComplete())
        .subscribe({ error: () => log.push('error'), complete: () => log.push('complete') });
      expect(log).toEqual(['open 1', 'close 1', letters === 'saf' ? 'complete' : 'error']);
    }
  });

  it.each(['isTerminal', 'isContent'])('makes what %s throws the error, and can be left inside it', (where) => {
    const thrown = new Error('mine');
    let act: () => void = () => {
      throw thrown;
    };
    const callback = (): boolean => (act(), true);
    const source = new Subject<string>();
    const { source$, log } = attempts<string>(source);
    const result = source$.pipe(verifyComplete({ [where]: callback }));
    const seen = seenBy(result);
    source.next('a');
    expect(seen).toEqual({ values: [], ends: ['error'], error: thrown });
    const next = vi.fn();
    const subscription = result.subscribe({ next, error: next, complete: next });
    act = () => subscription.unsubscribe();
    source.next('a');
    source.complete();
    expect(next).not.toHaveBeenCalled();
    expect(log).toEqual(['open 1', 'close 1', 'open 2', 'close 2']);
  });

  it('can be subscribed again from complete and from error', () => {
    const { source$, log } = attempts<string>(of('a', '.'), of('b'), of('c', '.'));
    const result = source$.pipe(verifyComplete(isDot));
    const got: string[] = [];
    const next = (value: string): void => void got.push(value);
    result.subscribe({ next, complete: () => result.subscribe({ next, error: () => result.subscribe(next) }) });
    expect(got.join('')).toBe('a.bc.');
    expect(log).toEqual([1, 2, 3].flatMap((n) => [`open ${n}`, `close ${n}`]));
  });

  it("leaves a throw in the consumer's next to the consumer", async () => {
    const thrown = new Error('in next');
    let completed = false;
    of('a', '.')
      .pipe(verifyComplete(isDot))
      .subscribe({
        next: () => {
          throw thrown;
        },
        complete: () => (completed = true),
      });
    expect(completed).toBe(true);
    await vi.waitFor(() => expect(unhandled).toEqual([thrown, thrown]));
    unhandled.length = 0;
  });
});

describe('verifyComplete: options', () => {
  it.each([
    [{ isTerminal: 'done' }, /isTerminal.*'done'/],
    [{ isContent: true }, /isContent.*true/],
    [{ scheduler: 1 }, /scheduler.*1/],
  ])('refuses %o at the call', (config, message) => {
    expect(() => verifyComplete(config as never)).toThrow(TypeError);
    expect(() => verifyComplete(config as never)).toThrow(message);
  });
});
