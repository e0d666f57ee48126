import type { ChatClient, ChatEvent } from 'rx-weir';
import {
  BehaviorSubject,
  catchError,
  defer,
  distinctUntilChanged,
  EMPTY,
  finalize,
  ignoreElements,
  merge,
  repeat,
  Subject,
  switchMap,
  tap,
  timer,
  type Observable,
} from 'rxjs';
import { ANSWERS } from '../answers';

export const MOST_CHATS = 200;

const STAGGER_MS = 4;

/** How much of a text's end is kept to be shown. */
const TAIL = 28;

/** One of the chats that run in the background. Written per token, read per frame: a plain object. */
export interface Background {
  readonly number: number;
  state: 'off' | 'waiting' | 'streaming' | 'done' | 'failed';
  provider: string;
  /** Characters so far, */
  length: number;
  /** and the last ones. */
  tail: string;
  recovered: boolean;
  /** Its place among all that were asked. */
  turn: number;
  /** Told since it was last shown. */
  dirty: boolean;
}

export interface Totals {
  answered: number;
  recovered: number;
  failed: number;
}

export interface Load {
  readonly chats: readonly Background[];
  readonly totals: Totals;
  readonly level$: BehaviorSubject<number>;
  /** Runs as many chats as the level says. Tells that something changed; what, is in `chats` and `totals`. */
  readonly changes$: Observable<unknown>;
}

const QUESTIONS = Object.keys(ANSWERS);

/** Chats that ask again and again, with the same client and under the same policies as a person's. */
export function createLoad(client: ChatClient): Load {
  const level$ = new BehaviorSubject(0);
  const totals: Totals = { answered: 0, recovered: 0, failed: 0 };
  const chats = Array.from({ length: MOST_CHATS }, (_, i) => idle(i + 1));

  let turns = 0;
  // A chat that waits, fails or is refused gives no event, and is to be seen all the same.
  const changed = new Subject<void>();
  const become = (chat: Background, state: Partial<Background>): void => {
    Object.assign(chat, { ...state, dirty: true });
    changed.next();
  };

  const ask = (chat: Background): Observable<ChatEvent> => {
    const content = QUESTIONS[chat.number % QUESTIONS.length] ?? '';
    return defer(() => {
      become(chat, { ...idle(chat.number), state: 'waiting', turn: ++turns });
      return client.stream({ messages: [{ role: 'user', content }] });
    }).pipe(
      tap({
        next: (event) => {
          advance(chat, event);
          changed.next();
        },
        complete: () => {
          totals.answered++;
          become(chat, { state: 'done' });
          if (chat.recovered) totals.recovered++;
        },
      }),
      catchError(() => {
        totals.failed++;
        become(chat, { state: 'failed' });
        return EMPTY;
      }),
    );
  };
  const run = (chat: Background): Observable<ChatEvent> =>
    // Not all in one task: the page is to stay responsive.
    timer(chat.number * STAGGER_MS).pipe(
      switchMap(() => ask(chat).pipe(repeat({ delay: () => timer(300 + Math.random() * 900) }))),
      // Unsubscribing has aborted its request.
      finalize(() => become(chat, idle(chat.number))),
    );
  const switches = chats.map(() => new BehaviorSubject(false));
  const switched$ = level$.pipe(
    tap((level) => {
      // Who asked last goes first: that is the end of the queue. A stream that has a slot would leave it to one that waits, and
      // the provider would see a request that is aborted at once.
      for (const { number } of [...chats].sort((a, b) => b.turn - a.turn)) switches[number - 1]?.next(number <= level);
    }),
  );
  const running$ = switches.map((isOn$, i) =>
    isOn$.pipe(
      distinctUntilChanged(),
      switchMap((isOn) => (isOn ? run(chats[i]!) : EMPTY)),
      ignoreElements(),
    ),
  );
  const changes$ = merge(changed, ...running$, switched$);
  return { chats, totals, level$, changes$ };
}

const idle = (number: number): Background => ({
  number,
  state: 'off',
  provider: '',
  length: 0,
  tail: '',
  recovered: false,
  turn: 0,
  dirty: true,
});

function advance(chat: Background, event: ChatEvent): void {
  chat.dirty = true;
  if (event.type === 'start') chat.provider = event.provider;
  else if (event.type === 'resume') chat.recovered = true;
  else if (event.type === 'rewind') chat.length = event.to;
  else if (event.type === 'text') {
    chat.state = 'streaming';
    chat.length += event.text.length;
    chat.tail = (chat.tail + event.text).slice(-TAIL);
  }
}
