import type { Page } from 'playwright';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startFaultyProvider, type FaultyProvider } from 'rx-weir/testing';
import { pages } from '../support/chromium';
import { AppServer, run, type AppName } from './App';

/** What the provider means to say. */
export const WHOLE =
  'A weir is a low wall across a river. The water rises behind it and runs over it, and so the level above it stays the same, ' +
  'be the river high or low. Millers built them for their wheels, and boatmen cursed them.';
const BEGINNING = WHOLE.slice(0, 100);
const FALLBACK = 'anthropic/claude-3-5-sonnet';
const MODES = ['dev', 'preview'] as const;

/** What a user does and sees in an app, which is the same in each. */
function userOf(page: Page) {
  const button = (name: string) => page.getByRole('button', { name });
  const answer = page.getByRole('region', { name: 'Answer' });
  const signals = page.getByRole('region', { name: 'Signals' });
  return {
    page,
    question: page.getByRole('textbox', { name: 'Question' }),
    send: button('Send'),
    stop: button('Stop'),
    chat: button('Chat'),
    note: page.getByRole('status'),
    alert: page.getByRole('alert'),
    /** Waits until the live status line says this. */
    signals: (text: string) => signals.filter({ hasText: text }).waitFor(),
    /** Waits until this is all there is of the answer. */
    says: (text: string) => answer.getByText(text, { exact: true }).waitFor(),
    /** Waits until an answer is busy, and has some of the text, but not all. In the page, where no moment is missed. */
    streams: (whole: string) =>
      page.waitForFunction((whole) => {
        const text = document.querySelector('[aria-live][aria-busy=true]')?.textContent?.trim();
        return text && text !== whole && whole.startsWith(text);
      }, whole),
    /** Waits until no answer is busy, and returns the text that there is. */
    async ended() {
      await answer.and(page.locator('[aria-busy=false]')).waitFor();
      return (await answer.textContent())?.trim();
    },
  };
}

export type User = ReturnType<typeof userOf>;

/** What a framework's own tests need. */
export interface Served {
  /** Opens the app. @param prepare - what is done with its page before */
  open(prepare?: (page: Page) => Promise<unknown>): Promise<User>;
  /** `<provider> <outcome>` of each request. */
  outcomes(): string[];
}

/**
 * Tests that an app does what all of them do. To be called at the top of a test file.
 *
 * @param ownTests - declares the tests of this app alone, which are run while its development server does
 */
export function behavesLikeTheOthers(name: AppName, ownTests?: (served: Served) => void): void {
  const browser = pages();
  let provider: FaultyProvider;
  let app: AppServer;

  beforeAll(async () => {
    provider = await startFaultyProvider({ reply: { text: WHOLE } });
  });
  afterEach(() => provider.reset());
  afterAll(() => provider.close());

  const open: Served['open'] = async (prepare) => {
    const page = await browser.open();
    await prepare?.(page);
    await page.goto(app.url);
    return userOf(page);
  };
  const outcomes = () => provider.requests.map(({ provider, outcome }) => `${provider} ${outcome}`);

  /** A question whose answer says nothing behind its beginning. */
  const askAndStall = async (user: User) => {
    provider.reset();
    provider.script('openai', { text: WHOLE, stall: { afterChars: BEGINNING.length } });
    await user.send.click();
    await user.says(BEGINNING);
  };

  // Angular's CLI does not serve what it has built.
  describe.each(name === 'angular' ? MODES.slice(0, 1) : MODES)('by npm run %s', (mode) => {
    beforeAll(async () => {
      if (mode === 'preview') await run(name, 'build');
      app = await AppServer.start(name, name === 'angular' ? 'start' : mode, provider.url);
    });
    afterAll(() => app?.close());

    it('shows an answer while it streams, of one request, and stops the next one', async () => {
      const user = await open();
      provider.script('openai', { text: WHOLE, paceMs: 20 });
      await user.signals('circuit closed, 0 in flight');
      expect(await user.stop.isDisabled()).toBe(true);
      await user.question.fill('Why a weir?');
      const seen = Promise.all([user.streams(WHOLE), user.signals('1 in flight')]);
      await user.send.click();
      await seen;
      expect(await user.ended()).toBe(WHOLE);
      await user.signals('circuit closed, 0 in flight');
      expect(outcomes()).toEqual(['openai completed']);
      expect(provider.requests[0]!.body['messages']).toEqual([{ role: 'user', content: 'Why a weir?' }]);

      await askAndStall(user);
      expect(await user.send.isDisabled()).toBe(true);
      await user.stop.click();
      await provider.when(({ outcome }) => outcome === 'aborted');
      expect(await user.ended()).toBe(BEGINNING);
      await user.signals('0 in flight');
      expect(await user.alert.count()).toBe(0);
      provider.script('openai');
      await user.send.click();
      await user.says(WHOLE);
      expect(outcomes()).toEqual(['openai aborted', 'openai completed']);
    });
    if (mode === 'preview') return;

    it('goes on where an answer was cut, and says so, or shows the error below it', async () => {
      const user = await open();
      await askAndStall(user);
      provider.reset(); // cuts it, and is healthy
      await user.note.filter({ hasText: `Cut after ${BEGINNING.length} characters` }).waitFor();
      expect(await user.ended()).toBe(WHOLE);
      expect(outcomes()).toEqual(['openai completed']);
      expect(provider.requests[0]!.continues).toBe('instruct');
      expect(await user.alert.count()).toBe(0);

      await askAndStall(user);
      expect(await user.note.textContent()).toBe('');
      provider.reset();
      for (const name of ['openai', 'anthropic']) provider.script(name, { status: 401 });
      await user.alert.waitFor();
      expect(await user.alert.textContent()).toMatch(/^E1002: /);
      expect(await user.ended()).toBe(BEGINNING);

      provider.reset();
      await user.send.click();
      await user.says(WHOLE);
      expect(await user.alert.count()).toBe(0);
    });

    it('answers by the fallback in an outage, asks who is down no more, and shows when all are', async () => {
      const user = await open();
      provider.script('openai', { status: 503 });
      await user.send.click();
      await user.says(WHOLE);
      await user.signals('circuit open');
      await user.signals(`by ${FALLBACK}`);
      expect(await user.ended()).toBe(WHOLE);
      const asked = [...Array<string>(3).fill('openai error'), 'anthropic completed'];
      expect(outcomes()).toEqual(asked);
      provider.script('anthropic', { text: 'Again.' });
      await user.send.click();
      await user.says('Again.');
      expect(outcomes()).toEqual([...asked, 'anthropic completed']);

      provider.script('anthropic', { status: 529 });
      await user.send.click();
      await user.alert.waitFor();
      expect(await user.alert.textContent()).toMatch(/^E3002: .*anthropic/);
      expect(await user.ended()).toBe('');
      await user.signals('0 in flight');
    });

    it('stops an answer that is left, with the view or with the page', async () => {
      const user = await open();
      await askAndStall(user);
      await user.chat.click();
      await provider.when(({ outcome }) => outcome === 'aborted');
      await user.chat.click();
      expect(await user.ended()).toBe('');
      await user.signals('0 in flight');

      await askAndStall(user);
      await user.page.close();
      await provider.when(({ outcome }) => outcome === 'aborted');
      expect(outcomes()).toEqual(['openai aborted']);
    });

    ownTests?.({ open, outcomes });
  });
}
