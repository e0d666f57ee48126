import { afterEach, vi } from 'vitest';

afterEach(() => vi.unstubAllGlobals());

/** What there is of a document, for one test. */
export class Page {
  visibilityState = 'visible';
  readonly listeners = new Set<() => void>();

  /** Puts one in place of the document. */
  static open(visibilityState = 'visible'): Page {
    const page = new Page();
    page.visibilityState = visibilityState;
    vi.stubGlobal('document', page);
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
