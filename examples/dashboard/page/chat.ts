import { filter, fromEvent, map, merge, Subscription, type Observable } from 'rxjs';
import { AnswerView } from './AnswerView';
import { announce } from './announce';
import { isRunning, type Answer, type Conversation } from './conversation';
import { byId, isAvailable, setAvailable, setText } from './dom';
import { perFrame } from './painting';

/** Shows the conversation, and lets a person lead it. */
export function showChat(conversation: Conversation): Subscription {
  const form = byId('ask', HTMLFormElement);
  const input = byId('question', HTMLInputElement);
  const retry = byId('retry', HTMLButtonElement);
  const stop = byId('stop', HTMLButtonElement);
  const { answers$ } = conversation;
  let current: Answer | undefined;

  const subscription = new Subscription();
  subscription.add(
    answers$.pipe(perFrame()).subscribe((answers) => {
      current = answers.at(-1);
      setAvailable(stop, isRunning(current));
      setAvailable(retry, current !== undefined && !isRunning(current));
      showAnswers(answers);
    }),
  );
  subscription.add(announce(answers$.pipe(map((answers) => answers.at(-1)))));
  subscription.add(
    fromEvent(form, 'submit').subscribe((event) => {
      event.preventDefault();
      const question = input.value.trim();
      if (!question) return;
      conversation.ask(question);
      // The next question is typed over it; but select() takes the focus, which belongs to whoever pressed Send.
      if (document.activeElement === input) input.select();
    }),
  );
  subscription.add(pressed(retry).subscribe(() => current && conversation.ask(current.question)));
  const escapes = fromEvent<KeyboardEvent>(document, 'keydown').pipe(filter(({ key }) => key === 'Escape'));
  subscription.add(merge(pressed(stop), escapes).subscribe(() => conversation.stop()));
  return subscription;
}

const pressed = (button: HTMLButtonElement): Observable<Event> =>
  fromEvent(button, 'click').pipe(filter(() => isAvailable(button)));

const views = new Map<number, AnswerView>();

function showAnswers(answers: readonly Answer[]): void {
  const list = byId('messages');
  // Who has scrolled up to read is not pulled down.
  const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  let isNew = false;
  for (const answer of answers) {
    let view = views.get(answer.id);
    if (!view) {
      isNew = true;
      views.set(answer.id, (view = new AnswerView(answer)));
      list.append(view.element);
    }
    view.show(answer);
  }
  for (const [id, view] of views) {
    if (answers.some((answer) => answer.id === id)) continue;
    view.element.remove();
    views.delete(id);
  }
  byId('empty').hidden = answers.length > 0;
  setText(byId('active-model'), answers.at(-1)?.model ?? 'nobody yet');
  if (isAtEnd || isNew) list.scrollTop = list.scrollHeight;
}
