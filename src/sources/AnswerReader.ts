import type { EventSourceMessage } from 'eventsource-parser';
import { errorOfFrame, type ErrorOptions } from '../errors/providerError';
import { redact } from '../errors/redact';
import { MalformedStreamError } from '../errors/streamErrors';
import { isWeirError } from '../errors/WeirError';
import type { Decoder, ProviderConfig } from './dialect';
import { errorIn } from './readEvents';

/** Between the events of a body and the decoder of its dialect: finds the end, the errors, and what is none of its format. */
export interface AnswerReader {
  /** For `readEvents`. @throws WeirError */
  onEvent(event: EventSourceMessage, cut: boolean): boolean;
  /** The body has ended. */
  onEnd(): void;
}

/** @param left - whether nobody wants the answer any more */
export function createAnswerReader(
  decoder: Decoder,
  { dialect = 'openai' }: ProviderConfig,
  origin: ErrorOptions,
  left: () => boolean,
): AnswerReader {
  let over = false;
  let done = false;
  const malformed = (what: string, data: string): MalformedStreamError =>
    new MalformedStreamError(`an event is ${what}: ${redact(data, origin.secrets).slice(0, 100)}`, origin);
  return {
    onEvent({ data, event }, cut) {
      if (left()) return false;
      if (data.startsWith('[DONE]')) return (over = done = true);
      let payload: unknown;
      try {
        payload = JSON.parse(data);
      } catch {
        // An event that the end of the body cut in two is missing, and the completion check says so.
        if (cut || !data.trim()) return false;
        if (event === 'error') throw errorOfFrame(data, origin);
      }
      const error = errorIn(payload, event);
      if (error) throw errorOfFrame(error, origin);
      if (over) return true; // behind the end only an error is of interest
      if (Object(payload) !== payload) throw malformed('no JSON object', data);
      try {
        return (over = decoder.read(payload as object));
      } catch (error) {
        throw isWeirError(error) ? error : malformed(`not of the ${dialect} format`, data);
      }
    },
    onEnd: () => decoder.end(done),
  };
}
