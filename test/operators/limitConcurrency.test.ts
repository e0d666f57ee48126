import {
  concat,
  concatMap,
  defer,
  EMPTY,
  from,
  mergeMap,
  NEVER,
  Observable,
  of,
  range,
  Subject,
  take,
  throwError,
} from 'rxjs';
import {
  Backpressure,
  ConcurrencyLimitError,
  limitConcurrency,
  type BackpressureConfig,
  type PriorityOptions,
} from 'rx-weir';
import { describe, expect, it } from 'vitest';
import { marbles } from '../support/marbles';
import { Time } from '../support/time';
import { listen, Upstream, type Heard } from '../support/upstream';

function setup(config: BackpressureConfig = { maxInflight: 1 }) {
  const time = new Time();
  const slots = new Backpressure(config);
  const up = new Upstream();
  const guard = limitConcurrency<string>(slots, { scheduler: time });
  const started: string[] = [];
  /** A stream that notes when it is opened, and stays open. */
  const named = (name: string, priority = 0) =>
    defer(() => {
      started.push(name);
      return up.stream;
    }).pipe(limitConcurrency(slots, { scheduler: time, priority }));
  return { time, slots, up, guard, guarded: up.stream.pipe(guard), started, named };
}

describe('waiting', () => {
  it('subscribes to the source when a slot is free', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('a-b-|');
      const result = source.pipe(limitConcurrency(1));
      expectObservable(result).toBe('a-b-|');
      expectObservable(result).toBe('----a-b-|');
      expectObservable(result, '------!').toBe('-'); // leaves while it waits
      expectObservable(result, '---------!').toBe('--------a'); // leaves while it runs
      expectObservable(result).toBe('---------a-b-|');
      expectSubscriptions(source.subscriptions).toBe(['^---!', '----^---!', '--------^!', '---------^---!']);
    });
  });

  it('is first come, first served', () => {
    const { up, named, started, slots } = setup({ maxInflight: 2 });
    for (let i = 0; i < 6; i++) listen(named(`${i}`));
    expect(slots.snapshot()).toEqual({ max: 2, inUse: 2, available: 0, queued: 4, utilization: 1 });
    for (let i = 0; i < 6; i++) up.calls[i]!.complete();
    expect(started).toEqual(['0', '1', '2', '3', '4', '5']);
    expect(up.most).toBe(2);
    expect(slots).toMatchObject({ inUse: 0, queued: 0 });
  });

  it('serves the higher priority first, and in order inside', () => {
    const { up, named, started } = setup();
    listen(named('running'));
    for (const [name, priority] of [
      ['a', 0],
      ['b', 5],
      ['c', -1],
      ['d', 5],
      ['e', 0],
      ['f', 0.5],
    ] as const) {
      listen(named(name, priority));
    }
    for (let i = 0; i < 7; i++) up.last.complete();
    expect(started).toEqual(['running', 'b', 'd', 'f', 'a', 'e', 'c']);
  });

  it('takes nothing for who leaves the queue, from its front, its middle and its end', () => {
    const { up, named, started, slots } = setup();
    listen(named('running'));
    const waiting = ['a', 'b', 'c', 'd', 'e'].map((name) => listen(named(name)));
    for (const i of [0, 2, 4]) waiting[i]!.leave();
    expect(slots.queued).toBe(2);
    for (let i = 0; i < 3; i++) up.last.complete();
    expect(started).toEqual(['running', 'b', 'd']);
    expect(slots).toMatchObject({ inUse: 0, queued: 0 });
    expect(slots.lines.size).toBe(0);
  });

  it('needs no timer', () => {
    const { time, guarded, up } = setup();
    for (let i = 0; i < 3; i++) listen(guarded);
    up.last.complete();
    expect(time.delays).toEqual([]);
  });

  it('drains a hundred thousand synchronous streams on a flat stack', () => {
    const { guard, slots, up } = setup();
    listen(up.stream.pipe(guard));
    let done = 0;
    const order: number[] = [];
    for (let i = 0; i < 100_000; i++) {
      of('x')
        .pipe(guard)
        .subscribe({ complete: () => i % 20_000 === 0 && order.push(i), next: () => done++ });
    }
    expect(slots.queued).toBe(100_000);
    up.last.complete();
    expect(done).toBe(100_000);
    expect(order).toEqual([0, 20_000, 40_000, 60_000, 80_000]);
    expect(slots).toMatchObject({ inUse: 0, queued: 0 });
  }, 60_000);

  it('survives a hundred thousand who leave, the last first', () => {
    const { guarded, slots, up } = setup();
    listen(guarded);
    const all = Array.from({ length: 100_000 }, () => guarded.subscribe());
    const last = listen(guarded);
    for (const one of all.reverse()) one.unsubscribe();
    expect(slots.queued).toBe(1);
    up.last.complete();
    up.calls.at(-1)!.next('a');
    expect(last.values).toEqual(['a']);
    expect(up.opened).toBe(2);
  }, 60_000);
});

describe('refusals', () => {
  it('refuses one more than maxQueue at once', () => {
    const { guarded, up, slots } = setup({ maxInflight: 1, maxQueue: 2 });
    const heard = Array.from({ length: 4 }, () => listen(guarded));
    expect(heard.map(({ end }) => end)).toEqual([undefined, undefined, undefined, 'error']);
    expect(heard[3]!.error).toBeInstanceOf(ConcurrencyLimitError);
    expect(heard[3]!.error).toMatchObject({ code: 'E3002', retryable: false, fallbackable: true });
    expect(heard[3]!.error).toMatchObject({ message: expect.stringMatching(/maxQueue 2/) });
    heard[1]!.leave();
    expect(listen(guarded).end).toBeUndefined();
    expect(up.opened).toBe(1);
    expect(slots.queued).toBe(2);
  });

  it('with maxQueue 0 takes who finds a slot', () => {
    const { guarded, up } = setup({ maxInflight: 1, maxQueue: 0 });
    listen(guarded);
    expect(listen(guarded).error).toBeInstanceOf(ConcurrencyLimitError);
    up.last.complete();
    expect(listen(guarded).end).toBeUndefined();
    expect(up.opened).toBe(2);
  });

  it('refuses after maxWaitMs, with one timer', () => {
    const { guarded, time, slots, up } = setup({ maxInflight: 1, maxWaitMs: 100 });
    const ends: [number, unknown][] = [];
    const note = ({ error }: Heard<string>) => ends.push([time.now(), error]);
    listen(guarded);
    listen(guarded, note);
    time.advance(30);
    listen(guarded, note);
    listen(guarded, note).leave();
    expect(time.timers).toBe(1);
    time.advance(1000);
    expect(ends).toEqual([
      [100, expect.any(ConcurrencyLimitError)],
      [130, expect.any(ConcurrencyLimitError)],
    ]);
    expect(ends[0]![1]).toMatchObject({ message: expect.stringMatching(/maxWaitMs 100/) });
    expect(time.timers).toBe(0);
    expect(slots.queued).toBe(0);
    expect(up.opened).toBe(1);
  });

  it('refuses also those behind a higher priority in time', () => {
    const { time, named, slots } = setup({ maxInflight: 1, maxWaitMs: 100 });
    const ends: [string, number][] = [];
    const wait = (name: string, priority: number) => listen(named(name, priority), () => ends.push([name, time.now()]));
    listen(named('running'));
    wait('low', 0);
    time.advance(50);
    wait('high', 9);
    time.advance(500);
    expect(ends).toEqual([
      ['low', 100],
      ['high', 150],
    ]);
    expect(slots.queued).toBe(0);
  });

  it('with maxWaitMs 0 never waits', () => {
    const { guarded, time } = setup({ maxInflight: 1, maxWaitMs: 0 });
    listen(guarded);
    expect(listen(guarded).error).toBeInstanceOf(ConcurrencyLimitError);
    expect(time.delays).toEqual([]);
  });

  it('sets no timer any more when a slot came in time', () => {
    const { guarded, time, up } = setup({ maxInflight: 1, maxWaitMs: 100 });
    listen(guarded);
    listen(guarded);
    time.advance(50);
    up.last.complete();
    expect(up.opened).toBe(2);
    expect(time.timers).toBe(0);
  });

  it('keeps the place of who is refused free, also when it asks again at once', () => {
    const { guarded, time, up } = setup({ maxInflight: 1, maxWaitMs: 100, maxQueue: 1 });
    let rounds = 0;
    const again = (): void => {
      if (rounds++ < 3) listen(guarded, again);
    };
    listen(guarded);
    again();
    time.advance(10_000);
    expect(rounds).toBe(4);
    expect(up.opened).toBe(1);
    expect(time.timers).toBe(0);
  });
});

describe('a slot is free again', () => {
  it.each<[string, (call: Subject<string>) => void]>([
    ['complete', (call) => call.complete()],
    ['error', (call) => call.error(new Error('down'))],
  ])('at %s: a call from inside it needs not wait, and the old source is closed', (_end, finish) => {
    const { guarded, up, slots } = setup({ maxInflight: 1, maxQueue: 0 });
    let next: Heard<string> | undefined;
    listen(guarded, () => {
      expect(slots.inUse).toBe(0);
      expect(up.open).toBe(0);
      next = listen(guarded);
    });
    finish(up.last);
    expect(next?.end).toBeUndefined();
    expect(up).toMatchObject({ opened: 2, open: 1, most: 1 });
  });

  it.each<[string, Observable<string>]>([
    ['of', of('a', 'b')],
    ['EMPTY', EMPTY],
    ['an error', throwError(() => new Error('down'))],
    ['take(1) of never', concat(of('a'), NEVER).pipe(take(1))],
  ])('for the next of many synchronous sources only when the one before is closed: %s', (_name, source) => {
    const { guard, up, slots } = setup();
    const tracked = up.tracked(source).pipe(guard);
    listen(up.stream.pipe(guard)); // all others wait for it
    const all = Array.from({ length: 10 }, () => listen(tracked));
    up.last.complete();
    expect(all.every(({ end }) => end)).toBe(true);
    expect(up).toMatchObject({ most: 1, open: 0 });
    expect(slots.inUse).toBe(0);
  });

  it('on unsubscribe, once the source is closed', () => {
    const { guard, up } = setup();
    const log: string[] = [];
    const slow = (name: string) =>
      new Observable<string>(() => {
        log.push(`open ${name}`);
        return () => log.push(`close ${name}`);
      });
    const a = listen(slow('a').pipe(guard));
    listen(slow('b').pipe(guard)).leave();
    const c = listen(slow('c').pipe(guard));
    a.leave();
    c.leave();
    expect(log).toEqual(['open a', 'close a', 'open c', 'close c']);
    expect(up.opened).toBe(0);
  });

  it('on unsubscribe of a synchronous source from inside its own value', () => {
    const { guard, up, slots, guarded } = setup();
    const values: string[] = [];
    const chatty = new Observable<string>((subscriber) => {
      subscriber.next('a');
      subscriber.next('b');
      subscriber.next('c');
    });
    up.tracked(chatty)
      .pipe(guard, take(2))
      .subscribe((value) => {
        values.push(value);
        if (value === 'a') listen(guarded);
      });
    expect(values).toEqual(['a', 'b']);
    expect(up).toMatchObject({ open: 1, most: 1, closed: 1 });
    expect(slots.inUse).toBe(1);
  });

  it('once, whatever ends together', () => {
    const { guarded, up, slots } = setup({ maxInflight: 2 });
    const a = listen(guarded);
    listen(guarded);
    listen(guarded);
    up.calls[0]!.complete();
    a.leave();
    up.calls[0]!.error(new Error('too late'));
    expect(slots).toMatchObject({ inUse: 2, queued: 0 });
    expect(up.most).toBe(2);
  });

  it('when a source throws in its subscribe, or its teardown throws', () => {
    const { guard, slots } = setup();
    const broken = new Observable<string>(() => {
      throw new Error('no socket');
    });
    expect(listen(broken.pipe(guard)).error).toMatchObject({ message: 'no socket' });
    expect(slots.inUse).toBe(0);
  });
});

describe('from inside callbacks', () => {
  it('lets a stream leave that is being started', () => {
    const { guarded, up, slots, guard } = setup();
    listen(guarded);
    const heard: Heard<string>[] = [];
    heard.push(listen(up.tracked(new Observable<string>(() => heard[0]!.leave())).pipe(guard)));
    const last = listen(guarded);
    up.last.complete();
    up.calls.at(-1)!.next('a');
    expect(last.values).toEqual(['a']);
    expect(slots).toMatchObject({ inUse: 1, queued: 0 });
    expect(up.most).toBe(1);
  });

  it('lets one make all others leave', () => {
    const { guarded, up, slots } = setup();
    const others: Heard<string>[] = [];
    listen(guarded, () => others.forEach((other) => other.leave()));
    for (let i = 0; i < 5; i++) others.push(listen(guarded));
    up.last.complete();
    expect(slots).toMatchObject({ inUse: 0, queued: 0 });
    expect(up).toMatchObject({ open: 0, most: 1 });
  });

  it('lets each end start the next, behind those who wait', () => {
    const { guard, slots } = setup();
    const order: number[] = [];
    const call = (i: number): void => {
      of('x')
        .pipe(guard)
        .subscribe({
          complete: () => {
            order.push(i);
            if (i < 50) call(i + 10);
          },
        });
    };
    const gate = new Subject<string>();
    gate.pipe(guard).subscribe();
    for (let i = 0; i < 10; i++) call(i);
    gate.complete();
    expect(order).toEqual(Array.from({ length: 60 }, (_, i) => i));
    expect(slots.inUse).toBe(0);
  });

  it('works within mergeMap and concatMap over many', () => {
    const { guard, slots, up } = setup({ maxInflight: 3 });
    for (const map of [mergeMap, concatMap]) {
      const heard = listen(range(0, 1000).pipe(map((i) => up.tracked(of(String(i))).pipe(guard))));
      expect(heard).toMatchObject({ end: 'complete' });
      expect(heard.values).toHaveLength(1000);
    }
    expect(up.most).toBeLessThanOrEqual(3);
    expect(slots.inUse).toBe(0);
  });
});

describe('as an operator', () => {
  it('shares its slots between all subscriptions through one call, and not with another', () => {
    const up = new Upstream();
    const guard = limitConcurrency<string>({ maxInflight: 1 });
    listen(up.stream.pipe(guard));
    listen(up.stream.pipe(guard));
    listen(up.stream.pipe(limitConcurrency(1)));
    expect(up.opened).toBe(2);
  });

  it('takes its priority from a plain config too; the last argument wins', () => {
    const up = new Upstream();
    const order: string[] = [];
    const slots = new Backpressure({ maxInflight: 1 });
    const named = (name: string, guard: ReturnType<typeof limitConcurrency<string>>) =>
      defer(() => {
        order.push(name);
        return up.stream;
      }).pipe(guard);
    listen(named('running', limitConcurrency(slots)));
    listen(named('low', limitConcurrency(slots)));
    listen(named('high', limitConcurrency(slots, { priority: 1 })));
    for (let i = 0; i < 3; i++) up.last.complete();
    expect(order).toEqual(['running', 'high', 'low']);
    expect(() => limitConcurrency({ maxInflight: 1, priority: NaN })).toThrow(/priority.*NaN/);
    expect(() => limitConcurrency({ maxInflight: 1, priority: NaN }, { priority: 1 })).not.toThrow();
  });

  it('limits nothing with maxInflight Infinity', () => {
    const { guarded, up, slots } = setup({ maxInflight: Infinity });
    for (let i = 0; i < 1000; i++) listen(guarded);
    expect(up.opened).toBe(1000);
    expect(slots.snapshot()).toBeNull();
  });

  it('takes empty, never, synchronous throws and take as they are', () => {
    marbles(({ cold, expectObservable }) => {
      expectObservable(EMPTY.pipe(limitConcurrency(1))).toBe('|');
      expectObservable(NEVER.pipe(limitConcurrency(1))).toBe('-');
      expectObservable(throwError(() => 'down').pipe(limitConcurrency(1))).toBe('#', undefined, 'down');
      expectObservable(cold('a-b-c|').pipe(limitConcurrency(1), take(2))).toBe('a-(b|)');
    });
  });

  it('stops a synchronous source when the consumer has enough', () => {
    const { guard, slots } = setup();
    let sent = 0;
    const firehose = from(
      (function* () {
        while (sent < 1_000_000) yield String(sent++);
      })(),
    );
    expect(listen(firehose.pipe(guard, take(2))).values).toEqual(['0', '1']);
    expect(sent).toBe(2);
    expect(slots.inUse).toBe(0);
  });

  it.each<[unknown, unknown, RegExp]>([
    [0, {}, /maxInflight.*got 0/],
    [NaN, {}, /maxInflight.*NaN/],
    [1.5, {}, /maxInflight.*1\.5/],
    [{ maxInflight: -1 }, {}, /maxInflight.*-1/],
    [{ maxInflight: '3' }, {}, /maxInflight.*'3'/],
    [{ maxQueue: NaN }, {}, /maxQueue.*NaN/],
    [{ maxWaitMs: -1 }, {}, /maxWaitMs.*-1/],
    [1, { priority: NaN }, /priority.*NaN/],
    [1, { priority: Infinity }, /priority.*Infinity/],
    [1, { scheduler: {} }, /scheduler/],
    [null, {}, /null/],
    [undefined, {}, /undefined/],
    ['4', {}, /'4'/],
  ])('refuses %j, %j at the call', (limit, options, message) => {
    expect(() => limitConcurrency(limit as number, options as PriorityOptions)).toThrow(message);
  });
});
