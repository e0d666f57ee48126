import { expect, it } from 'vitest';
import { behavesLikeTheOthers, WHOLE } from './behaviours';

const EFFECT = 'useEffect(() => () => run?.cancel(), [run])';
const COUNTED = `useEffect(() => {
  window.effects = (window.effects ?? 0) + 1;
  return () => run?.cancel();
}, [run])`;

behavesLikeTheOthers('react', ({ open, outcomes }) => {
  it('makes one request, although StrictMode runs effects twice', async () => {
    const user = await open((page) =>
      page.route('**/src/Chat.tsx', async (route) => {
        const response = await route.fetch();
        await route.fulfill({ response, body: (await response.text()).replace(EFFECT, COUNTED) });
      }),
    );
    await user.signals('0 in flight');
    expect(await user.page.evaluate('effects')).toBe(2);
    await user.send.click();
    await user.page.waitForFunction('effects === 3');
    await user.says(WHOLE);
    expect(await user.ended()).toBe(WHOLE);
    expect(outcomes()).toEqual(['openai completed']);
  });
});
