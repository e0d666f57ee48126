import { createChatClient, isWeirError } from 'rx-weir';

interface Question {
  model: string;
  fallbacks: readonly string[];
  baseUrl: string | undefined;
  question: string;
}

/** Streams one answer to the terminal. Resolves to the exit code. */
export function ask({ model, fallbacks, baseUrl, question }: Question): Promise<number> {
  const [provider = ''] = model.split('/');
  const client = createChatClient({
    model,
    fallbacks,
    ...(baseUrl && { providers: { [provider]: { baseUrl } } }),
  });
  const note = (text: string): void => void process.stderr.write(`[${text}]\n`);
  client.events$.subscribe((event) => {
    if (event.type === 'retry.scheduled')
      note(`${event.model}: trying again in ${Math.round(event.delayMs)} ms: ${String(event.error)}`);
    if (event.type === 'fallback') note(`${event.from} failed, going on with ${event.to}: ${String(event.error)}`);
  });
  return new Promise((resolve) => {
    client.stream({ messages: [{ role: 'user', content: question }] }).subscribe({
      next: (event) => {
        if (event.type === 'text') process.stdout.write(event.text);
        if (event.type === 'rewind') process.stdout.write('\n[from the start]\n');
        if (event.type === 'finish') process.stdout.write(event.reason === 'stop' ? '\n' : `\n[${event.reason}]\n`);
      },
      error: (error: unknown) => {
        note(isWeirError(error) ? `${error.code} ${error.kind}: ${error.message}` : String(error));
        resolve(1);
      },
      complete: () => resolve(0),
    });
  });
}
