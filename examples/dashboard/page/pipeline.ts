import { map, type Observable, type Subscription } from 'rxjs';
import { LIMITS } from './client';
import { byId, make, setText } from './dom';
import { perFrame } from './painting';
import { tell, type ClientEvent, type Operator } from './sentences';

const { backpressure, circuitBreaker, rateLimiter, retry, timeout } = LIMITS;

/** From the source outwards. */
const OPERATORS: readonly (readonly [Operator, string])[] = [
  ['verifyComplete', 'notices an answer that ends before its end mark.'],
  [
    'timeoutStream',
    `ends an attempt that is silent: ${timeout.firstMs / 1000} s to the first token, ${timeout.idleMs / 1000} s between two.`,
  ],
  ['limitConcurrency', `lets ${backpressure.maxInflight} streams run at each model, and the others queue.`],
  [
    'throttleTokens',
    `starts ${rateLimiter.requestsPerSecond} requests a second at most, and none while the provider says Retry-After.`,
  ],
  [
    'circuitBreak',
    `asks nobody who failed ${circuitBreaker.failureThreshold} times in a row, for ${circuitBreaker.cooldownMs / 1000} s; then lets one probe through.`,
  ],
  ['retryBackoff', `tries again up to ${retry.maxRetries} times, after a growing wait or the provider's own.`],
  ['resume', 'goes on behind the last character where an answer was cut: nothing is shown twice.'],
  ['fallbackTo', 'takes the next model when one has failed for good.'],
];

/** How long a chip is lit. */
const LIT_MS = 1_500;

/** Shows the operators in their order. One that acts lights up, and counts. */
export function showPipeline(events$: Observable<ClientEvent>): Subscription {
  const acted = new Map<string, number>();
  const chips = OPERATORS.map(([operator, sentence]) => {
    const count = make('span', { class: 'count' }, '0');
    const times = make('span', { class: 'unseen' }, ' times');
    const chip = make(
      'li',
      { class: 'chip' },
      make('h3', {}, make('code', {}, operator)),
      make('p', {}, sentence),
      make('p', { class: 'acted' }, 'acted ', count, make('span', { 'aria-hidden': 'true' }, '×'), times),
    );
    return { operator, chip, count, shown: 0, glow: undefined as Animation | undefined };
  });
  byId('operators').replaceChildren(...chips.map(({ chip }) => chip));
  return events$
    .pipe(
      map((event) => {
        const { operator } = tell(event);
        acted.set(operator, (acted.get(operator) ?? 0) + 1);
      }),
      perFrame(),
    )
    .subscribe(() => {
      for (const entry of chips) {
        const times = acted.get(entry.operator) ?? 0;
        if (times === entry.shown) continue;
        entry.shown = times;
        setText(entry.count, String(times));
        entry.chip.classList.add('lit');
        // An animation needs no timer of ours, begins anew where it still runs, and ends in a hidden tab as well.
        entry.glow?.cancel();
        entry.glow = entry.chip.animate([{}, {}], LIT_MS);
        entry.glow.onfinish = () => entry.chip.classList.remove('lit');
      }
    });
}
