import type { ServerResponse } from 'node:http';
import { never, pause, turn, wait } from './pause';
import type { Plan, PlannedEnd } from './Plan';

/** What the player tells while it plays. */
export interface PlayListener {
  head(): void;
  /** Content that has been written: its text, and its characters as fault points count them. */
  sent(text: string, chars: number): void;
  stalled(): void;
  /** Nothing more will be written. `open`: the socket stays open all the same. */
  done(outcome: PlannedEnd, open: boolean): void;
}

/** Silence until the client has left, which rejects it, but for the keep-alives. */
async function stall(
  response: ServerResponse,
  signal: AbortSignal,
  keepAlive?: { everyMs: number; bytes: Uint8Array },
) {
  while (keepAlive) {
    await wait(keepAlive.everyMs, signal);
    response.write(keepAlive.bytes);
  }
  await never(signal);
}

/** Until the response takes more. */
const drained = (response: ServerResponse, signal: AbortSignal): Promise<void> =>
  pause(signal, (done) => {
    response.once('drain', done);
    return () => response.off('drain', done);
  });

/**
 * Plays a plan on a response; each step of bytes is one write.
 *
 * @param signal - aborted when the socket closes; the promise then rejects, with no timer and no listener left
 */
export async function playPlan(
  { status, headers, steps }: Plan,
  response: ServerResponse,
  extraHeaders: Readonly<Record<string, string>>,
  signal: AbortSignal,
  listener: PlayListener,
): Promise<void> {
  for (const step of steps) {
    signal.throwIfAborted();
    switch (step.type) {
      case 'wait':
        await wait(step.ms, signal);
        break;
      case 'turn':
        await turn(signal);
        break;
      case 'head':
        listener.head();
        for (const [name, value] of Object.entries({ ...extraHeaders, ...headers })) {
          response.setHeader(name, value);
        }
        response.writeHead(status);
        response.flushHeaders();
        break;
      case 'bytes': {
        const fits = response.write(step.bytes);
        if (step.text !== '' || step.chars > 0) listener.sent(step.text, step.chars);
        if (!fits) await drained(response, signal);
        break;
      }
      case 'stall':
        listener.stalled();
        await stall(response, signal, step.keepAlive);
        break;
      case 'break':
        listener.done('cut', false);
        if (step.how === 'reset') response.socket?.resetAndDestroy();
        else response.socket?.destroy();
        break;
      case 'end':
        listener.done(step.outcome, step.open);
        if (step.open) await stall(response, signal);
        if (response.headersSent) response.end();
        else response.socket?.destroy();
    }
  }
}
