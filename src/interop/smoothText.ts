import {
  asyncScheduler,
  Observable,
  Subject,
  takeUntil,
  type MonoTypeOperatorFunction,
  type SchedulerLike,
} from 'rxjs';
import { graphemes } from './characters';
import { within } from './checks';
import { Smoother } from './Smoother';

export interface SmoothTextOptions {
  /** How far what is shown may lag behind what has come, in ms: a backlog shrinks to about a third in that time. @defaultValue 150 */
  targetLagMs?: number;
  /** How often text is let through, in ms; 0 with `animationFrameScheduler`: in every frame. @defaultValue 16 */
  everyMs?: number;
  /** @defaultValue asyncScheduler */
  scheduler?: SchedulerLike;
}

/** What is asked of a document; a server has none. */
interface Page {
  readonly visibilityState?: string;
  addEventListener?(type: 'visibilitychange', listener: () => void): void;
  removeEventListener?(type: 'visibilitychange', listener: () => void): void;
}

/**
 * Lets text flow evenly that comes in bursts.
 *
 * ```text
 * source:  Hello, this is a burst------------and the end|
 * result:  Hel-lo, -this -is a-bu-r-s-t------and-( the end|)
 * ```
 *
 * - Strings and text events are cut anew, between two characters as a reader counts them (grapheme clusters; code points where
 *   there is no `Intl.Segmenter`). Everything else stays where it is among them.
 * - The source is never slowed. The first part of a text goes at once; then every `everyMs` the share `everyMs / targetLagMs` of
 *   what waits goes, and at least a character, so that a long backlog goes faster. When timers are late, the share is as much
 *   larger. When the source pauses, `n` UTF-16 units are through after `targetLagMs * (1 + ln(max(1, n * everyMs / targetLagMs)))`
 *   and two periods more.
 * - The last character waits for what may still belong to it (the next part of an emoji), at most `targetLagMs`.
 * - Everything that waits goes at once when the source completes or fails, and while the page is hidden, where timers stand still;
 *   also when more than 16384 values wait.
 *
 * @example
 * run.events$.pipe(smoothText({ targetLagMs: 200 }), accumulate()).subscribe(({ text }) => show(text));
 *
 * @throws TypeError, RangeError at the call for a bad option
 */
export function smoothText<T>(options: SmoothTextOptions = {}): MonoTypeOperatorFunction<T> {
  const { targetLagMs = 150, everyMs = 16, scheduler = asyncScheduler } = options;
  within('targetLagMs', targetLagMs, 0);
  within('everyMs', everyMs, 0);
  const characters = graphemes();
  return (source) =>
    new Observable<T>((subscriber) => {
      const smoother = new Smoother<T>(subscriber, characters, targetLagMs, everyMs, scheduler);
      const page = (globalThis as { document?: Page }).document;
      const isHidden = (): boolean => page?.visibilityState === 'hidden';
      const onChange = (): void => {
        if (isHidden()) smoother.flush();
      };
      page?.addEventListener?.('visibilitychange', onChange);
      // Not the subscription: a synchronous source has not given one yet when it has to stop.
      const stop = new Subject<void>();
      subscriber.add(() => {
        page?.removeEventListener?.('visibilitychange', onChange);
        smoother.stop();
        stop.next();
      });
      source.pipe(takeUntil(stop)).subscribe({
        next: (value) => smoother.push(value, isHidden()),
        error: (error: unknown) => {
          smoother.flush();
          subscriber.error(error);
        },
        complete: () => {
          smoother.flush();
          subscriber.complete();
        },
      });
    });
}
