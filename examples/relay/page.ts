/** Shows a page with the browser's half of a relay; `npx tsx examples/relay/server.ts` bundles and serves it. */
import { accumulate, classifyError, type ChatEvent } from 'rx-weir';
import { tap, type Observable, type Subscription } from 'rxjs';
import { keptPlace } from './place';
import { relayedChat, relayedSignals, resumeChat } from './relayedChat';

const storage = sessionStorage;
const element = (id: string): HTMLElement => document.getElementById(id)!;
const question = element('question') as HTMLInputElement;
const send = element('send') as HTMLButtonElement;
const stop = element('stop') as HTMLButtonElement;

let running: Subscription | undefined;

function show(answer: Observable<ChatEvent>): void {
  const note = (text: string): void => void (element('note').textContent = text);
  const isRunning = (is: boolean): void => {
    send.disabled = is;
    stop.disabled = !is;
  };
  element('answer').textContent = '';
  note('');
  isRunning(true);
  const noteResumes = tap((event: ChatEvent) => {
    if (event.type === 'resume') note(`cut at the provider after ${event.at} characters, and gone on with`);
  });
  running = answer.pipe(noteResumes, accumulate()).subscribe({
    next: ({ text }) => (element('answer').textContent = text),
    error: (error: unknown) => {
      const { code, message } = classifyError(error);
      note(`${code}: ${message}`);
    },
  });
  running.add(() => isRunning(false));
}

element('form').addEventListener('submit', (event) => {
  event.preventDefault();
  show(relayedChat('', { messages: [{ role: 'user', content: question.value }] }, { storage }));
});
stop.addEventListener('click', () => running?.unsubscribe());

const place = keptPlace(storage);
if (place) show(resumeChat('', place, { storage }));

relayedSignals('').subscribe(({ models, activeModel }) => {
  const lines = Object.entries(models).map(([model, { circuitState, currentInflight, streams }]) => {
    const item = document.createElement('li');
    const active = model === activeModel ? ', asked last' : '';
    item.textContent = `${model}: circuit ${circuitState}, ${currentInflight} in flight, ${streams.completed} completed${active}`;
    return item;
  });
  element('signals').replaceChildren(...lines);
});
