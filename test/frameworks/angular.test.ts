import { expect, it } from 'vitest';
import { run } from './App';
import { behavesLikeTheOthers } from './behaviours';

behavesLikeTheOthers('angular', ({ open }) => {
  it('needs no zone', async () => {
    const { page, signals } = await open();
    await signals('0 in flight');
    expect(await page.evaluate('"ng" in window')).toBe(true); // the development build of Angular
    expect(await page.evaluate('"Zone" in window')).toBe(false);
  });
});

it('builds, with its templates checked', () => run('angular', 'build'));
