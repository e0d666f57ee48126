import type { ChatClient, SignalsSnapshot } from 'rx-weir';
import { fromEvent, map, Observable, scan, startWith, Subscription, switchMap, timer } from 'rxjs';
import uPlot from 'uplot';
import { MODELS, nameOf } from '../models';
import { byId, make, setText } from './dom';
import { whileVisible } from './painting';

const SAMPLE_MS = 500;
const SHOWN_MS = 60_000;

/** One moment: when, and what each model was at it. */
interface Sample {
  readonly at: number;
  readonly models: Readonly<Record<string, SignalsSnapshot>>;
}

interface ChartSpec {
  readonly id: string;
  readonly unit: string;
  readonly read: (signals: SignalsSnapshot) => number | null;
}

const CHARTS: readonly ChartSpec[] = [
  { id: 'chart-rate', unit: '', read: ({ streams }) => streams.tokensPerSecond },
  { id: 'chart-inflight', unit: '', read: ({ currentInflight }) => currentInflight },
  { id: 'chart-first', unit: ' ms', read: ({ streams }) => streams.firstContentMs?.p50 ?? null },
];

/** The models are told apart by their dashes as well as by their colours. */
const DASHES = [[], [6, 4], [2, 3]];

/** Draws the last minute, of nothing but `signals$`: at most twice a second, and not while nobody sees it. */
export function showCharts({ signals$ }: ChatClient): Subscription {
  byId('legend').replaceChildren(...MODELS.map(legendOf));
  const samples$ = timer(0, SAMPLE_MS).pipe(
    map((): Sample => ({ at: Date.now(), models: signals$.value.models })),
    scan((samples, sample) => [...samples.filter(({ at }) => sample.at - at < SHOWN_MS), sample], [] as Sample[]),
  );
  const subscription = new Subscription();
  // Colours are drawn into the canvas, so another theme needs other charts.
  const themes$ = fromEvent(matchMedia('(prefers-color-scheme: dark)'), 'change').pipe(startWith(undefined));
  let charts: readonly Chart[] = [];
  const remove = (): void => charts.forEach((chart) => chart.remove());
  subscription.add(
    themes$
      .pipe(
        map(() => {
          remove();
          return (charts = CHARTS.map((spec) => new Chart(spec)));
        }),
        switchMap((made) => samples$.pipe(map((samples) => ({ made, samples })))),
        whileVisible(),
      )
      .subscribe(({ made, samples }) => made.forEach((chart) => chart.show(samples))),
  );
  subscription.add(remove);
  return subscription;
}

class Chart {
  readonly #spec: ChartSpec;
  readonly #plot: uPlot;
  readonly #reading: HTMLElement;
  readonly #resizes: Subscription;

  constructor(spec: ChartSpec) {
    this.#spec = spec;
    const figure = byId(spec.id);
    const place = figure.querySelector<HTMLElement>('.plot')!;
    this.#reading = figure.querySelector<HTMLElement>('.reading')!;
    this.#plot = new uPlot(optionsOf(sizeOf(place)), [[], [], [], []], place);
    this.#resizes = resizesOf(place).subscribe(() => this.#plot.setSize(sizeOf(place)));
  }

  show(samples: readonly Sample[]): void {
    const { read, unit } = this.#spec;
    const now = samples.at(-1)?.at ?? 0;
    const valueOf = (model: string, { models }: Sample): number | null => {
      const signals = models[model];
      return signals ? read(signals) : null;
    };
    const lines = MODELS.map((model) => samples.map((sample) => valueOf(model, sample)));
    this.#plot.setData([samples.map(({ at }) => (at - now) / 1000), ...lines]);
    const latest = lines.map((line, i) => {
      const value = line.at(-1);
      return `${nameOf(MODELS[i] ?? '')} ${value === null || value === undefined ? '–' : `${Math.round(value)}${unit}`}`;
    });
    setText(this.#reading, latest.join(', '));
  }

  remove(): void {
    this.#resizes.unsubscribe();
    this.#plot.destroy();
  }
}

const HEIGHT = 130;

const sizeOf = (place: HTMLElement) => ({ width: Math.max(120, Math.floor(place.clientWidth)), height: HEIGHT });

const resizesOf = (element: HTMLElement): Observable<void> =>
  new Observable((subscriber) => {
    const observer = new ResizeObserver(() => subscriber.next());
    observer.observe(element);
    return () => observer.disconnect();
  });

function optionsOf(size: { width: number; height: number }): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const axis = { stroke: colour('--muted'), font: '11px system-ui, sans-serif', ticks: { show: false } };
  return {
    ...size,
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time: false, range: [-SHOWN_MS / 1000, 0] }, y: { range: (_plot, _min, max) => [0, niceTop(max)] } },
    axes: [
      {
        ...axis,
        size: 22,
        splits: () => [-60, -40, -20, 0],
        grid: { show: false },
        values: (_plot, ticks) => ticks.map((tick) => (tick === 0 ? 'now' : `${tick} s`)),
      },
      {
        ...axis,
        size: 42,
        space: 36,
        grid: { stroke: colour('--line'), width: 1 },
      },
    ],
    series: [
      {},
      ...MODELS.map((model, i) => ({
        label: nameOf(model),
        stroke: colour(`--series-${i + 1}`),
        width: 2,
        dash: DASHES[i] ?? [],
        points: { show: false },
      })),
    ],
  };
}

/** Some room above, and never a scale of nothing. */
const niceTop = (max: number | null): number => Math.max(4, (max ?? 0) * 1.15);

const legendOf = (model: string, i: number): HTMLElement => {
  const swatch = `<svg viewBox="0 0 28 4" aria-hidden="true"><line x1="0" x2="28" y1="2" y2="2" stroke-dasharray="${(DASHES[i] ?? []).join(' ')}"/></svg>`;
  const item = make('li', { style: `--colour: var(--series-${i + 1})` });
  item.insertAdjacentHTML('afterbegin', swatch);
  item.append(nameOf(model));
  return item;
};
