/** CPU of one of so many streams at once, each with five tokens that timers bring; the parameter says how many. */
import { Observable } from 'rxjs';
import { resilient } from 'rx-weir';
import type { Case, Subject } from '../harness/Case';
import { cockatielPolicy } from './cockatiel';
import { naiveStack } from './naive';
import { executor } from './protection';

const TOKENS = 5;

/** Its tokens come 20 to 80 ms apart. */
const ticking = (seed: number): Observable<string> =>
  new Observable((subscriber) => {
    let left = TOKENS;
    let timer: NodeJS.Timeout;
    const wait = (): void => {
      timer = setTimeout(tick, 20 + ((seed * 31 + left * 17) % 61));
    };
    const tick = (): void => {
      subscriber.next(' token');
      if (--left > 0) wait();
      else subscriber.complete();
    };
    wait();
    return () => clearTimeout(timer);
  });

/** All are open before the first token comes. */
function concurrent(parameter: string, start: (seed: number, done: () => void) => void): Subject {
  const size = Number(parameter);
  return {
    unit: size,
    async run(operations) {
      for (let left = operations; left > 0; left -= size) {
        await new Promise<void>((resolve) => {
          let open = size;
          for (let i = 0; i < size; i++) {
            start(i, () => {
              if (--open === 0) resolve();
            });
          }
        });
      }
    },
  };
}

function streams(parameter: string, operator: (source: Observable<string>) => Observable<string>): Subject {
  let received = 0;
  return concurrent(parameter, (seed, done) => {
    ticking(seed)
      .pipe(operator)
      .subscribe({
        next: () => received++,
        complete: done,
        error: (error: unknown) => {
          throw error;
        },
      });
  });
}

const promised = (seed: number): Promise<void> =>
  new Promise((resolve) => ticking(seed).subscribe({ complete: resolve }));

export const cases: Readonly<Record<string, Case>> = {
  bare: (size) => streams(size, (source) => source),
  resilient: (size) => streams(size, resilient<string>(executor())),
  naive: (size) => streams(size, naiveStack(false)),
  naiveWithTimeout: (size) => streams(size, naiveStack(true)),
  cockatiel: async (size) => {
    const policy = await cockatielPolicy(60_000);
    return concurrent(size, (seed, done) => void policy.execute(() => promised(seed)).then(done));
  },
};
