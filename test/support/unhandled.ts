import { afterEach, beforeEach, expect } from 'vitest';
import { config } from 'rxjs';

// Where files are not isolated, this module is there more than once: as a file's set-up, and as what its tests import.
const KEY = Symbol.for('rx-weir.unhandled');
const shared = globalThis as { [KEY]?: unknown[] };

// RxJS reports what nobody handles on a timer, where no test would notice it: keep it, and fail the test that caused it.
export const unhandled: unknown[] = (shared[KEY] ??= []);

beforeEach(() => {
  unhandled.length = 0;
  config.onUnhandledError = (error) => unhandled.push(error);
});

afterEach(() => {
  expect(unhandled).toEqual([]);
});
