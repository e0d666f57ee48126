import { useEffect, useState, useSyncExternalStore, type FormEvent } from 'react';
import { toExternalStore, type ChatRun } from 'rx-weir';
import { client } from './client';
import { useObservable } from './useObservable';

const signals = toExternalStore(client.signals$);

export function Chat() {
  const [question, setQuestion] = useState('What is a weir?');
  const [run, setRun] = useState<ChatRun>();
  const answer = useObservable(run?.state$);
  const busy = answer?.status === 'streaming';

  // Leaving the view stops the answer, and so does the next one.
  useEffect(() => () => run?.cancel(), [run]);

  function send(event: FormEvent) {
    event.preventDefault();
    // Here, and neither in an effect nor while rendering, which StrictMode does twice: this is one request.
    setRun(client.run({ messages: [{ role: 'user', content: question }] }));
  }

  return (
    <>
      <form onSubmit={send}>
        <input aria-label="Question" value={question} onChange={(event) => setQuestion(event.target.value)} required />
        <button disabled={busy}>Send</button>
        <button type="button" disabled={!busy} onClick={() => run?.cancel()}>
          Stop
        </button>
      </form>
      <section aria-label="Answer" aria-live="polite" aria-busy={busy}>
        <p>{answer?.text}</p>
      </section>
      <p role="status">{answer?.resumes.map(({ at }) => `Cut after ${at} characters, and gone on with. `)}</p>
      {answer?.error && (
        <p role="alert">
          {answer.error.code}: {answer.error.message}
        </p>
      )}
      <Signals />
    </>
  );
}

/** A component of its own: it changes many times a second while an answer streams. */
function Signals() {
  const { circuitState, currentInflight, activeModel, models } = useSyncExternalStore(
    signals.subscribe,
    signals.getSnapshot,
  );
  const tokensPerSecond = Math.round(models[activeModel]?.streams.tokensPerSecond ?? 0);
  return (
    <section aria-label="Signals">
      circuit {circuitState}, {currentInflight} in flight, {tokensPerSecond} tokens/s by {activeModel}
    </section>
  );
}
