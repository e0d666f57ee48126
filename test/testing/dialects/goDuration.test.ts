import { expect, it } from 'vitest';
import { goDuration } from '../../../src/testing/dialects/goDuration';

it.each([
  [0, '0s'],
  [17, '17ms'],
  [16.2, '17ms'],
  [999.5, '1s'],
  [1000, '1s'],
  [7660, '7.66s'],
  [360_000, '6m0s'],
  [3_723_000, '1h2m3s'],
  [3_600_500, '1h0m0.5s'],
])('%d ms is %s, as Go prints it', (ms, text) => {
  expect(goDuration(ms)).toBe(text);
});
