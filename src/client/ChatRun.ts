import { ReplaySubject, type BehaviorSubject, type Observable, type Subject, type Subscription } from 'rxjs';
import { classifyError } from '../errors/classifyError';
import type { WeirError } from '../errors/WeirError';
import type { ChatEvent } from '../events/ChatEvent';
import { rewindOf } from '../events/defaults';
import type { LiveSubject } from '../signals/LiveSubject';
import { NOTHING, withEvent, type ChatMessageState } from '../sources/accumulate';
import type { ClientSignals } from './ClientSignals';

/** All that a view of an answer shows, in one value. */
export interface ChatRunState extends ChatMessageState {
  /** `streaming` until the end, also while nothing has arrived yet; `cancelled` by {@link ChatRun.cancel}. */
  readonly status: 'streaming' | 'completed' | 'failed' | 'cancelled';
  /** Why it has failed; what has arrived before is kept. */
  readonly error?: WeirError;
  /** The seams in the text: where it was cut, and gone on with behind `at` characters. One that a rewind takes back is forgotten. */
  readonly resumes: readonly Resume[];
}

type Resume = Extract<ChatEvent, { type: 'resume' }>;

/** The seams, with one more event. An answer that begins anew is shown from the first difference on: there its seam is. */
function resumesWith(event: ChatEvent, { resumes, text }: ChatRunState): readonly Resume[] {
  if (event.type === 'resume') return [...resumes, event.strategy === 'rewind' ? { ...event, at: text.length } : event];
  const to = rewindOf(event);
  const last = resumes.at(-1);
  if (to === undefined || !last) return resumes;
  if (to === 0) return [];
  return [...resumes.slice(0, -1).filter(({ at }) => at <= to), { ...last, at: Math.min(last.at, to) }];
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
  readonly #cancel: () => void;

  constructor(source: Observable<ChatEvent>, signals: () => LiveSubject<ClientSignals>) {
    const events = new ReplaySubject<ChatEvent>(Infinity);
    // ReplaySubjects, not BehaviorSubjects: who comes when all is over still gets the last value.
    const text = new ReplaySubject<string>(1);
    const states = new ReplaySubject<ChatRunState>(1);
    const live = signals();
    let state: ChatRunState = { ...NOTHING, status: 'streaming', resumes: [] };
    let told = '';
    let isOver = false;
    text.next(told);
    states.next(state);
    this.events$ = events.asObservable();
    this.text$ = text.asObservable();
    this.state$ = states.asObservable();
    this.signals$ = live;

    /** The first end is the one, whatever is done by those who are told of it. */
    const end = (how: Pick<ChatRunState, 'status' | 'error'>, finish: (subject: Subject<unknown>) => void): void => {
      if (isOver) return;
      isOver = true;
      state = { ...state, ...how };
      states.next(state);
      states.complete();
      if (state.text !== told) text.next(state.text); // whoever was told the last event has ended the run
      finish(text as Subject<unknown>);
      finish(events as Subject<unknown>);
      live.complete();
    };
    const complete = (subject: Subject<unknown>): void => subject.complete();
    this.#subscription = source.subscribe({
      next: (event) => {
        state = { ...withEvent(state, event), status: 'streaming', resumes: resumesWith(event, state) };
        events.next(event);
        if (!isOver && (state.text !== told || rewindOf(event) !== undefined)) text.next((told = state.text));
        if (!isOver) states.next(state);
      },
      error: (error: unknown) =>
        end({ status: 'failed', error: classifyError(error) }, (subject) => subject.error(error)),
      complete: () => end({ status: 'completed' }, complete),
    });
    this.#cancel = () => end({ status: 'cancelled' }, complete);
  }

  /** So that Vue's `ref` puts no proxy around it, behind which it could not work. */
  get [Symbol.toStringTag](): string {
    return 'ChatRun';
  }

  /** Stops the answer: the request is aborted now, and everything completes. Does nothing when it is over. */
  cancel(): void {
    this.#subscription.unsubscribe();
    this.#cancel();
  }
}
