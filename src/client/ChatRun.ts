import { ReplaySubject, type BehaviorSubject, type Observable, type Subscription } from 'rxjs';
import type { ChatEvent } from '../events/ChatEvent';
import { rewindOf, textOf } from '../events/defaults';
import type { LiveSubject } from '../signals/LiveSubject';
import type { ClientSignals } from './ClientSignals';

/**
 * One chat answer that was started once. A UI that subscribes twice, late or again pays once: everything so far is replayed.
 * Nobody has to subscribe for it to go on; {@link cancel} ends it.
 */
export class ChatRun {
  /** All events, from the first on. */
  readonly events$: Observable<ChatEvent>;
  /** The text so far, with rewinds applied; each value is the whole text. */
  readonly text$: Observable<string>;
  /** The client's live state while the answer runs; completes with it. */
  readonly signals$: BehaviorSubject<ClientSignals>;
  readonly #subscription: Subscription;
  readonly #end: () => void;

  constructor(source: Observable<ChatEvent>, signals: () => LiveSubject<ClientSignals>) {
    const events = new ReplaySubject<ChatEvent>(Infinity);
    // A ReplaySubject, not a BehaviorSubject: who comes when all is over still gets the text.
    const text = new ReplaySubject<string>(1);
    let soFar = '';
    text.next(soFar);
    const live = signals();
    this.events$ = events.asObservable();
    this.text$ = text.asObservable();
    this.signals$ = live;
    this.#end = () => {
      events.complete();
      text.complete();
      live.complete();
    };
    this.#subscription = source.subscribe({
      next: (event) => {
        const to = rewindOf(event);
        const delta = textOf(event);
        if (to !== undefined) text.next((soFar = soFar.slice(0, to)));
        else if (delta) text.next((soFar += delta));
        events.next(event);
      },
      error: (error: unknown) => {
        text.error(error);
        events.error(error);
        live.complete();
      },
      complete: this.#end,
    });
  }

  /** Stops the answer: the request is aborted now, and everything completes. Does nothing when it is over. */
  cancel(): void {
    this.#subscription.unsubscribe();
    this.#end();
  }
}
