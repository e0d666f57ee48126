/** Shows how far an answer has come, kept where a reload finds it. */

/** A run, the last of its events that was told, and the text so far. */
export interface Place {
  readonly run: string;
  readonly lastId: number;
  readonly text: string;
}

/** What is needed of `sessionStorage`: each tab has its own, and it outlives a reload. */
export type PlaceStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

const KEY = 'rx-weir.run';

/** Keeps a place, or forgets the one that is kept. */
export function keep(storage: PlaceStorage | undefined, place: Place | undefined): void {
  try {
    if (place) storage?.setItem(KEY, JSON.stringify(place));
    else storage?.removeItem(KEY);
  } catch {
    // Full, or forbidden: then a reload does not go on, and that is all.
  }
}

/** The place that is kept. */
export function keptPlace(storage: PlaceStorage): Place | undefined {
  try {
    return (JSON.parse(storage.getItem(KEY) ?? 'null') as Place | null) ?? undefined;
  } catch {
    return undefined;
  }
}
