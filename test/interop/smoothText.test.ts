import {
  animationFrameScheduler,
  asyncScheduler,
  concat,
  EMPTY,
  map,
  NEVER,
  Observable,
  of,
  queueScheduler,
  Subject,
  take,
  throwError,
  type SchedulerLike,
} from 'rxjs';
import { afterEach, describe, expect, expectTypeOf, it, vi } from 'vitest';
import { accumulate, smoothText, type ChatEvent, type ChatMessageState, type SmoothTextOptions } from 'rx-weir';
import { finish, reasoning, rewind, start, text, toolCall, usage } from '../support/answers';
import { marbles } from '../support/marbles';
import { Time } from '../support/time';
import { Upstream } from '../support/upstream';
import { see, VirtualTime } from '../support/virtual';
import { Page } from './page';

const HIDDEN = { targetLagMs: 100, everyMs: 10 };

function setup<T = string>(options: SmoothTextOptions = HIDDEN) {
  const time = new VirtualTime();
  const source = new Subject<T>();
  const seen = see(source.pipe(smoothText<T>({ scheduler: time, ...options })), time);
  return { time, source, seen, said: () => seen.values.join('') };
}

const xs = (n: number): string => 'x'.repeat(n);
const lengths = (values: readonly string[]): number[] => values.map(({ length }) => length);

afterEach(() => vi.restoreAllMocks());

describe('smoothText: the pace', () => {
  it('lets a share of what waits through at once and then in each period, and at least a character', () => {
    const { time, source, seen } = setup();
    source.next(xs(100));
    time.advance(10_000);
    const expected: number[] = [];
    for (let left = 100; left > 1; left -= expected.at(-1)!) expected.push(Math.ceil(left / 10));
    expect(lengths(seen.values)).toEqual([...expected, 1]);
    expect(seen.at.slice(0, 4)).toEqual([0, 10, 20, 30]);
    expect(time.timers).toBe(0);
  });

  it('does so with the default 150 and 16 ms, on the default scheduler', () => {
    marbles(({ hot, expectObservable }) => {
      const said = hot('a 999ms |', { a: xs(100) }).pipe(
        smoothText(),
        map(({ length }) => length),
      );
      expectObservable(said, '^ 60ms !').toBe('a 15ms b 15ms c 15ms d', { a: 11, b: 10, c: 9, d: 8 });
    });
  });

  it('brings a backlog to about a third in the time of the lag, however long it is', () => {
    for (const n of [100, 10_000, 1_000_000]) {
      const { time, source, said } = setup({ targetLagMs: 150 });
      source.next(xs(n));
      time.advance(150);
      expect(said().length / n).toBeGreaterThan(0.6);
      expect(said().length / n).toBeLessThan(0.75);
    }
  });

  it('keeps a steady source within the lag', () => {
    const { time, source, said } = setup({ targetLagMs: 100, everyMs: 16 });
    for (let sent = 3; sent <= 6000; sent += 3) {
      source.next('abc');
      time.advance(1);
      // 3 characters a ms for 100 ms, and those of a period.
      expect(sent - said().length).toBeLessThanOrEqual(300 + 48);
    }
  });

  it('lets more through when timers are late, and nothing less when the clock is put back', () => {
    const time = new Time();
    const source = new Subject<string>();
    const values: string[] = [];
    source.pipe(smoothText({ ...HIDDEN, scheduler: time })).subscribe((value) => values.push(value));
    source.next(xs(1000));
    time.jump(40);
    time.advance(10);
    expect(lengths(values)).toEqual([100, 450]);
    time.jump(-3_600_000);
    time.advance(10);
    expect(values.at(-1)).toHaveLength(45);
    time.jump(3_600_000);
    time.advance(10);
    time.advance(100);
    expect(values.join('')).toHaveLength(1000);
    expect(time.timers).toBe(0);
  });

  it('with a lag of 0 lets everything through in each period', () => {
    const { time, source, seen } = setup({ targetLagMs: 0, everyMs: 10 });
    source.next('Hello');
    source.next(', you');
    expect(seen.values).toEqual(['Hell']);
    time.advance(10);
    expect(seen.values).toEqual(['Hell', 'o, you']);
    time.advance(10);
    expect(time.timers).toBe(0);
  });

  it('sets no timer while nothing waits', () => {
    const { time, source, seen } = setup();
    expect(time.timers).toBe(0);
    source.next('');
    expect(time.timers).toBe(0);
    source.next('Hello');
    expect(time.timers).toBe(1);
    time.advance(1000);
    expect(seen.values.join('')).toBe('Hello');
    expect(time.timers).toBe(0);
  });

  it('asks for none to pass what has no text', () => {
    const time = new Time();
    of(start, reasoning('hm'), text(''), finish)
      .pipe(smoothText({ scheduler: time }))
      .subscribe();
    expect(time.delays).toEqual([]);
  });

  it('is through in the time it promises when the source pauses', () => {
    for (const n of [1, 2, 9, 10, 11, 100, 5000, 300_000]) {
      for (const { targetLagMs, everyMs } of [
        { targetLagMs: 150, everyMs: 16 },
        { targetLagMs: 10, everyMs: 16 },
        { targetLagMs: 1000, everyMs: 1 },
      ]) {
        const { time, source, said } = setup({ targetLagMs, everyMs });
        source.next(xs(n));
        time.advance(Math.ceil(targetLagMs * (1 + Math.log(Math.max(1, (n * everyMs) / targetLagMs))) + everyMs));
        expect(said()).toHaveLength(n);
        expect(time.timers).toBe(0);
      }
    }
  });

  it.each<[keyof SmoothTextOptions, unknown, typeof Error]>([
    ['targetLagMs', NaN, RangeError],
    ['targetLagMs', -1, RangeError],
    ['targetLagMs', Infinity, RangeError],
    ['targetLagMs', '150', TypeError],
    ['everyMs', NaN, RangeError],
    ['everyMs', -1, RangeError],
    ['everyMs', 2 ** 31, RangeError],
    ['everyMs', null, TypeError],
  ])('refuses %s: %s at the call, naming it', (name, value, Kind) => {
    expect(() => smoothText({ [name]: value })).toThrow(Kind);
    expect(() => smoothText({ [name]: value })).toThrow(new RegExp(`${name}.*got`));
  });
});

describe('smoothText: what is let through', () => {
  it('leaves everything but text where it is among the text', () => {
    const { time, source, seen } = setup<ChatEvent>();
    const events = [start, reasoning('hm'), text('Hello'), usage(1, 1), text('you'), toolCall, rewind(2), text('!')];
    for (const event of events) source.next(event);
    source.complete();
    const wholes = seen.values.reduce<ChatEvent[]>((all, event) => {
      const last = all.at(-1);
      if (event.type === 'text' && last?.type === 'text') all[all.length - 1] = text(last.text + event.text);
      else all.push(event);
      return all;
    }, []);
    expect(wholes).toEqual(events);
    expect(seen.values.filter(({ type }) => type !== 'text')).toEqual(events.filter(({ type }) => type !== 'text'));
    expect(time.timers).toBe(0);
  });

  it('passes what has no text at once when no text waits, and behind its text when that is through', () => {
    const { time, source, seen } = setup<ChatEvent>();
    source.next(start);
    expect(seen.values).toEqual([start]);
    source.next(text('ab'));
    source.next(finish);
    expect(seen.values).toEqual([start, text('a')]);
    time.advance(10);
    expect(seen.values.slice(2)).toEqual([text('b'), finish]);
    expect(time.timers).toBe(0);
  });

  it('keeps values as they are that it does not cut, and all fields of those that it cuts', () => {
    const { time, source, seen } = setup<unknown>();
    const event = Object.freeze({ type: 'text', text: 'ab', index: 3 });
    const others = [null, undefined, 7, { type: 'text' }, { type: 'text', text: 5 }, text('')];
    source.next(event);
    for (const other of others) source.next(other);
    time.advance(1000);
    expect(seen.values).toEqual([{ ...event, text: 'a' }, { ...event, text: 'b' }, ...others]);
    const whole = text('whole');
    source.next(whole);
    source.complete();
    Page.open('hidden');
    const hidden = setup<unknown>();
    hidden.source.next(whole);
    expect(hidden.seen.values[0]).toBe(whole);
  });

  it('joins texts that differ in nothing else, and no others', () => {
    const { time, source, seen } = setup<unknown>({ targetLagMs: 1, everyMs: 10 });
    const at = (index: number, said: string) => ({ type: 'text', text: said, index });
    for (const value of [at(0, 'ab'), at(0, 'cd'), at(1, 'ef'), 'gh', 'ij', text('kl'), text('mn')]) source.next(value);
    time.advance(10);
    expect(seen.values).toEqual([at(0, 'a'), at(0, 'bcd'), at(1, 'ef'), 'ghij', text('klmn')]);
  });

  it('is typed by its stream', () => {
    const events$ = NEVER as Observable<ChatEvent>;
    expectTypeOf(events$.pipe(smoothText())).toEqualTypeOf<Observable<ChatEvent>>();
    expectTypeOf(events$.pipe(smoothText({ targetLagMs: 9 }), accumulate())).toEqualTypeOf<
      Observable<ChatMessageState>
    >();
  });
});

describe('smoothText: characters', () => {
  const FAMILY = '👨‍👩‍👧‍👦';

  it('lets each one through whole, whatever the units', () => {
    const { time, source, seen } = setup({ targetLagMs: 1000, everyMs: 10 });
    const whole = ['e\u0301', FAMILY, '🇩🇪', '🇫🇷', '\r\n', '🌊', '.'];
    source.next(whole.join(''));
    time.advance(5000);
    expect(seen.values).toEqual(whole);
  });

  it('holds the last one back for what may belong to it, about as long as the lag', () => {
    const { time, source, seen } = setup();
    for (const part of FAMILY) {
      source.next(part);
      time.advance(80);
    }
    expect(seen.values).toEqual([]);
    time.advance(40);
    expect(seen.values).toEqual([FAMILY]);
    source.next('a');
    source.next('b');
    time.advance(20);
    expect(seen.values).toEqual([FAMILY, 'a']);
    time.advance(100);
    expect(seen.values).toEqual([FAMILY, 'a', 'b']);
    expect(time.timers).toBe(0);
  });

  it('does not hold it back when something else follows', () => {
    const { time, source, seen } = setup<ChatEvent>();
    source.next(text('a'));
    source.next(usage(1, 1));
    time.advance(10);
    expect(seen.values).toEqual([text('a'), usage(1, 1)]);
  });

  it('remembers a character of which a part is through: the next ones are cut as in the whole', () => {
    const { time, source, seen } = setup({ targetLagMs: 100, everyMs: 20 });
    source.next('🇩');
    time.advance(1000);
    expect(seen.values).toEqual(['🇩']);
    source.next('🇪🇫🇷🇪🇸');
    time.advance(1000);
    expect(seen.values).toEqual(['🇩', '🇪', '🇫🇷', '🇪🇸']);
  });

  it('lets one through in parts, but no half code points, that is longer than any', () => {
    const whole = `x${'\u0301'.repeat(1000)}${'👨\u200d'.repeat(500)}`;
    const { time, source, seen } = setup();
    source.next(whole);
    time.advance(10_000);
    expect(seen.values.length).toBeGreaterThan(3);
    expect(seen.values.join('')).toBe(whole);
    for (const value of seen.values) expect(value).not.toMatch(/\p{Surrogate}/u);
  });

  it('cuts between code points where there is no Intl.Segmenter', () => {
    const { Segmenter } = Intl;
    try {
      Object.assign(Intl, { Segmenter: undefined });
      const { time, source, seen } = setup({ targetLagMs: 1000, everyMs: 10 });
      const whole = `a🌊${FAMILY}\ud83d.`;
      source.next(whole.slice(0, 2));
      source.next(whole.slice(2));
      time.advance(5000);
      expect(seen.values).toEqual([...whole]);
      expect(time.timers).toBe(0);
    } finally {
      Object.assign(Intl, { Segmenter });
    }
  });

  it.each([
    ['one text of a million units', ['水'.repeat(1_000_000)]],
    ['a backlog to which text is added all the time', Array.from({ length: 2000 }, () => '水'.repeat(500))],
    ['a backlog of small parts', Array.from({ length: 16_000 }, () => '水の')],
    ['parts that differ', Array.from({ length: 3000 }, (_, index) => ({ type: 'text', text: '水'.repeat(20), index }))],
  ])('looks at each part of a text a few times at the most: %s', (_, values) => {
    // A cost that grows with the backlog would be that of its square.
    let looked = 0;
    const { segment } = Intl.Segmenter.prototype;
    vi.spyOn(Intl.Segmenter.prototype, 'segment').mockImplementation(function (this: Intl.Segmenter, input) {
      looked += input.length;
      return segment.call(this, input);
    });
    const { time, source, seen } = setup<unknown>();
    let length = 0;
    for (const [i, value] of values.entries()) {
      length += (typeof value === 'string' ? value : value.text).length;
      source.next(value);
      if (i % 100 === 99) time.advance(10);
    }
    time.advance(10_000);
    const said = seen.values.map((value) => (typeof value === 'string' ? value : (value as { text: string }).text));
    expect(said.join('')).toHaveLength(length);
    // Beside the text itself, what is before and behind the place that is asked for.
    expect(looked).toBeGreaterThan(length / 10);
    expect(looked).toBeLessThan(2 * length + 600 * seen.values.length);
  });
});

describe('smoothText: ends', () => {
  it('lets everything through at once when the source completes, then completes', () => {
    const { time, source, seen, said } = setup();
    source.next(xs(50));
    source.next('👨');
    source.complete();
    expect(said()).toBe(`${xs(50)}👨`);
    expect(seen.values).toHaveLength(2);
    expect(seen.end).toBe('complete');
    expect(time.timers).toBe(0);
  });

  it('lets everything through at once when the source fails, then fails', () => {
    const { time, source, seen, said } = setup();
    source.next(xs(50));
    source.error('cut');
    expect(said()).toBe(xs(50));
    expect(seen).toMatchObject({ end: 'error', error: 'cut' });
    expect(time.timers).toBe(0);
  });

  it('takes a source that does all of it at once, or nothing', () => {
    const time = new VirtualTime();
    const smooth = smoothText<string>({ scheduler: time });
    expect(see(of('Hello', ' you').pipe(smooth), time).values.join('')).toBe('Hello you');
    expect(see(EMPTY.pipe(smooth), time)).toMatchObject({ values: [], end: 'complete' });
    expect(see(NEVER.pipe(smooth), time)).toMatchObject({ values: [], end: undefined });
    const failed = concat(
      of('ab'),
      throwError(() => 'cut'),
    );
    expect(see(failed.pipe(smooth), time)).toMatchObject({ values: ['a', 'b'], end: 'error', error: 'cut' });
    expect(time.timers).toBe(0);
  });

  it('unsubscribing leaves the source and the timer at once, and nothing more comes', () => {
    const time = new VirtualTime();
    const upstream = new Upstream();
    const seen = see(upstream.stream.pipe(smoothText({ scheduler: time })), time);
    upstream.last.next(xs(50));
    seen.subscription.unsubscribe();
    const { length } = seen.values;
    expect(upstream.open).toBe(0);
    expect(time.timers).toBe(0);
    time.advance(1000);
    expect(seen.values).toHaveLength(length);
  });

  it.each([
    ['at once', 1],
    ['in a period', 3],
    ['in the flush at the end', 0],
  ])('may be unsubscribed by who is told: %s', (_, n) => {
    const time = new VirtualTime();
    const upstream = new Upstream();
    const values: string[] = [];
    const smooth = upstream.stream.pipe(smoothText({ ...HIDDEN, scheduler: time }));
    const subscription = smooth.subscribe((value) => {
      values.push(value);
      if (values.length === n || value.length > 100) subscription.unsubscribe();
    });
    upstream.last.next(xs(n > 0 ? 50 : 2000));
    if (n > 0) time.advance(1000);
    else upstream.last.complete();
    expect(upstream.open).toBe(0);
    expect(values).toHaveLength(n || 1);
    expect(time.timers).toBe(0);
  });

  it('take(n) stops a synchronous source, also one that would never let a timer run', () => {
    const time = new VirtualTime();
    let asked = 0;
    const endless = new Observable<string>((subscriber) => {
      while (!subscriber.closed && asked < 1e6) subscriber.next(String(asked++));
    });
    const seen = see(endless.pipe(smoothText({ scheduler: time }), take(2)), time);
    expect(seen).toMatchObject({ end: 'complete' });
    expect(seen.values.join('').startsWith('0123456789101112')).toBe(true);
    expect(asked).toBeLessThan(40_000);
    expect(time.timers).toBe(0);
  });

  it('each subscription is smoothed for itself', () => {
    const time = new VirtualTime();
    const smooth = of('ab').pipe((source) => concat(source, NEVER), smoothText({ scheduler: time }));
    const first = see(smooth, time);
    time.advance(1000);
    const second = see(smooth, time);
    time.advance(1000);
    expect([first.values, second.values]).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ]);
  });
});

describe('smoothText: sources that are moved by who is told', () => {
  it('keeps the order, and its pace', () => {
    for (const targetLagMs of [100, 1]) {
      const time = new VirtualTime();
      const source = new Subject<string>();
      let n = 0;
      const seen = see(source.pipe(smoothText({ targetLagMs, everyMs: 10, scheduler: time })), time, () => {
        if (n < 26) source.next(String.fromCharCode(97 + n++));
      });
      source.next('>');
      time.advance(10_000);
      expect(seen.values.join('')).toBe('>abcdefghijklmnopqrstuvwxyz');
      // Each is held back for as long as the lag, and a period at least.
      expect(Math.max(...seen.at)).toBeGreaterThanOrEqual(26 * Math.max(10, targetLagMs));
      expect(time.timers).toBe(0);
    }
  });

  it('takes values, an end and a flush that come while it lets something through', () => {
    for (const how of ['complete', 'error', 'hide', 'none'] as const) {
      const page = Page.open();
      const time = new VirtualTime();
      const source = new Subject<ChatEvent>();
      let done = false;
      const seen = see(source.pipe(smoothText({ ...HIDDEN, scheduler: time })), time, (value) => {
        if (done || value.type !== 'usage') return;
        done = true;
        source.next(text('later'));
        source.next(finish);
        if (how === 'hide') page.become('hidden');
        else if (how !== 'none') source[how]('cut');
      });
      for (const event of [text('first'), usage(1, 1), text('second'), usage(2, 2)]) source.next(event);
      time.advance(10_000);
      const said = seen.values.map((value) => (value.type === 'text' ? value.text : `(${value.type})`)).join('');
      expect(said).toBe('first(usage)second(usage)later(finish)');
      expect(seen.end).toBe(how === 'complete' || how === 'error' ? how : undefined);
      expect(time.timers).toBe(0);
    }
  });

  it('loses nothing of what is pushed in the flush of too much', () => {
    const time = new VirtualTime();
    const source = new Subject<string>();
    let more = 0;
    const seen = see(source.pipe(smoothText({ ...HIDDEN, scheduler: time })), time, (value) => {
      if (value.length > 1000 && more++ < 3) for (const one of ['cd', 'ef']) source.next(one);
    });
    let flushed = 0;
    for (let i = 0; i < 20_000; i++) {
      source.next('ab');
      if (more > 0) flushed ||= i;
    }
    expect(flushed).toBeGreaterThan(16_000);
    time.advance(10_000);
    const said = seen.values.join('');
    expect(said).toHaveLength(40_000 + 4 * more);
    expect(said.replaceAll('cdef', '')).toBe('ab'.repeat(20_000));
    expect(time.timers).toBe(0);
  });
});

describe('smoothText: a hidden page', () => {
  it('lets everything through when it becomes hidden, and while it is, as it comes', () => {
    const page = Page.open();
    const { time, source, seen, said } = setup();
    source.next(xs(50));
    page.become('hidden');
    expect(said()).toBe(xs(50));
    expect(time.timers).toBe(0);
    source.next('Hello');
    source.next(' you');
    expect(seen.values.slice(-2)).toEqual(['Hello', ' you']);
    expect(time.timers).toBe(0);
    page.become('visible');
    source.next(xs(50));
    expect(seen.values.at(-1)).toHaveLength(5);
    expect(time.timers).toBe(1);
  });

  it('does so from the start, where it is hidden then', () => {
    Page.open('hidden');
    const { source, seen } = setup<ChatEvent>();
    for (const event of [start, text('Hello'), finish]) source.next(event);
    expect(seen.values).toEqual([start, text('Hello'), finish]);
  });

  it('has one listener while it is subscribed, and none after any end', () => {
    const page = Page.open();
    const ends: ((one: ReturnType<typeof setup<string>>) => void)[] = [
      ({ source }) => source.complete(),
      ({ source }) => source.error('cut'),
      ({ seen }) => seen.subscription.unsubscribe(),
    ];
    for (const end of ends) {
      const one = setup();
      expect(page.listeners.size).toBe(1);
      one.source.next(xs(50));
      end(one);
      expect(page.listeners.size).toBe(0);
    }
    see(of('a').pipe(smoothText()), new VirtualTime());
    expect(page.listeners.size).toBe(0);
  });
});

describe('smoothText: schedulers', () => {
  it('lets text through in every frame, with everyMs 0 and animationFrameScheduler', () => {
    marbles(({ animate, cold, expectObservable }) => {
      animate('          --x--x--x--x--x--x--x--x--x');
      const source = cold('a--------------------------|', { a: 'abcdef' });
      const expected = '   a-b--c--d--e-----f---------|';
      const smooth = smoothText<string>({ targetLagMs: 15, everyMs: 0, scheduler: animationFrameScheduler });
      expectObservable(source.pipe(smooth)).toBe(expected);
    });
  });

  it.each<[string, SchedulerLike, number]>([
    ['animationFrameScheduler, every 16 ms', animationFrameScheduler, 16],
    ['asyncScheduler, as often as it can', asyncScheduler, 0],
  ])('works with %s', (_, scheduler, everyMs) => {
    marbles(({ animate, cold, expectObservable }) => {
      animate('100ms x');
      const said = cold('a 999ms |', { a: 'Hello' }).pipe(smoothText({ everyMs, scheduler }));
      let whole = '';
      expectObservable(said.pipe(map((value) => (whole += value).length === 5 && value === 'o'))).toBe(
        everyMs > 0 ? 'a 15ms b 15ms c 15ms d 111ms e 839ms |' : '(abcde) 993ms |',
        { a: false, b: false, c: false, d: false, e: true },
      );
    });
  });

  it('works with one that does its work at once', () => {
    const seen = see(
      concat(of('Hello', ' you'), NEVER).pipe(smoothText({ everyMs: 0, scheduler: queueScheduler })),
      new VirtualTime(),
    );
    expect(seen.values.join('')).toBe('Hello you');
  });

  it('works with one that is only an interface', () => {
    const works: (() => void)[] = [];
    let now = 0;
    const scheduler = {
      now: () => now,
      schedule(work: () => void, delay: number) {
        const one = (): void => {
          now += delay;
          work();
        };
        works.push(one);
        return { closed: false, unsubscribe: () => works.splice(works.indexOf(one), 1), add: () => undefined };
      },
    } as unknown as SchedulerLike;
    const values: string[] = [];
    concat(of('Hello'), NEVER)
      .pipe(smoothText({ ...HIDDEN, scheduler }))
      .subscribe((value) => values.push(value));
    for (let i = 0; i < 100; i++) works.shift()?.();
    expect(values.join('')).toBe('Hello');
    expect(works).toEqual([]);
  });
});
