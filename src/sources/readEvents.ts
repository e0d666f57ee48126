import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { errorOfFrame } from '../errors/providerError';
import { redact } from '../errors/redact';
import { MalformedStreamError } from '../errors/streamErrors';
import type { WeirError } from '../errors/WeirError';
import type { ErrorOptions } from '../errors/providerError';
import { quietly, within } from './plumbing';
import { utf8Decoder } from './utf8';

export type Bytes = ReadableStreamDefaultReader<Uint8Array>;

/** @defaultValue of `maxEventBytes`: 1 MiB */
export const MAX_EVENT_BYTES = 1 << 20;

/** How much of what is no event is kept for an error, in characters. */
const MAX_TAIL = 1 << 16;

/** How long the rest of a body may take after its last event before its connection is given up, in ms. */
const LINGER_MS = 10;

/** The error that a JSON value is, for `errorOfFrame`; `undefined` if it is none. */
export function errorIn(payload: unknown, event?: string): unknown {
  const frame: unknown = Array.isArray(payload) ? payload[0] : payload; // Gemini wraps its errors in an array
  if (Object(frame) !== frame) return undefined;
  const { error, type, object, choices } = frame as Record<string, unknown>;
  const choice: unknown = Array.isArray(choices) ? choices[0] : undefined; // where OpenRouter marks an answer that failed
  const marked =
    type === 'error' ||
    object === 'error' ||
    event === 'error' ||
    (choice as { finish_reason?: unknown } | null | undefined)?.finish_reason === 'error';
  // Some hosts have an empty error beside every choice.
  const isError = error && !(Array.isArray(choices) && JSON.stringify(error) === '{}');
  return isError || marked ? frame : undefined;
}

/** What lines that belong to no event say about a stream that has ended. */
function errorOfTail(tail: string, empty: boolean, origin: ErrorOptions): WeirError | undefined {
  let payload: unknown;
  try {
    payload = errorIn(JSON.parse(tail));
  } catch {
    // no JSON
  }
  if (payload) return errorOfFrame(payload, origin);
  // A stream cut inside its first field name leaves up to 5 characters. Unknown fields between events are legal.
  if (tail.length > 5 && (empty || tail.startsWith('<'))) {
    return new MalformedStreamError(`not an event stream: ${redact(tail, origin.secrets).slice(0, 200)}`, origin);
  }
  return undefined;
}

/**
 * Reads server-sent events from a body.
 *
 * @param onEvent - gets each event, and whether the body ended before the event did; returns true to end the stream, and
 *   still gets what had arrived with that event
 * @param onEnd - called once, when there are no more events
 * @returns what broke the connection, `undefined` if the body ended in order
 * @throws MalformedStreamError, ProviderError for a body that says so, and whatever `onEvent` throws
 */
export async function readEvents(
  reader: Bytes | undefined,
  onEvent: (event: EventSourceMessage, cut: boolean) => boolean,
  origin: ErrorOptions,
  maxEventBytes: number,
  onEnd: () => void = () => undefined,
): Promise<{ error: unknown } | undefined> {
  let tail = '';
  let empty = true;
  let cut = false;
  let over = false;
  const tooLong = (): MalformedStreamError =>
    new MalformedStreamError(`an event is longer than maxEventBytes (${maxEventBytes})`, origin);
  const parser = createParser({
    onEvent(event) {
      const { length } = event.data;
      // A UTF-16 unit is up to 3 bytes in UTF-8: only what is near the limit is encoded.
      if (length * 3 > maxEventBytes && new TextEncoder().encode(event.data).length > maxEventBytes) throw tooLong();
      tail = '';
      empty = false;
      over = onEvent(event, cut) || over;
    },
    onError({ type, line }) {
      if (type === 'max-buffer-size-exceeded') throw tooLong();
      // Of eventsource-parser 3: version 4 drops such lines where they come in two chunks.
      if (type === 'unknown-field' && tail.length < MAX_TAIL) tail += `${line}\n`;
    },
    // What waits for its end; beyond its data an event's line has 'data: ' and perhaps a CR.
    maxBufferSize: maxEventBytes + 8,
  });
  const utf8 = utf8Decoder();
  let broken: { error: unknown } | undefined;
  while (reader) {
    let chunk: Awaited<ReturnType<Bytes['read']>>;
    try {
      chunk = await reader.read();
    } catch (error) {
      broken = { error };
      break;
    }
    if (chunk.done) break;
    parser.feed(utf8.decode(chunk.value));
    if (over) {
      onEnd();
      // The body's own end is on its way: with it, the connection can serve the next request.
      const drain = async (): Promise<void> => {
        while (!(await reader.read()).done);
      };
      await within(LINGER_MS, quietly(drain));
      void quietly(() => reader.cancel());
      return undefined;
    }
  }
  cut = true;
  // In a body that ended in order, the last event may lack its blank line; one that broke off may lack more than that.
  parser.feed(`${utf8.end()}${broken ? '' : '\n'}\n`);
  const error = errorOfTail(tail.trim(), empty, origin);
  if (error && !over) throw error;
  onEnd();
  return broken;
}
