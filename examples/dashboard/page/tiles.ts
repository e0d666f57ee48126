import { filter, fromEvent, map, merge, Subscription } from 'rxjs';
import { byId, make, setAttribute, setText } from './dom';
import type { Background, Load } from './load';
import { atMostEvery } from './painting';

/** Letters beside the colours. */
const LETTERS: Readonly<Record<string, string>> = { openai: 'G', anthropic: 'C', deepseek: 'D' };

const SIGNS = { off: '', waiting: '·', done: '✓', failed: '✕' } as const;

/** About as long as an answer is. */
const WHOLE = 480;

/** With more tiles there is no room for texts. */
const ROOMY = 36;

/** The slider, and what runs by it: one tile per chat, all written together and seldom. */
export function showLoad(load: Load): Subscription {
  const { chats, totals, level$, changes$ } = load;
  const slider = byId('load', HTMLInputElement);
  const grid = byId('tiles');
  const tiles = chats.map(() => new Tile());
  grid.replaceChildren(...tiles.map(({ element }) => element));

  const subscription = new Subscription();
  subscription.add(
    merge(changes$, level$.pipe(filter((level) => slider.valueAsNumber !== level)))
      .pipe(atMostEvery(100))
      .subscribe(() => {
        const level = level$.value;
        grid.classList.toggle('roomy', level <= ROOMY);
        chats.forEach((chat, i) => {
          if (chat.dirty) tiles[i]?.show(chat);
          chat.dirty = false;
        });
        if (slider.valueAsNumber !== level) slider.valueAsNumber = level;
        setText(byId('load-level'), String(level));
        const count = (state: Background['state']): number => chats.filter((chat) => chat.state === state).length;
        setText(
          byId('load-summary'),
          `${count('streaming')} streaming, ${count('waiting')} waiting, ${totals.answered} answered ` +
            `(${totals.recovered} recovered), ${totals.failed} failed`,
        );
      }),
  );
  subscription.add(
    fromEvent(slider, 'input')
      .pipe(map(() => slider.valueAsNumber))
      .subscribe((level) => level$.next(level)),
  );
  return subscription;
}

class Tile {
  readonly #letter = make('b');
  readonly #tail = make('span');
  readonly element = make('li', { 'data-state': 'off' }, this.#letter, this.#tail);

  show({ state, provider, length, tail, recovered }: Background): void {
    setAttribute(this.element, 'data-state', state);
    setAttribute(this.element, 'data-recovered', String(recovered));
    setAttribute(this.element, 'data-provider', provider);
    setText(this.#letter, state === 'streaming' ? (LETTERS[provider] ?? '?') : SIGNS[state]);
    this.element.style.setProperty('--share', Math.min(1, length / WHOLE).toFixed(2));
    // The end of the text is what moves.
    setText(this.#tail, tail);
  }
}
