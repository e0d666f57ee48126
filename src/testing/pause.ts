/**
 * Resolves when what `begin` started calls back; `begin` returns what undoes it. Rejects as soon as the signal is aborted. In
 * either case no timer and no listener is left. Node's own promises of timers and events do the same, but with an import of
 * them a browser could not load `scriptedStream` from here.
 */
export function pause(signal: AbortSignal, begin: (done: () => void) => () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const end = (): void => signal.removeEventListener('abort', leave);
    const leave = (): void => {
      end();
      undo();
      reject(signal.reason as Error);
    };
    const undo = begin(() => {
      end();
      resolve();
    });
    signal.addEventListener('abort', leave);
  });
}

/** So many ms. */
export const wait = (ms: number, signal: AbortSignal): Promise<void> =>
  pause(signal, (done) => {
    const timer = setTimeout(done, ms);
    return () => clearTimeout(timer);
  });

/** One turn of the event loop, in which what was written leaves. */
export const turn = (signal: AbortSignal): Promise<void> =>
  pause(signal, (done) => {
    const timer = setImmediate(done);
    return () => clearImmediate(timer);
  });

/** Until the signal is aborted. */
export const never = (signal: AbortSignal): Promise<void> => pause(signal, () => () => undefined);
