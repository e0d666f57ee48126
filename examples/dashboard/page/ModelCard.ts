import type { SignalsSnapshot } from 'rx-weir';
import { nameOf } from '../models';
import { make, setAttribute, setText } from './dom';
import { seconds, stateName } from './sentences';

const ICONS = { closed: '●', half_open: '◐', open: '✕', isolated: '⊘', disabled: '–' } as const;

const COUNTERS = ['started', 'completed', 'retries', 'fallbacks', 'rejected', 'cancelled', 'failed'] as const;

/** A bar and what it says. */
class Gauge {
  readonly term: HTMLElement;
  readonly value: HTMLElement;
  readonly #fill = make('span', { class: 'fill' });
  readonly #text = make('span', { class: 'reading' });

  constructor(name: string) {
    this.term = make('dt', {}, name);
    this.value = make('dd', {}, this.#text, make('span', { class: 'bar', 'aria-hidden': 'true' }, this.#fill));
  }

  show(share: number, text: string): void {
    setText(this.#text, text);
    // The compositor scales it, no layout is needed.
    this.#fill.style.setProperty('--share', Math.min(1, Math.max(0, share)).toFixed(3));
  }
}

/** The live state of one model. */
export class ModelCard {
  readonly element: HTMLElement;
  readonly #active = make('span', { class: 'active' }, 'active');
  readonly #circuit = make('p', { class: 'circuit' });
  readonly #icon = make('span', { class: 'icon', 'aria-hidden': 'true' });
  readonly #state = make('strong');
  readonly #until = make('span', { class: 'until' });
  readonly #inflight = new Gauge('In flight');
  readonly #rate = new Gauge('Rate bucket');
  readonly #speed = make('dd');
  readonly #first = make('dd');
  readonly #counters = COUNTERS.map((name) => ({ name, value: make('dd') }));

  constructor(model: string) {
    const id = `card-${nameOf(model)}`;
    const pair = (term: string, value: HTMLElement): HTMLElement => make('div', {}, make('dt', {}, term), value);
    this.#circuit.append(this.#icon, ' Circuit ', this.#state, make('br'), this.#until);
    this.element = make(
      'article',
      { class: 'card', 'aria-labelledby': id },
      make('header', {}, make('h3', { id }, nameOf(model)), this.#active),
      this.#circuit,
      make(
        'dl',
        { class: 'gauges' },
        make('div', {}, this.#inflight.term, this.#inflight.value),
        make('div', {}, this.#rate.term, this.#rate.value),
        pair('Tokens per second', this.#speed),
        make('div', { class: 'wide' }, make('dt', {}, 'Time to first token, ms'), this.#first),
      ),
      make('dl', { class: 'counters' }, ...this.#counters.map(({ name, value }) => pair(name, value))),
    );
  }

  show({ circuitState, circuit, inflight, rate, streams }: SignalsSnapshot, isActive: boolean, now: number): void {
    this.#active.hidden = !isActive;
    setAttribute(this.#circuit, 'data-state', circuitState);
    setText(this.#icon, ICONS[circuitState]);
    setText(this.#state, stateName(circuitState));
    setText(this.#until, untilOf(circuitState, circuit, now));
    if (inflight) {
      const { inUse, max, queued, utilization } = inflight;
      this.#inflight.show(utilization, `${inUse} of ${max}, ${Math.max(queued, rate?.queued ?? 0)} queued`);
    }
    if (rate) {
      const { remaining, capacity, refillPerSecond, throttledUntil } = rate;
      const level = Math.max(0, Math.floor(remaining ?? 0));
      const isPaused = throttledUntil !== null && throttledUntil - now > 1000;
      const text = `${level} of ${capacity ?? '∞'}, ${isPaused ? `shut for ${seconds(throttledUntil - now)}` : `+${refillPerSecond ?? '∞'}/s`}`;
      this.#rate.show(capacity ? level / capacity : 1, text);
    }
    setText(this.#speed, String(Math.round(streams.tokensPerSecond)));
    const { firstContentMs } = streams;
    setText(
      this.#first,
      firstContentMs
        ? `last ${Math.round(firstContentMs.last)}, p50 ${Math.round(firstContentMs.p50)}, p95 ${Math.round(firstContentMs.p95)}`
        : '–',
    );
    for (const { name, value } of this.#counters) setText(value, String(streams[name]));
  }
}

function untilOf(state: string, circuit: SignalsSnapshot['circuit'], now: number): string {
  if (circuit?.openUntil) return `half-open in ${seconds(Math.max(0, circuit.openUntil - now))}`;
  if (state === 'half_open') return 'lets one probe through';
  if (!circuit?.failureCount) return 'no failures in a row';
  return `${circuit.failureCount} of ${circuit.failureThreshold} failures in a row`;
}
