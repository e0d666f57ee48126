import { Observable } from 'rxjs';
import { resilient } from 'rx-weir';
import type { Case, Subject } from '../harness/Case';
import { allParts, executor } from './protection';

/** Tokens come in bursts of ten, as one read of a socket brings them, with a turn of the event loop between. */
const BURST = 10;

const bursts = (tokens: number): Observable<string> =>
  new Observable((subscriber) => {
    let sent = 0;
    const send = (): void => {
      if (subscriber.closed) return;
      for (let i = 0; i < BURST; i++, sent++) subscriber.next(' token');
      if (sent < tokens) setImmediate(send);
      else subscriber.complete();
    };
    setImmediate(send);
  });

function protectedBy(protection: Parameters<typeof resilient<string>>[0]): Subject {
  const operator = resilient<string>(protection);
  return {
    unit: 20_000,
    async run(operations) {
      let received = 0;
      await new Promise<void>((resolve, reject) =>
        bursts(operations)
          .pipe(operator)
          .subscribe({ next: () => received++, complete: resolve, error: reject }),
      );
      if (received !== operations) throw new Error(`${received} of ${operations} tokens came through`);
    },
  };
}

/** A token through `resilient`, */
export const cases: Readonly<Record<string, Case>> = {
  /** with no signals at all: from options, which make no executor; */
  none: () => protectedBy(allParts()),
  /** with so many that listen. */
  listeners: (count) => protectedBy(executor(Number(count))),
};
