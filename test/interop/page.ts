import { onTestFinished, vi } from 'vitest';

/** What there is of a document, for one test. */
export class Page {
  visibilityState = 'visible';
  readonly listeners = new Set<() => void>();

  /** Puts one in place of the document. */
  static open(visibilityState = 'visible'): Page {
    const page = new Page();
    onTestFinished(() => {
      vi.unstubAllGlobals();
      vi.restoreAllMocks();
    });
    page.visibilityState = visibilityState;
    if (typeof document === 'undefined') vi.stubGlobal('document', page);
    else {
      // A browser's own cannot be replaced; what it says can.
      vi.spyOn(document, 'visibilityState', 'get').mockImplementation(() => page.visibilityState as 'visible');
      vi.spyOn(document, 'addEventListener').mockImplementation((...args) =>
        page.addEventListener(...(args as [string, () => void])),
      );
      vi.spyOn(document, 'removeEventListener').mockImplementation((...args) =>
        page.removeEventListener(...(args as [string, () => void])),
      );
    }
    return page;
  }

  become(visibilityState: 'visible' | 'hidden'): void {
    this.visibilityState = visibilityState;
    for (const listener of this.listeners) listener();
  }

  addEventListener(type: string, listener: () => void): void {
    if (type !== 'visibilitychange') throw new Error(`nobody listens to ${type}`);
    this.listeners.add(listener);
  }

  removeEventListener(_type: string, listener: () => void): void {
    this.listeners.delete(listener);
  }
}
