import type { ChatClient, ClientSignals } from 'rx-weir';
import { interval, map, merge, type Subscription } from 'rxjs';
import { byId, setText } from './dom';
import { ModelCard } from './ModelCard';
import { atMostEvery, whileVisible } from './painting';

/** How often what time alone changes is looked at: countdowns, buckets that fill. */
const TICK_MS = 250;

/** Shows the state of all models, of nothing but `signals$`. */
export function showSignals({ signals$ }: ChatClient): Subscription {
  const cards = new Map<string, ModelCard>();
  const show = ({ models, activeModel, currentInflight, isHealthy, healthScore, timestamp }: ClientSignals): void => {
    for (const [model, signals] of Object.entries(models)) {
      let card = cards.get(model);
      if (!card) {
        cards.set(model, (card = new ModelCard(model)));
        byId('cards').append(card.element);
      }
      card.show(signals, model === activeModel, timestamp);
    }
    const rate = Object.values(models).reduce((sum, { streams }) => sum + streams.tokensPerSecond, 0);
    setText(byId('inflight'), String(currentInflight));
    setText(byId('rate'), String(Math.round(rate)));
    setText(byId('health'), `${isHealthy ? '✓ healthy' : '✕ not healthy'}, ${Math.round(healthScore * 100)} %`);
  };
  return merge(signals$, interval(TICK_MS))
    .pipe(
      atMostEvery(TICK_MS),
      whileVisible(),
      // Not what was emitted: the truth of now.
      map(() => ({ ...signals$.value, timestamp: Date.now() })),
    )
    .subscribe(show);
}
