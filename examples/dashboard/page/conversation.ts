import type { ChatEvent, ResumeStrategy } from 'rx-weir';
import { classifyError, smoothText, type ChatClient, type WeirError } from 'rx-weir';
import { catchError, concat, map, merge, of, scan, shareReplay, Subject, switchMap, type Observable } from 'rxjs';
import { nameOf } from '../models';

/** Where an answer was recovered. */
export interface Seam {
  /** Behind so many characters. */
  readonly at: number;
  readonly strategy: ResumeStrategy;
  readonly attempt: number;
  /** Who went on. */
  readonly model: string;
}

export interface Answer {
  readonly id: number;
  readonly question: string;
  readonly text: string;
  readonly seams: readonly Seam[];
  /** Who answers; absent until somebody does. */
  readonly model?: string;
  readonly status: 'waiting' | 'streaming' | 'complete' | 'stopped' | 'failed';
  readonly error?: WeirError;
}

export interface Conversation {
  /** The answers so far, the last one at the end; an answer that has changed is another object. */
  readonly answers$: Observable<readonly Answer[]>;
  ask(question: string): void;
  stop(): void;
}

export const isRunning = (answer: Answer | undefined): boolean =>
  answer?.status === 'waiting' || answer?.status === 'streaming';

/** Older ones are forgotten. */
const MOST_ANSWERS = 30;

type Step = (answers: readonly Answer[]) => readonly Answer[];

/** One answer at a time: a new question stops the one that runs, and so does `stop`; both abort its request at once. */
export function startConversation(client: ChatClient): Conversation {
  const questions = new Subject<string>();
  const stops = new Subject<void>();
  const steps = merge(questions, stops).pipe(
    switchMap((question) =>
      question === undefined ? of(stopped) : concat(of(stopped, asked(question)), answering(client, question)),
    ),
  );
  return {
    answers$: steps.pipe(
      scan((answers, step) => step(answers), [] as readonly Answer[]),
      shareReplay({ bufferSize: 1, refCount: true }),
    ),
    ask: (question) => questions.next(question),
    stop: () => stops.next(),
  };
}

/** A person's question comes before the load that runs beside it. Each is asked on its own: who answers remembers nothing. */
function answering(client: ChatClient, question: string): Observable<Step> {
  return concat(
    client.stream({ messages: [{ role: 'user', content: question }] }, { priority: 1 }).pipe(
      smoothText(),
      map((event): Step => last((answer) => advance(answer, event))),
    ),
    of(last((answer) => ({ ...answer, status: 'complete' }))),
  ).pipe(
    catchError((error: unknown) =>
      of(last((answer) => ({ ...answer, status: 'failed', error: classifyError(error) }))),
    ),
  );
}

const stopped: Step = (answers) =>
  isRunning(answers.at(-1)) ? last((answer) => ({ ...answer, status: 'stopped' }))(answers) : answers;

const asked =
  (question: string): Step =>
  (answers) => {
    const id = (answers.at(-1)?.id ?? 0) + 1;
    return [...answers.slice(1 - MOST_ANSWERS), { id, question, text: '', seams: [], status: 'waiting' }];
  };

/** A step of the last answer. */
const last =
  (change: (answer: Answer) => Answer): Step =>
  (answers) =>
    answers.map((answer, i) => (i === answers.length - 1 ? change(answer) : answer));

function advance(answer: Answer, event: ChatEvent): Answer {
  const { text, seams } = answer;
  switch (event.type) {
    case 'start': {
      const model = nameOf(`${event.provider}/${event.model}`);
      return { ...answer, model, seams: seams.map((seam) => (seam.model ? seam : { ...seam, model })) };
    }
    case 'text':
      return { ...answer, text: text + event.text, status: 'streaming' };
    case 'resume': {
      const { strategy, attempt } = event;
      // One that begins anew says what is there once more: nothing of it is shown, up to here or to a rewind.
      const at = strategy === 'rewind' ? text.length : event.at;
      return { ...answer, seams: [...seams, { at, strategy, attempt, model: '' }] };
    }
    case 'rewind':
      return {
        ...answer,
        text: text.slice(0, event.to),
        seams: seams.map((seam) => ({ ...seam, at: Math.min(seam.at, event.to) })),
      };
    default:
      return answer;
  }
}
