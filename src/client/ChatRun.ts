import { ReplaySubject, type BehaviorSubject, type Observable, type Subscription } from 'rxjs';
import { classifyError } from '../errors/classifyError';
import type { WeirError } from '../errors/WeirError';
import type { ChatEvent } from '../events/ChatEvent';
import { rewindOf, textOf } from '../events/defaults';
import type { LiveSubject } from '../signals/LiveSubject';
import { NOTHING, withEvent, type ChatMessageState } from '../sources/accumulate';
import type { ClientSignals } from './ClientSignals';

/** All that a view of an answer shows, in one value. */
export interface ChatRunState extends ChatMessageState {
  /** `streaming` until the end, also while nothing has arrived yet; `cancelled` by {@link ChatRun.cancel}. */
  readonly status: 'streaming' | 'completed' | 'failed' | 'cancelled';
  /** Why it has failed; what has arrived before is kept. */
  readonly error?: WeirError;
  /** Where the answer was cut, and gone on with. */
  readonly resumes: readonly Extract<ChatEvent, { type: 'resume' }>[];
}

/**
 * One chat answer that was started once. A UI that subscribes twice, late or again pays once: everything so far is replayed.
 * Nobody has to subscribe for it to go on; {@link cancel} ends it.
 */
export class ChatRun {
  /** All events, from the first on. */
  readonly events$: Observable<ChatEvent>;
  /** The text so far, with rewinds applied; each value is the whole text. */
  readonly text$: Observable<string>;
  /**
   * The answer so far and how it stands: a value at once, then one for each event and one for the end. It never errors, for a
   * failure is a state as well: what a template takes as it is.
   */
  readonly state$: Observable<ChatRunState>;
  /** The client's live state while the answer runs; completes with it. */
  readonly signals$: BehaviorSubject<ClientSignals>;
  readonly #subscription: Subscription;
  readonly #end: (status: ChatRunState['status']) => void;

  constructor(source: Observable<ChatEvent>, signals: () => LiveSubject<ClientSignals>) {
    const events = new ReplaySubject<ChatEvent>(Infinity);
    // ReplaySubjects, not BehaviorSubjects: who comes when all is over still gets the last value.
    const text = new ReplaySubject<string>(1);
    const states = new ReplaySubject<ChatRunState>(1);
    let state: ChatRunState = { ...NOTHING, status: 'streaming', resumes: [] };
    text.next('');
    states.next(state);
    const live = signals();
    this.events$ = events.asObservable();
    this.text$ = text.asObservable();
    this.state$ = states.asObservable();
    this.signals$ = live;
    const conclude = (change: Pick<ChatRunState, 'status' | 'error'>): void => {
      // Before anybody is told, who may cancel then; a subject that is complete takes no more.
      states.next({ ...state, ...change });
      states.complete();
    };
    this.#end = (status) => {
      conclude({ status });
      text.complete();
      events.complete();
      live.complete();
    };
    this.#subscription = source.subscribe({
      next: (event) => {
        const { status } = state;
        const resumes = event.type === 'resume' ? [...state.resumes, event] : state.resumes;
        state = { ...withEvent(state, event), status, resumes };
        if (textOf(event) || rewindOf(event) !== undefined) text.next(state.text);
        states.next(state);
        events.next(event);
      },
      error: (error: unknown) => {
        conclude({ status: 'failed', error: classifyError(error) });
        text.error(error);
        events.error(error);
        live.complete();
      },
      complete: () => this.#end('completed'),
    });
  }

  /** So that Vue's `ref` puts no proxy around it, behind which it could not work. */
  get [Symbol.toStringTag](): string {
    return 'ChatRun';
  }

  /** Stops the answer: the request is aborted now, and everything completes. Does nothing when it is over. */
  cancel(): void {
    this.#subscription.unsubscribe();
    this.#end('cancelled');
  }
}
