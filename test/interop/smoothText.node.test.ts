import { of } from 'rxjs';
import { afterEach, expect, it, vi } from 'vitest';
import { smoothText } from 'rx-weir';

afterEach(() => vi.unstubAllGlobals());

it('smoothText works where a document is not much of one', () => {
  vi.stubGlobal('document', {});
  const said: string[] = [];
  of('Hello')
    .pipe(smoothText())
    .subscribe((text) => said.push(text));
  expect(said.join('')).toBe('Hello');
});
