import { Backpressure, ConcurrencyLimitError, type BackpressureConfig } from 'rx-weir';
import { describe, expect, it, vi } from 'vitest';

const COST = { requests: 1, tokens: 0 };

describe('Backpressure', () => {
  it('has 10 slots, and no limit for those who wait', () => {
    expect(new Backpressure().config).toEqual({ maxInflight: 10, maxQueue: Infinity, maxWaitMs: Infinity });
  });

  it('gives so many slots and then refuses', () => {
    const slots = new Backpressure({ maxInflight: 2 });
    const first = slots.take();
    expect(slots.check(COST, 0)).toBeUndefined();
    slots.take();
    expect(slots.check(COST, 0)).toBeInstanceOf(ConcurrencyLimitError);
    expect(slots.check(COST, 0)).toMatchObject({ code: 'E3002', message: expect.stringMatching(/2.*maxInflight/) });
    first.release();
    expect(slots.check(COST, 0)).toBeUndefined();
  });

  it('takes a slot back once', () => {
    const slots = new Backpressure({ maxInflight: 3 });
    const [a] = [slots.take(), slots.take()];
    a.release();
    a.release();
    expect(slots.inUse).toBe(1);
    expect(slots.snapshot()).toMatchObject({ available: 2 });
  });

  it('shows itself, and null where there is no limit', () => {
    const slots = new Backpressure({ maxInflight: 4 });
    slots.take();
    expect(slots.snapshot()).toEqual({ max: 4, inUse: 1, available: 3, queued: 0, utilization: 0.25 });
    const free = new Backpressure({ maxInflight: Infinity });
    free.take();
    expect(free.snapshot()).toBeNull();
    expect(free.check(COST, 0)).toBeUndefined();
  });

  it('tells of every change after it, and of nothing else', () => {
    const slots = new Backpressure({ maxInflight: 1 });
    const seen: number[] = [];
    const stop = slots.watch(() => seen.push(slots.inUse));
    const slot = slots.take();
    slots.check(COST, 0);
    slots.snapshot();
    expect(seen).toEqual([1]);
    slot.release();
    slot.release();
    expect(seen).toEqual([1, 0]);
    stop();
    slots.take();
    expect(seen).toEqual([1, 0]);
  });

  it('has its slot free already when it tells so', () => {
    const slots = new Backpressure({ maxInflight: 1 });
    const slot = slots.take();
    const next = vi.fn(() => slots.inUse === 0 && slots.take());
    slots.watch(next);
    slot.release();
    expect(slots.inUse).toBe(1);
    slot.release();
    expect(slots.inUse).toBe(1);
  });

  it('lets no newcomer by where somebody waits', () => {
    const slots = new Backpressure({ maxInflight: 1 });
    const head = { cost: COST, priority: 0, order: 1 };
    slots.lines.add({ size: 3, head, ahead: () => COST, isDue: true });
    expect(slots.queued).toBe(3);
    expect(slots.check(COST, 0)).toBeInstanceOf(ConcurrencyLimitError);
    expect(slots.check(COST, 0, head)).toBeUndefined();
  });

  it('cannot be changed by its options later', () => {
    const config = { maxInflight: 1 };
    const slots = new Backpressure(config);
    config.maxInflight = 99;
    expect(slots.config.maxInflight).toBe(1);
    expect(Object.isFrozen(slots.config)).toBe(true);
  });

  it.each<[unknown, ErrorConstructor, RegExp]>([
    [{ maxInflight: 0 }, RangeError, /maxInflight.*got 0/],
    [{ maxInflight: -1 }, RangeError, /maxInflight.*got -1/],
    [{ maxInflight: NaN }, RangeError, /maxInflight.*got NaN/],
    [{ maxInflight: 2.5 }, RangeError, /maxInflight.*got 2\.5/],
    [{ maxInflight: '2' }, TypeError, /maxInflight.*'2'/],
    [{ maxInflight: null }, TypeError, /maxInflight.*null/],
    [{ maxQueue: -1 }, RangeError, /maxQueue.*got -1/],
    [{ maxQueue: 0.5 }, RangeError, /maxQueue.*got 0\.5/],
    [{ maxWaitMs: NaN }, RangeError, /maxWaitMs.*got NaN/],
    [{ maxWaitMs: '1s' }, TypeError, /maxWaitMs.*'1s'/],
  ])('refuses %j', (config, type, message) => {
    const make = () => new Backpressure(config as BackpressureConfig);
    expect(make).toThrow(type);
    expect(make).toThrow(message);
  });

  it.each([{ maxQueue: 0 }, { maxWaitMs: 0 }, { maxQueue: Infinity, maxWaitMs: Infinity, maxInflight: Infinity }])(
    'takes %j',
    (config) => {
      expect(new Backpressure(config).config).toMatchObject(config);
    },
  );
});
