/** Shows who pays attention to an answer: one run, all who listen to it, and its end when nobody does any more. */
import { catchError, concat, defer, finalize, map, of, skip, timer, type Observable, type Subscription } from 'rxjs';
import { classifyError, WeirError, type ChatRun } from 'rx-weir';
import { frame } from './eventStream';

const STOPPED = new WeirError('the answer was stopped', { code: 'E4002' });

export interface RelayedRunOptions {
  /** What the browser knows the run by before it knows its id. */
  key: string | null;
  graceMs: number;
  /** Called once: nobody can have the run any more. */
  onForget: () => void;
}

export class RelayedRun {
  /** Who knows it may read the answer and stop it: it cannot be guessed. */
  readonly id = crypto.randomUUID();
  readonly key: string | null;
  hasEnded = false;
  readonly #run: ChatRun;
  readonly #graceMs: number;
  readonly #onForget: () => void;
  #wasStopped = false;
  #listeners = 0;
  #grace: Subscription | undefined;

  constructor(run: ChatRun, { key, graceMs, onForget }: RelayedRunOptions) {
    this.#run = run;
    this.key = key;
    this.#graceMs = graceMs;
    this.#onForget = onForget;
    const end = (): void => {
      this.hasEnded = true;
      this.#startGrace();
    };
    run.events$.subscribe({ complete: end, error: end });
  }

  /** The answer as server-sent events, those with an id above `after`; each subscriber is one who listens. */
  frames(after: number): Observable<string> {
    const events = this.#run.events$.pipe(
      skip(after),
      map((event, index) => frame(event, { id: after + index + 1 })),
    );
    // A run that is stopped completes: whoever else listens must not take what there is for the whole answer.
    const end = defer(() => of(this.#wasStopped ? errorFrame(STOPPED) : frame({}, { event: 'done' })));
    return defer(() => {
      this.#listeners++;
      if (!this.hasEnded) this.#grace?.unsubscribe();
      return concat(events, end).pipe(
        catchError((error: unknown) => of(errorFrame(error))),
        finalize(() => {
          this.#listeners--;
          if (this.#listeners === 0 && !this.hasEnded) this.#startGrace();
        }),
      );
    });
  }

  /** Aborts the provider's request, if the answer has not ended, and forgets the run. */
  stop(): void {
    this.#wasStopped = !this.hasEnded;
    this.#run.cancel();
    this.#grace?.unsubscribe();
    this.#onForget();
  }

  /** A tab that was closed must not go on costing money, one that is reloaded must find its answer. */
  #startGrace(): void {
    this.#grace?.unsubscribe();
    this.#grace = timer(this.#graceMs).subscribe(() => this.stop());
  }
}

/** What a browser may know of an error: no cause, no headers; the library keeps keys out of messages. */
function errorFrame(error: unknown): string {
  const { code, kind, message, retryAfterMs } = classifyError(error);
  return frame({ code, kind, message, retryAfterMs }, { event: 'error' });
}
