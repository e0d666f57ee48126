import { afterEach, beforeEach, expect } from 'vitest';
import { config } from 'rxjs';

// RxJS reports what nobody handles on a timer, where no test would notice it: keep it, and fail the test that caused it.
export const unhandled: unknown[] = [];

beforeEach(() => {
  unhandled.length = 0;
  config.onUnhandledError = (error) => unhandled.push(error);
});

afterEach(() => {
  expect(unhandled).toEqual([]);
});
