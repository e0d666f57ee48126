import { defer, filter, map, type OperatorFunction } from 'rxjs';
import { WeirError } from '../errors/WeirError';
import type { ChatEvent } from '../events/ChatEvent';
import { rewindOf, textOf } from '../events/defaults';

/**
 * The text alone, piece by piece.
 *
 * ```
 * source:  start──text 'a'──reasoning──text 'b'──usage──finish|
 * text():  ───────a────────────────────b──────────────────────|
 * ```
 *
 * Strings cannot be taken back, so a rewind of what was given is an error (E9999); with `onPartial: 'rewind'`, use
 * {@link accumulate}.
 */
export function text(): OperatorFunction<ChatEvent, string> {
  return (source) =>
    defer(() => {
      let given = 0;
      return source.pipe(
        map((event) => {
          if ((rewindOf(event) ?? given) < given) {
            throw new WeirError(
              "text() cannot take back what it has given: use accumulate(), or another onPartial than 'rewind'",
            );
          }
          const delta = textOf(event);
          given += delta.length;
          return delta;
        }),
        filter((delta) => delta !== ''),
      );
    });
}
