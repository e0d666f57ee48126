import { expect, it, vi } from 'vitest';
import { onAbort } from '../../src/sources/onAbort';

/** A signal whose listeners are counted. */
function counted() {
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  vi.spyOn(signal, 'addEventListener').mockImplementation((type, listener) => {
    listeners++;
    add(type, listener);
  });
  vi.spyOn(signal, 'removeEventListener').mockImplementation((type, listener) => {
    listeners--;
    remove(type, listener);
  });
  return { controller, signal, listeners: () => listeners };
}

it('calls all who wait, in order and once, by one listener', () => {
  const { controller, signal, listeners } = counted();
  const called: number[] = [];
  for (let i = 0; i < 100; i++) onAbort(signal, () => called.push(i));
  expect(listeners()).toBe(1);
  controller.abort();
  expect(called).toEqual(Array.from({ length: 100 }, (_, i) => i));
  expect(listeners()).toBe(0);
});

it('does not call who no longer waits, and has no listener when nobody does', () => {
  const { controller, signal, listeners } = counted();
  const called: string[] = [];
  const same = (): void => void called.push('same');
  const leave = [onAbort(signal, same), onAbort(signal, same)];
  leave[0]!();
  leave[0]!();
  expect(listeners()).toBe(1);
  leave[1]!();
  expect(listeners()).toBe(0);
  onAbort(signal, () => called.push('later'));
  leave[1]!(); // has no say in who came after it
  expect(listeners()).toBe(1);
  controller.abort();
  expect(called).toEqual(['later']);
});

it('does not call who is made to leave by one that is called before', () => {
  const { controller, signal, listeners } = counted();
  const called: string[] = [];
  onAbort(signal, () => {
    called.push('first');
    leave();
  });
  const leave = onAbort(signal, () => called.push('second'));
  controller.abort();
  expect(called).toEqual(['first']);
  expect(listeners()).toBe(0);
});
