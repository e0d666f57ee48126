import fc from 'fast-check';
import { NEVER, Observable, of, Subject, take, type Observer } from 'rxjs';
import { describe, expect, it, vi } from 'vitest';
import { isContent, trimOverlap, type ChatEvent, type TrimOverlapOptions } from 'rx-weir';
import { cut, finish, overlapOf, piecesOf, reasoning, start, text, textOf, toolCall, usage } from '../support/answers';
import { attempts, busy, seenBy } from '../support/attempts';
import { marbles } from '../support/marbles';

const SAID = 'hello world';
const min5 = { min: 5 };

/** What comes out of these values, all of them there at once. */
const out = <T>(values: T[], options: TrimOverlapOptions<T> = min5, delivered = SAID): T[] => {
  const seen = seenBy(of(...values).pipe(trimOverlap<T>(delivered, options)));
  expect(seen.ends).toEqual(['complete']);
  return seen.values;
};

describe('trimOverlap', () => {
  it('leaves out what is said again, as soon as it is clear how much that is', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const values = { w: 'wor', l: 'ld!', r: '!', n: ' Now' };
      const source = cold('-w-l-n--|', values);
      const result = '     ---r-n--|';
      expectObservable(source.pipe(trimOverlap(SAID, min5))).toBe(result, values);
      expectSubscriptions(source.subscriptions).toBe('^-------!');
    });
  });

  it('lets what it held go when it turns out to be new', () => {
    marbles(({ cold, expectObservable }) => {
      const values = { w: 'wor', m: 'm', x: 'x' };
      const source = cold('-w-m---x-|', values);
      const result = '     ---(wm)x-|';
      expectObservable(source.pipe(trimOverlap(SAID, min5))).toBe(result, values);
    });
  });

  it('holds nothing back from which too little is left to be an overlap', () => {
    marbles(({ cold, expectObservable }) => {
      const values = { r: 'rld', x: 'x' };
      expectObservable(cold('-r-x-|', values).pipe(trimOverlap(SAID, min5))).toBe('-r-x-|', values);
    });
    marbles(({ cold, expectObservable }) => {
      expectObservable(cold('-a-b-|').pipe(trimOverlap('ab'))).toBe('-a-b-|'); // shorter than the default of 16
      expectObservable(cold('-a-b-|').pipe(trimOverlap(''))).toBe('-a-b-|');
    });
  });

  it('lets it go when the source completes, or leaves it out', () => {
    marbles(({ cold, expectObservable }) => {
      const values = { w: 'wor', o: 'world' };
      expectObservable(cold('-w--|', values).pipe(trimOverlap(SAID, min5))).toBe('----(w|)', values);
      expectObservable(cold('-o--|', values).pipe(trimOverlap(SAID, min5))).toBe('----|', values);
      // `hello` begins the delivered text, and might have gone on with it.
      expectObservable(cold('-h--|', { h: 'hello' }).pipe(trimOverlap(`hello ${SAID}`, min5))).toBe('----(h|)', {
        h: 'hello',
      });
    });
  });

  it('finds, at the end, the overlap that is shorter than what was waited for', () => {
    expect(out(['aba'], { min: 1 }, 'abacaba')).toEqual([]);
    expect(out(['ab'], { min: 1 }, 'abXab')).toEqual([]);
    expect(out(['aba', 'b'], { min: 2 }, 'ababXab')).toEqual(['a', 'b']);
  });

  it('takes 16 characters as the least', () => {
    const sixteen = 'sixteen letters!';
    expect(out([`${sixteen} and on`], {}, `These are ${sixteen}`)).toEqual([' and on']);
    expect(out([`${sixteen.slice(1)} and on`], {}, `These are ${sixteen}`)).toEqual([`${sixteen.slice(1)} and on`]);
  });

  it('passes what has no text, but behind what is held, and keeps the order', () => {
    const [w, u, r, f, x] = [text('wor'), usage(1, 2), reasoning('hm'), finish, text('!')];
    marbles(({ cold, expectObservable }) => {
      const values = { s: start, w, u, r, x, f };
      const source = cold<ChatEvent>('s-w-u-r-x-----f-|', values);
      const result = '                s-------(wurx)f-|';
      expectObservable(source.pipe(trimOverlap<ChatEvent>(SAID, min5))).toBe(result, values);
    });
    expect(out<ChatEvent>([start, r, w, u, text('ld'), text(' is'), f])).toEqual([start, r, u, text(' is'), f]);
    expect(out<ChatEvent>([w, u, text('ld is'), f])).toEqual([u, text(' is'), f]);
    expect(out<ChatEvent>([w, toolCall, f])).toEqual([w, toolCall, f]);
    expect(out<ChatEvent>([text(''), text('wor'), text(''), text('ld')])).toEqual([text(''), text('')]);
    expect(out<ChatEvent>([start, finish])).toEqual([start, finish]);
  });

  it('passes values that are no text at all', () => {
    expect(out<unknown>([1, null, undefined, {}, 2])).toEqual([1, null, undefined, {}, 2]);
  });

  it('cuts values of any type by textOf and withText, and keeps the rest of a chat event', () => {
    const value = (delta: string) => ({ delta, id: 7 });
    const options = {
      ...min5,
      textOf: ({ delta }: { delta: string }) => delta,
      withText: (from: { delta: string; id: number }, delta: string) => ({ ...from, delta }),
    };
    expect(out([value('wor'), value('ld is')], options)).toEqual([value(' is')]);
    const tagged = { ...text('world is'), id: 'x' };
    expect(out<ChatEvent>([tagged])).toEqual([{ ...tagged, text: ' is' }]);
  });

  it('fails for a value that must be cut and cannot be, and closes the source', () => {
    const options = { ...min5, textOf: ({ delta }: { delta: string }) => delta };
    const { source$, log } = attempts(of({ delta: 'wor' }, { delta: 'ld is' }, { delta: 'more' }));
    const { values, ends, error } = seenBy(source$.pipe(trimOverlap(SAID, options)));
    expect([values, ends]).toEqual([[], ['error']]);
    expect(error).toBeInstanceOf(TypeError);
    expect((error as TypeError).message).toContain('withText');
    expect(log).toEqual(['open 1', 'close 1']);
    // Where the overlap ends between two values nothing need be cut.
    expect(out([{ delta: 'world' }, { delta: ' is' }], options)).toEqual([{ delta: ' is' }]);
    expect(out([{ delta: 'word' }, { delta: ' is' }], options)).toEqual([{ delta: 'word' }, { delta: ' is' }]);
  });

  it.each(['textOf', 'withText', 'isContent'])('makes what %s throws the error of the stream', (where) => {
    const thrown = new Error('mine');
    const source = new Subject<string>();
    const seen = seenBy(
      source.pipe(
        trimOverlap(SAID, {
          ...min5,
          [where]: () => {
            throw thrown;
          },
        }),
      ),
    );
    source.next('world is');
    expect(seen).toEqual({ values: [], ends: ['error'], error: thrown });
    expect(source.observed).toBe(false);
  });

  it('gives an error as it is, and drops what it held', () => {
    const error = busy();
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-w-#', { w: 'wor' }, error);
      expectObservable(source.pipe(trimOverlap(SAID, min5))).toBe('---#', undefined, error);
      expectSubscriptions(source.subscriptions).toBe('^--!');
    });
  });

  it('closes the source at once when it is left, also while it holds something', () => {
    const { frame } = marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-w---x-|', { w: 'wor', x: 'ld!' });
      expectObservable(source.pipe(trimOverlap(SAID, min5)), '---!').toBe('----');
      expectObservable(NEVER.pipe(trimOverlap(SAID, min5)), '--!').toBe('---');
      expectSubscriptions(source.subscriptions).toBe('^--!');
    });
    expect(frame).toBe(3);
  });

  it('delivers nothing more to one who leaves among what it lets go', () => {
    const { source$, log } = attempts(of('wor', 'm', 'x'));
    expect(seenBy(source$.pipe(trimOverlap(SAID, min5), take(1)))).toEqual({ values: ['wor'], ends: ['complete'] });
    expect(log).toEqual(['open 1', 'close 1']);
    const atEnd = attempts(of('w', 'o'));
    expect(seenBy(atEnd.source$.pipe(trimOverlap(SAID, min5), take(1)))).toEqual({ values: ['w'], ends: ['complete'] });
    expect(atEnd.log).toEqual(['open 1', 'close 1']);
  });

  it('stops a synchronous source that never ends', () => {
    let given = 0;
    const firehose = new Observable<string>((subscriber) => {
      while (!subscriber.closed && given < 1_000_000) subscriber.next(given++ === 0 ? 'world' : 'x');
    });
    const { source$, active } = attempts(firehose);
    const seen = seenBy(source$.pipe(trimOverlap(SAID, min5), take(3)));
    expect(seen).toEqual({ values: ['x', 'x', 'x'], ends: ['complete'] });
    expect([given, active()]).toEqual([4, 0]);
  });

  it('takes a downstream take exactly at the end', () => {
    expect(seenBy(of('world', 'x').pipe(trimOverlap(SAID, min5), take(1)))).toEqual({
      values: ['x'],
      ends: ['complete'],
    });
  });

  it('starts anew for each subscription, also at the same time', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const values = { w: 'wor', l: 'ld!', r: '!' };
      const source = cold('-w-l-|', values);
      const result = source.pipe(trimOverlap(SAID, min5));
      expectObservable(result).toBe('---r-|', values);
      expectObservable(result, '-^').toBe('----r-|', values);
      expectObservable(result, '--------^').toBe('-----------r-|', values);
      expectSubscriptions(source.subscriptions).toBe(['^----!', '-^----!', '--------^----!']);
    });
  });

  it('tells the end once, with the source closed', () => {
    const log: string[] = [];
    const observer: Partial<Observer<string>> = {
      complete: () => log.push('complete'),
      error: () => log.push('error'),
    };
    for (const source of [of('wor'), cut(busy(), 'wor')]) {
      const tried = attempts(source);
      tried.source$.pipe(trimOverlap(SAID, min5)).subscribe(observer);
      expect(tried.active()).toBe(0);
    }
    expect(log).toEqual(['complete', 'error']);
  });

  it.each([
    [5, {}, /delivered.*5/],
    [undefined, {}, /delivered.*undefined/],
    ['x', { min: 0 }, /min.*0/],
    ['x', { min: -1 }, /min.*-1/],
    ['x', { min: 1.5 }, /min.*1\.5/],
    ['x', { min: NaN }, /min.*NaN/],
    ['x', { min: '16' }, /min.*'16'/],
    ['x', { textOf: 5 }, /textOf.*5/],
    ['x', { withText: 'x' }, /withText.*'x'/],
    ['x', { isContent: true }, /isContent.*true/],
    ['x', { scheduler: {} }, /scheduler/],
  ])('refuses %o with %o at the call', (delivered, options, message) => {
    expect(() => trimOverlap(delivered as string, options as never)).toThrow(message);
  });

  it('asks nobody at the call', () => {
    const textOf = vi.fn(() => '');
    trimOverlap(SAID, { textOf });
    expect(textOf).not.toHaveBeenCalled();
  });
});

describe('trimOverlap, for any text', () => {
  const letters = fc.constantFrom(...'abcde ,.水é', '😀', '😁', '🌊');
  const whole = fc.array(letters, { maxLength: 60 });
  const offsets = fc.array(fc.nat(80), { maxLength: 20 });
  const minimum = fc.integer({ min: 1, max: 8 });
  const run = (delivered: string, pieces: readonly string[], min: number): string[] => {
    const strings = out([...pieces], { min }, delivered);
    const asEvents = out<ChatEvent>(pieces.map(text), { min }, delivered);
    expect(asEvents).toEqual(strings.map(text));
    expect(asEvents.every(isContent), 'nothing is left of what was said before').toBe(true);
    return strings;
  };

  // Precondition: no longer end of the delivered text is the beginning of the new one than what was really said again. A text
  // that repeats itself may have one, and nobody could tell the two apart.
  it('makes it whole again, wherever it was cut and however much is repeated', () => {
    fc.assert(
      fc.property(whole, fc.nat(60), fc.nat(60), minimum, offsets, (units, at, back, min, cuts) => {
        const all = units.join('');
        const delivered = units.slice(0, at).join('');
        const said = units.slice(Math.max(0, Math.min(at, units.length) - back)).join('');
        const repeated = delivered.length + said.length - all.length;
        fc.pre(overlapOf(delivered, said, min) === (repeated >= min ? repeated : 0));
        const output = run(delivered, piecesOf(said, cuts), min).join('');
        if (repeated >= min) expect(delivered + output).toBe(all);
        else expect(output, 'less than that is never left out').toBe(said);
      }),
      { numRuns: 1000 },
    );
  });

  it('leaves out the longest end of what was delivered, and nothing else', () => {
    fc.assert(
      fc.property(whole, whole, fc.nat(60), minimum, offsets, (before, after, from, min, cuts) => {
        const delivered = before.join('');
        const said = [...before.slice(from), ...after].join('');
        const output = run(delivered, piecesOf(said, cuts), min).join('');
        expect(output).toBe(said.slice(overlapOf(delivered, said, min)));
      }),
      { numRuns: 500 },
    );
  });

  it('never makes half a surrogate pair of a whole one', () => {
    const faces = fc.array(fc.constantFrom('😀', '😁', '🌊', 'a'), { maxLength: 20 });
    fc.assert(
      fc.property(faces, faces, fc.nat(20), minimum, (before, after, from, min) => {
        for (const value of run(before.join(''), [...before.slice(from), ...after], min)) {
          expect(value).not.toMatch(/\p{Surrogate}/u);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('joins a pair that the source itself had cut in two', () => {
    const delivered = `say ${'😀'.charAt(0)}`;
    expect(textOf([delivered, ...run(delivered, [delivered, '😀'.charAt(1), '!'], 2)])).toBe('say 😀!');
  });
});
