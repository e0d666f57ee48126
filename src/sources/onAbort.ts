/** Those who wait for one signal. */
interface Waiters {
  readonly callbacks: Set<() => void>;
  readonly stop: () => void;
}

/** By signal: gone with it, and when nobody waits. */
const waiting = new WeakMap<AbortSignal, Waiters>();

/**
 * Calls back when the signal is aborted, which it is not yet. However many wait, the signal has one listener: an application's
 * own signal may be that of ten thousand streams, and Node looks through its whole list at each further listener (15 us at ten
 * thousand), and warns of a leak from the eleventh on.
 *
 * @returns what takes it back
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const waiters = waiting.get(signal) ?? listen(signal);
  const { callbacks } = waiters;
  // One of its own for each call, so that the same function may wait twice.
  const waiter = (): void => callback();
  callbacks.add(waiter);
  return () => {
    callbacks.delete(waiter);
    if (callbacks.size === 0 && waiting.get(signal) === waiters) waiters.stop();
  };
}

function listen(signal: AbortSignal): Waiters {
  const callbacks = new Set<() => void>();
  const stop = (): void => {
    signal.removeEventListener('abort', tell);
    waiting.delete(signal);
  };
  const tell = (): void => {
    stop();
    for (const callback of callbacks) callback();
  };
  const waiters = { callbacks, stop };
  signal.addEventListener('abort', tell);
  waiting.set(signal, waiters);
  return waiters;
}
