import { buffer, connect, filter, fromEvent, map, Subscription, type Observable } from 'rxjs';
import { byId, make, setAttribute, setText } from './dom';
import { atMostEvery } from './painting';
import { tell, type ClientEvent, type Kind, type Told } from './sentences';

/** So many of each kind are kept, and so many lines are shown. */
const KEPT = 200;

interface Entry extends Told {
  readonly number: number;
  readonly time: string;
}

/** What happened, the newest first. It is no live region: under load nobody could listen to it. */
export function showEvents(events$: Observable<ClientEvent>): Subscription {
  const list = byId('events');
  const pause = byId('pause', HTMLButtonElement);
  const filters = byId('kinds', HTMLFieldSetElement);
  const kept = new Map<Kind, Entry[]>();
  let number = 0;
  /** What was told up to this one has been drawn. */
  let drawn = 0;
  let isPaused = false;

  const selected = (): ReadonlySet<string> =>
    new Set(Array.from(filters.querySelectorAll<HTMLInputElement>('input:checked'), ({ value }) => value));
  let shown = selected();
  const all = (): Entry[] =>
    [...kept.values()]
      .flat()
      .filter(({ kind }) => shown.has(kind))
      .sort((a, b) => b.number - a.number)
      .slice(0, KEPT);
  const redraw = (): void => {
    drawn = number;
    list.replaceChildren(...all().map(line));
    byId('no-events').hidden = list.childElementCount > 0;
  };
  const keep = (event: ClientEvent): Entry => {
    const told = tell(event);
    const entry = { ...told, number: ++number, time: new Date(event.timestamp).toLocaleTimeString('en-GB') };
    const entries = kept.get(told.kind) ?? [];
    kept.set(told.kind, entries);
    if (entries.push(entry) > KEPT) entries.shift();
    return entry;
  };

  const entries$ = events$.pipe(map(keep));
  const subscription = new Subscription();
  subscription.add(
    // Many at once are one change of the page.
    batched(entries$).subscribe((entries) => {
      if (isPaused) return;
      const news = entries.filter((entry) => entry.number > drawn && shown.has(entry.kind)).slice(-KEPT);
      if (news.length === 0) return;
      list.prepend(...news.reverse().map(line));
      while (list.childElementCount > KEPT) list.lastElementChild?.remove();
      byId('no-events').hidden = true;
    }),
  );
  subscription.add(
    fromEvent(pause, 'click').subscribe(() => {
      isPaused = !isPaused;
      setAttribute(pause, 'aria-pressed', String(isPaused));
      setText(pause, isPaused ? 'Go on' : 'Pause');
      if (!isPaused) redraw();
    }),
  );
  subscription.add(
    fromEvent(filters, 'change').subscribe(() => {
      shown = selected();
      redraw();
    }),
  );
  return subscription;
}

const batched = <T>(source: Observable<T>): Observable<T[]> =>
  source.pipe(
    connect((shared) => shared.pipe(buffer(shared.pipe(atMostEvery(250))))),
    filter((values) => values.length > 0),
  );

const line = ({ time, operator, kind, text }: Entry): HTMLElement =>
  make(
    'li',
    { 'data-kind': kind },
    make('time', {}, time),
    ' ',
    make('code', {}, operator),
    ' ',
    make('span', {}, text),
  );
