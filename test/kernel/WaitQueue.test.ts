import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { QueueNode, WaitQueue } from '../../operators/kernel/WaitQueue';

const node = (priority = 0, requests = 1, tokens = 0): QueueNode => new QueueNode(priority, { requests, tokens });

describe('WaitQueue', () => {
  it('is empty at first', () => {
    const queue = new WaitQueue();
    expect(queue).toMatchObject({ size: 0, head: undefined });
    expect(queue.oldest()).toEqual([]);
    expect(queue.ahead(-1e9)).toEqual({ requests: 0, tokens: 0 });
  });

  it('takes out a node once', () => {
    const queue = new WaitQueue();
    const one = node();
    expect(queue.remove(one)).toBe(false);
    queue.add(one);
    expect(queue.remove(one)).toBe(true);
    expect(queue.remove(one)).toBe(false);
    expect(queue.size).toBe(0);
    queue.add(one);
    expect(queue.head).toBe(one);
  });

  it('sums the costs of all who are served before a newcomer', () => {
    const queue = new WaitQueue();
    for (const [priority, requests, tokens] of [
      [0, 1, 10],
      [2, 2, 20],
      [1, 4, 40],
    ] as const) {
      queue.add(node(priority, requests, tokens));
    }
    expect(queue.ahead(3)).toEqual({ requests: 0, tokens: 0 });
    expect(queue.ahead(2)).toEqual({ requests: 2, tokens: 20 });
    expect(queue.ahead(1.5)).toEqual({ requests: 2, tokens: 20 });
    expect(queue.ahead(0)).toEqual({ requests: 7, tokens: 70 });
    expect(queue.ahead(-1)).toEqual({ requests: 7, tokens: 70 });
  });

  it('behaves as a sorted array, whatever comes and goes', () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ add: fc.integer({ min: -2, max: 2 }), tokens: fc.nat(9) }) },
      { weight: 2, arbitrary: fc.record({ leave: fc.nat() }) },
      { weight: 1, arbitrary: fc.constant({ serve: true }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = new WaitQueue();
        const model: QueueNode[] = []; // stable: first in first out inside a priority
        const remove = (one: QueueNode): void => {
          model.splice(model.indexOf(one), 1);
          expect(queue.remove(one)).toBe(true);
        };
        for (const one of steps) {
          if ('add' in one) {
            const added = node(one.add, 1, one.tokens);
            queue.add(added);
            const at = model.findIndex(({ priority }) => priority < one.add);
            model.splice(at < 0 ? model.length : at, 0, added);
          } else if ('leave' in one) {
            if (model.length) remove(model[one.leave % model.length]!);
          } else if (queue.head) {
            remove(queue.head);
          }
          expect(queue.head).toBe(model[0]);
          expect(queue.size).toBe(model.length);
          expect(queue.oldest()).toEqual(model.filter((m, i) => i === 0 || model[i - 1]!.priority !== m.priority));
          for (const priority of [-2, 0, 1]) {
            const before = model.filter((m) => m.priority >= priority);
            expect(queue.ahead(priority)).toEqual({
              requests: before.length,
              tokens: before.reduce((sum, { cost }) => sum + cost.tokens, 0),
            });
          }
        }
      }),
    );
  });

  it('keeps a hundred thousand, and lets them go from the middle', () => {
    const queue = new WaitQueue();
    const all = Array.from({ length: 100_000 }, (_, i) => node(i % 3));
    for (const one of all) queue.add(one);
    for (const [i, one] of all.entries()) if (i % 50_000 !== 1) queue.remove(one);
    expect(queue.size).toBe(2);
    expect(queue.head).toBe(all[50_001]!.priority > all[1]!.priority ? all[50_001] : all[1]);
  });
});
