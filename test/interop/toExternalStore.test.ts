import fc from 'fast-check';
import { BehaviorSubject, concat, NEVER, Observable, of, ReplaySubject, Subject, throwError } from 'rxjs';
import { describe, expect, expectTypeOf, it, vi } from 'vitest';
import {
  liveSignals,
  RateLimiter,
  toExternalStore,
  type ChatEvent,
  type ClientSignals,
  type ExternalStore,
  type ExternalStoreOptions,
} from 'rx-weir';
import { ChatRun } from '../../src/client/ChatRun';
import { LiveSubject } from '../../src/signals/LiveSubject';
import { text, rewind } from '../support/answers';
import { marbles } from '../support/marbles';
import { unhandled } from '../support/unhandled';
import { Upstream } from '../support/upstream';
import { VirtualTime } from '../support/virtual';
import { Component, type HookOf } from './components';

const HOOKS: HookOf[] = ['react', 'preact'];

function setup<S>(first: S, options: ExternalStoreOptions = {}) {
  const time = new VirtualTime();
  const state$ = new BehaviorSubject(first);
  const upstream = new Upstream();
  const tracked = upstream.tracked(state$);
  const store = toExternalStore(tracked, { initial: first, scheduler: time, ...options });
  return { time, state$, upstream, store };
}

const nothing = (): void => undefined;

describe('toExternalStore: the snapshot', () => {
  it('is the value of a BehaviorSubject, or `initial`, before anybody subscribes', () => {
    const one = { n: 1 };
    const store = toExternalStore(new BehaviorSubject(one));
    expect(store.getSnapshot()).toBe(one);
    expect(store.getServerSnapshot()).toBe(one);
    const other = toExternalStore(NEVER, { initial: one });
    expect(other.getSnapshot()).toBe(one);
    expect(toExternalStore(new BehaviorSubject(2), { initial: 1 }).getServerSnapshot()).toBe(1);
  });

  it('may be `undefined` at the start, if that is said', () => {
    const state$ = new Subject<number>();
    const store = toExternalStore(state$, { initial: undefined });
    expectTypeOf(store).toEqualTypeOf<ExternalStore<number | undefined>>();
    expect(store.getSnapshot()).toBeUndefined();
    store.subscribe(nothing);
    state$.next(1);
    expect(store.getSnapshot()).toBe(1);
    expect(store.getServerSnapshot()).toBeUndefined();
    expect(toExternalStore(new BehaviorSubject(1), { initial: undefined }).getSnapshot()).toBeUndefined();
    expect(() => toExternalStore(state$ as never)).toThrow(TypeError);
  });

  it('stays the same object until the next change is told', () => {
    const { time, state$, store } = setup({ n: 0 });
    const told: unknown[] = [];
    store.subscribe(() => told.push(store.getSnapshot()));
    const [first, second, third] = [{ n: 1 }, { n: 2 }, { n: 3 }];
    state$.next(first);
    expect(store.getSnapshot()).toBe(first);
    state$.next(second);
    state$.next(third);
    expect(store.getSnapshot()).toBe(first);
    time.advance(49);
    expect(store.getSnapshot()).toBe(first);
    time.advance(1);
    expect(store.getSnapshot()).toBe(third);
    expect(told).toEqual([first, third]);
    expect(store.getServerSnapshot()).toEqual({ n: 0 });
  });

  it('works where nobody ever subscribes, as on a server', () => {
    const { time, upstream, store } = setup('ready');
    expect(store.getServerSnapshot()).toBe('ready');
    expect(store.getSnapshot()).toBe('ready');
    expect(upstream.opened).toBe(0);
    expect(time.timers).toBe(0);
  });
});

describe('toExternalStore: what is told when', () => {
  it('tells the first change at once, then the last of each period, and rests when nothing changes', () => {
    const { time, state$, store } = setup(0);
    const told: [number, number][] = [];
    store.subscribe(() => told.push([time.elapsed, store.getSnapshot()]));
    time.advance(500);
    for (let n = 1; n <= 12; n++) {
      state$.next(n);
      time.advance(10);
    }
    time.advance(1000);
    expect(told).toEqual([
      [500, 1],
      [550, 5],
      [600, 10],
      [650, 12],
    ]);
    expect(time.timers).toBe(0);
    state$.next(13);
    expect(told.at(-1)).toEqual([1620, 13]);
    expect(time.timers).toBe(1);
  });

  it('does so with the default 50 ms on the default scheduler', () => {
    const { frame } = marbles(({ cold, scheduler }) => {
      const state$ = cold('a 9ms b 9ms c 200ms d', { a: 'a', b: 'b', c: 'c', d: 'd' });
      const store = toExternalStore(state$, { initial: '' });
      const told: [number, string][] = [];
      const leave = store.subscribe(() => told.push([scheduler.now(), store.getSnapshot()]));
      scheduler.schedule(() => {
        leave();
        expect(told).toEqual([
          [0, 'a'],
          [50, 'c'],
          [221, 'd'],
        ]);
      }, 230);
    });
    expect(frame).toBe(230);
  });

  it('does not take the value at the subscription for a change: the next one is told at once', () => {
    const { time, state$, store } = setup(0);
    const told = vi.fn();
    store.subscribe(told);
    expect(told).not.toHaveBeenCalled();
    expect(time.timers).toBe(0);
    time.advance(1);
    state$.next(1);
    expect(told).toHaveBeenCalledTimes(1);
  });

  it('tells nothing of a value that is the same, or the same again when its time comes', () => {
    const { time, state$, store } = setup(NaN);
    const told = vi.fn();
    store.subscribe(told);
    state$.next(NaN);
    expect(told).not.toHaveBeenCalled();
    state$.next(1);
    state$.next(2);
    state$.next(1);
    time.advance(500);
    expect(told).toHaveBeenCalledTimes(1);
    expect(time.timers).toBe(0);
  });

  it('tells each change with everyMs 0, without a timer', () => {
    const { time, state$, store } = setup(0, { everyMs: 0 });
    const seen: number[] = [];
    store.subscribe(() => seen.push(store.getSnapshot()));
    for (const n of [1, 2, 2, 3]) state$.next(n);
    expect(seen).toEqual([1, 2, 3]);
    expect(time.timers).toBe(0);
  });

  it('takes what a source gives at once for one change', () => {
    const time = new VirtualTime();
    const store = toExternalStore(concat(of(1, 2, 3), NEVER), { initial: 0, scheduler: time });
    const seen: number[] = [];
    const leave = store.subscribe(() => seen.push(store.getSnapshot()));
    expect(seen).toEqual([3]);
    time.advance(500);
    expect(seen).toEqual([3]);
    leave();
    expect(time.timers).toBe(0);
  });

  it.each([
    [NaN, RangeError],
    [-1, RangeError],
    [Infinity, RangeError],
    [2 ** 31, RangeError],
    ['50', TypeError],
    [null, TypeError],
  ])('refuses everyMs: %s, naming it', (everyMs, Kind) => {
    const make = () => toExternalStore(new BehaviorSubject(0), { everyMs: everyMs as number });
    expect(make).toThrow(Kind);
    expect(make).toThrow(/everyMs.*got/);
  });
});

describe('toExternalStore: subscribers', () => {
  it('has one subscription to the source for however many, and none without', () => {
    const { state$, time, upstream, store } = setup(0);
    const [a, b] = [vi.fn(), vi.fn()];
    const leaveA = store.subscribe(a);
    const leaveB = store.subscribe(b);
    expect(upstream).toMatchObject({ open: 1, opened: 1 });
    state$.next(1);
    state$.next(2);
    leaveA();
    leaveA();
    expect(upstream.open).toBe(1);
    expect(time.timers).toBe(1);
    leaveB();
    expect(upstream).toMatchObject({ open: 0, opened: 1 });
    expect(time.timers).toBe(0);
    expect([a.mock.calls, b.mock.calls]).toEqual([[[]], [[]]]);
  });

  it('takes the same function twice for two subscribers', () => {
    const { state$, upstream, store } = setup(0, { everyMs: 0 });
    const listener = vi.fn();
    const leaveFirst = store.subscribe(listener);
    const leaveSecond = store.subscribe(listener);
    state$.next(1);
    expect(listener).toHaveBeenCalledTimes(2);
    leaveFirst();
    leaveFirst();
    state$.next(2);
    expect(listener).toHaveBeenCalledTimes(3);
    leaveSecond();
    expect(upstream.open).toBe(0);
  });

  it('tells a newcomer nothing while its neighbours know as much', () => {
    const { state$, time, store } = setup(0);
    store.subscribe(nothing);
    state$.next(1);
    state$.next(2);
    const late = vi.fn();
    store.subscribe(late);
    expect(late).not.toHaveBeenCalled();
    expect(store.getSnapshot()).toBe(1);
    time.advance(50);
    expect(late).toHaveBeenCalledTimes(1);
    expect(store.getSnapshot()).toBe(2);
  });

  it('tells a listener that throws, and the others; the error goes where RxJS reports errors', async () => {
    const { state$, store } = setup(0, { everyMs: 0 });
    const mistake = new Error('render failed');
    const seen: number[] = [];
    store.subscribe(() => {
      throw mistake;
    });
    store.subscribe(() => seen.push(store.getSnapshot()));
    state$.next(1);
    state$.next(2);
    expect(seen).toEqual([1, 2]);
    await vi.waitFor(() => expect(unhandled).toEqual([mistake, mistake]));
    unhandled.length = 0;
  });

  it('does not tell those who were unsubscribed while it tells', () => {
    const { state$, upstream, store } = setup(0, { everyMs: 0 });
    const told: string[] = [];
    const leave: (() => void)[] = [];
    leave.push(
      store.subscribe(() => {
        told.push('a');
        for (const one of leave) one();
      }),
      store.subscribe(() => told.push('b')),
    );
    state$.next(1);
    state$.next(2);
    expect(told).toEqual(['a']);
    expect(upstream.open).toBe(0);
  });

  it('may be subscribed anew while it tells, also by the last one who leaves', () => {
    const { time, state$, upstream, store } = setup(0);
    const seen: number[] = [];
    const leave = store.subscribe(() => {
      leave();
      store.subscribe(() => seen.push(store.getSnapshot()));
    });
    state$.next(1);
    expect(upstream).toMatchObject({ open: 1, opened: 2 });
    state$.next(2);
    time.advance(50);
    expect(seen).toEqual([2]);
  });

  it('subscribes once to a source that gives at once, also if a listener subscribes another within', () => {
    const { state$, upstream, store } = setup(0);
    state$.next(1);
    const inner = vi.fn();
    store.subscribe(() => store.subscribe(inner));
    expect(upstream).toMatchObject({ open: 1, opened: 1 });
    expect(inner).not.toHaveBeenCalled();
    const ended = new Upstream();
    const over = toExternalStore(ended.tracked(of(1)), { initial: 0 });
    over.subscribe(() => over.subscribe(inner));
    expect(ended.opened).toBe(1);
  });

  it('keeps its pace when a listener changes the state', () => {
    const { time, state$, store } = setup(0);
    const seen: [number, number][] = [];
    store.subscribe(() => {
      seen.push([time.elapsed, store.getSnapshot()]);
      if (state$.value < 4) state$.next(state$.value + 1);
    });
    state$.next(1);
    time.advance(1000);
    expect(seen).toEqual([
      [0, 1],
      [50, 2],
      [100, 3],
      [150, 4],
    ]);
    expect(time.timers).toBe(0);
  });
});

describe('toExternalStore: subscribing again', () => {
  it('sees at once what changed while nobody subscribed, and tells it, since some hooks compare only before', () => {
    const { state$, store } = setup(0);
    store.subscribe(nothing)();
    state$.next(1);
    state$.next(2);
    expect(store.getSnapshot()).toBe(0);
    const told = vi.fn(() => expect(store.getSnapshot()).toBe(2));
    store.subscribe(told);
    expect(told).toHaveBeenCalledTimes(1);
    expect(store.getSnapshot()).toBe(2);
  });

  it('keeps what waited when the last one left, of a source that does not repeat itself', () => {
    const time = new VirtualTime();
    const state$ = new Subject<number>();
    const store = toExternalStore(state$, { initial: 0, scheduler: time });
    const leave = store.subscribe(nothing);
    state$.next(1);
    state$.next(2);
    leave();
    expect(time.timers).toBe(0);
    expect(store.getSnapshot()).toBe(1);
    const told = vi.fn(() => expect(store.getSnapshot()).toBe(2));
    store.subscribe(told);
    expect(told).toHaveBeenCalledTimes(1);
  });

  it.each(HOOKS)('%s shows the present value in StrictMode, with one subscription at a time', (hook) => {
    for (const when of ['before', 'between', 'again'] as const) {
      const { time, state$, upstream, store } = setup(0);
      const change = (at: string) => () => {
        if (at !== when) return;
        state$.next(state$.value + 1);
        state$.next(state$.value + 1);
      };
      const component = new Component(store, hook).mount(change('before'));
      change('between')();
      component.again(change('again'));
      expect(component.now).toBe(2);
      expect(upstream).toMatchObject({ open: 1, opened: 2, most: 1 });
      time.advance(1000);
      expect(component.now).toBe(2);
      component.unmount();
      expect(time.timers).toBe(0);
    }
  });

  it('never lets a component miss a change, never asks for the impossible, and keeps its pace', () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('next' as const), value: fc.nat(3) }) },
      {
        weight: 4,
        arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 80 }) }),
      },
      { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('mount', 'unmount', 'again'), which: fc.nat(2) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.constantFrom(...HOOKS), (steps, hook) => {
        const { time, state$, upstream, store } = setup({ value: 0 });
        const components = Array.from({ length: 3 }, () => new Component(store, hook));
        // One that stays, to see when it tells.
        const told: number[] = [];
        let last: unknown = store.getSnapshot();
        store.subscribe(() => {
          told.push(time.elapsed);
          last = store.getSnapshot();
        });
        for (const one of steps) {
          if (one.kind === 'next') {
            if (one.value !== state$.value.value) state$.next({ value: one.value });
          } else if (one.kind === 'advance') time.advance(one.ms);
          else {
            const component = components[one.which]!;
            if (component.mounted) {
              if (one.kind === 'again') component.again();
              else component.unmount();
            } else if (one.kind === 'mount') component.mount();
          }
          expect(store.getSnapshot()).toBe(last);
          for (const component of components) if (component.mounted) expect(component.now).toBe(last);
          expect(upstream.open).toBe(1);
        }
        time.advance(50);
        expect(last).toBe(state$.value);
        for (const component of components) if (component.mounted) expect(component.now).toBe(state$.value);
        told.reduce((before, at) => {
          expect(at - before).toBeGreaterThanOrEqual(50);
          return at;
        }, -50);
      }),
    );
  });

  it.each(HOOKS)('%s misses nothing when components are mounted and unmounted at any moment', (hook) => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('next' as const), ms: fc.constant(0) }),
      fc.record({ kind: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 80 }) }),
      fc.record({ kind: fc.constantFrom('toggle' as const, 'again' as const), ms: fc.constant(0) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { time, state$, upstream, store } = setup(0);
        const component = new Component(store, hook);
        for (const { kind, ms } of steps) {
          if (kind === 'next') state$.next(state$.value + 1);
          else if (kind === 'advance') time.advance(ms);
          else if (component.mounted) {
            if (kind === 'again') component.again();
            else component.unmount();
            if (component.mounted) expect(component.now).toBe(state$.value);
          } else {
            component.mount();
            expect(component.now).toBe(state$.value);
          }
          expect(upstream.open).toBe(component.mounted ? 1 : 0);
          if (!component.mounted) expect(time.timers).toBe(0);
        }
        time.advance(50);
        if (component.mounted) expect(component.now).toBe(state$.value);
      }),
    );
  });
});

describe('toExternalStore: the end of the source', () => {
  it('tells the last value at once when the source completes, and keeps it', () => {
    const { time, state$, store } = setup(0);
    const seen: number[] = [];
    store.subscribe(() => seen.push(store.getSnapshot()));
    state$.next(1);
    state$.next(2);
    state$.complete();
    expect(seen).toEqual([1, 2]);
    expect(time.timers).toBe(0);
    const late = new Component(store).mount();
    expect(late.shown).toEqual([2]);
  });

  it('tells the last value at once when the source fails, then onError; the value stays', () => {
    const order: unknown[] = [];
    const { time, state$, store } = setup(0, { onError: (error) => order.push(error) });
    store.subscribe(() => order.push(store.getSnapshot()));
    state$.next(1);
    state$.next(2);
    const error = new Error('down');
    state$.error(error);
    expect(order).toEqual([1, 2, error]);
    expect(store.getSnapshot()).toBe(2);
    expect(time.timers).toBe(0);
  });

  it('without onError the error is reported, as RxJS does', async () => {
    const { state$, store } = setup(0);
    store.subscribe(nothing);
    const error = new Error('down');
    state$.error(error);
    await vi.waitFor(() => expect(unhandled).toEqual([error]));
    unhandled.length = 0;
    expect(store.getSnapshot()).toBe(0);
  });

  it('takes values and an end that come at once', () => {
    const time = new VirtualTime();
    const order: unknown[] = [];
    const source = concat(
      of(1, 2),
      throwError(() => 'down'),
    );
    const store = toExternalStore(source, { initial: 0, scheduler: time, onError: (error) => order.push(error) });
    const leave = store.subscribe(() => order.push(store.getSnapshot()));
    expect(order).toEqual([2, 'down']);
    expect(time.timers).toBe(0);
    leave();
    const completed = toExternalStore(of(1, 2), { initial: 0, scheduler: time });
    completed.subscribe(nothing)();
    expect(completed.getSnapshot()).toBe(2);
    expect(time.timers).toBe(0);
  });

  it('subscribes again, once all have left, to a source that had ended: a failed one may work by then', () => {
    let tries = 0;
    const errors: unknown[] = [];
    const source = new Observable<string>((subscriber) => {
      subscriber.next(`try ${++tries}`);
      if (tries === 1) subscriber.error('down');
    });
    const store = toExternalStore(source, { initial: '', onError: (error) => errors.push(error) });
    const leave = store.subscribe(nothing);
    store.subscribe(nothing)();
    expect(store.getSnapshot()).toBe('try 1');
    leave();
    store.subscribe(nothing);
    expect(store.getSnapshot()).toBe('try 2');
    expect(errors).toEqual(['down']);
  });
});

describe("toExternalStore: with the library's streams", () => {
  it('keeps the snapshot of signals$ while only time passes, though signals$.value drifts', () => {
    const time = new VirtualTime();
    const rateLimiter = new RateLimiter({ clock: () => time.now(), requestsPerSecond: 10 });
    const signals$ = liveSignals({ rateLimiter }, { scheduler: time });
    const store = toExternalStore(signals$, { scheduler: time });
    const component = new Component(store).mount();
    rateLimiter.take({ requests: 5, tokens: 0 });
    time.advance(100);
    const shown = [...component.shown];
    const drifting = signals$.value;
    time.advance(150);
    expect(signals$.value).not.toBe(drifting);
    expect(component.shown).toEqual(shown);
    expect(store.getSnapshot()).toBe(component.now);
    component.unmount();
    expect(time.timers).toBe(0);
    expect(signals$.observed).toBe(false);
  });

  it.each(HOOKS)('%s sees in signals$ what changed while it was not mounted, and does not loop over it', (hook) => {
    const time = new VirtualTime();
    const rateLimiter = new RateLimiter({ clock: () => time.now(), requestsPerSecond: 10 });
    const store = toExternalStore(liveSignals({ rateLimiter }, { scheduler: time }), { scheduler: time });
    rateLimiter.take({ requests: 5, tokens: 0 });
    const component = new Component(store, hook).mount().again().again();
    expect(component.shown.map(({ rateRemaining }) => rateRemaining)).toEqual([10, 5]);
    time.advance(30);
    component.again();
    expect(component.shown).toHaveLength(3);
  });

  it('works with run.text$, early, late and when all is over', () => {
    const time = new VirtualTime();
    const answer = new Subject<ChatEvent>();
    const run = new ChatRun(answer, () => new BehaviorSubject({}) as unknown as LiveSubject<ClientSignals>);
    const store = toExternalStore(run.text$, { initial: '', scheduler: time });
    expectTypeOf(store).toEqualTypeOf<ExternalStore<string>>();
    const component = new Component(store).mount().again();
    for (const said of ['Hello', ', ', 'you']) answer.next(text(said));
    expect(component.now).toBe('Hello');
    time.advance(50);
    expect(component.now).toBe('Hello, you');
    answer.next(rewind());
    answer.next(text('Bye'));
    answer.complete();
    expect(component.now).toBe('Bye');
    expect(time.timers).toBe(0);
    component.unmount();
    const late = new Component(toExternalStore(run.text$, { initial: '' })).mount();
    expect(late.shown).toEqual(['', 'Bye']);
  });

  it('asks a ReplaySubject that failed for its value and its error', () => {
    const text$ = new ReplaySubject<string>(1);
    text$.next('half');
    text$.error('cut');
    const errors: unknown[] = [];
    const store = toExternalStore(text$, { initial: '', onError: (error) => errors.push(error) });
    expect(new Component(store, 'preact').mount().now).toBe('half');
    expect(errors).toEqual(['cut']);
  });

  it('is typed by its source', () => {
    expectTypeOf(toExternalStore(new BehaviorSubject({ n: 1 })).getSnapshot()).toEqualTypeOf<{ n: number }>();
    expectTypeOf(toExternalStore(of(1), { initial: null })).toEqualTypeOf<ExternalStore<number | null>>();
    // @ts-expect-error without a value of its own, it needs `initial`
    expect(() => toExternalStore(of(1))).toThrow(TypeError);
  });
});
