import { animationFrames, audit, filter, race, switchMap, throttle, timer, type MonoTypeOperatorFunction } from 'rxjs';

/** A tab that is hidden has no frames: then it goes on by a timer, seldom. */
const nextFrame = () => race(animationFrames(), timer(250));

/** The last value of each frame. */
export const perFrame = <T>(): MonoTypeOperatorFunction<T> => audit(nextFrame);

/** A value at once, then the last one of each period, in a frame of its own. */
export const atMostEvery = <T>(ms: number): MonoTypeOperatorFunction<T> =>
  throttle(() => timer(ms).pipe(switchMap(nextFrame)), { leading: true, trailing: true });

/** What nobody can see need not be drawn. */
export const whileVisible = <T>(): MonoTypeOperatorFunction<T> => filter(() => document.visibilityState === 'visible');
