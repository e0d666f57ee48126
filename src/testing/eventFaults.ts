import type { Answer, Dialect, Frame } from './dialects/Dialect';
import type { PlannedEnd, Step } from './Plan';
import type { Reply } from './Reply';

/** A body before it is bytes: events, and what happens between them. */
export type Part = Frame | Step;

const isStep = (part: Part): part is Step => 'type' in part;

/** The offsets in an answer's content at which an event has to end, so that a fault can strike there. */
export function faultChars({ stall, cut, errorFrame, malformedAfterChars, rawTail }: Reply): number[] {
  const points = [stall, cut, errorFrame, rawTail].map((fault) =>
    fault && 'afterChars' in fault ? fault.afterChars : 0,
  );
  return [...points, malformedAfterChars].filter((at): at is number => at !== undefined && at > 0);
}

/** Where `chars` characters of content have gone by: behind the last of them; for 0 before the first. */
function indexAfter(parts: readonly Part[], chars: number): number {
  let sum = 0;
  let behind: number | undefined;
  for (const [i, part] of parts.entries()) {
    if (isStep(part) || part.chars === 0) continue;
    if (sum >= chars) return behind ?? i;
    sum += part.chars;
    behind = i + 1;
  }
  if (behind !== undefined) return behind;
  const end = parts.findIndex((part) => isStep(part) || part.end);
  return end < 0 ? parts.length : end;
}

interface Edit {
  at: number;
  put: readonly Part[];
  /** Whether what comes behind is lost. */
  last: boolean;
}

const raw = (data: string): Frame => ({ data, chars: 0, text: '', end: true });
const end = (outcome: PlannedEnd, open = false): Step => ({ type: 'end', outcome, open });

/** How a cut ends the answer. */
export const cutStep = (how: 'reset' | 'close' | 'fin' = 'reset'): Step =>
  how === 'fin' ? end('cut') : { type: 'break', how };

/**
 * Applies the faults that strike at a character. Of several, the first ends the stream; at the same character a stall
 * comes before broken JSON, an error frame, a raw tail and a cut, in that order.
 *
 * @param silence - how a stall of so many ms is written
 */
export function eventFaults(
  events: readonly Frame[],
  reply: Reply,
  { streamed, dialect, answer }: { streamed: boolean; dialect: Dialect; answer: Answer },
  silence: (ms: number) => Step[],
): Part[] {
  const { cut, stall, errorFrame, malformedAfterChars, rawTail, openAfterEnd } = reply;
  const edits: Edit[] = [];
  if (cut && 'afterChars' in cut) edits.push({ at: cut.afterChars, put: [cutStep(cut.how)], last: true });
  if (rawTail)
    edits.push({
      at: rawTail.afterChars ?? Infinity,
      put: [raw(rawTail.text), end('error', openAfterEnd)],
      last: true,
    });
  if (errorFrame && streamed) {
    const put = [raw(dialect.errorFrame(errorFrame, answer)), end('error', openAfterEnd)];
    edits.push({ at: errorFrame.afterChars ?? -1, put, last: true });
  }
  if (malformedAfterChars !== undefined) {
    const put = streamed ? [raw(dialect.malformed())] : [end('cut')];
    edits.push({ at: malformedAfterChars, put, last: !streamed });
  }
  if (stall && 'afterChars' in stall) {
    const { ms = Infinity } = stall;
    edits.push({ at: stall.afterChars, put: silence(ms), last: ms === Infinity });
  }
  const parts: Part[] = [...events];
  // From the back: what an earlier fault cuts off takes the later ones with it.
  for (const { at, put, last } of edits.sort((a, b) => b.at - a.at)) {
    const index = at < 0 ? 0 : indexAfter(parts, at);
    parts.splice(index, last ? Infinity : 0, ...put);
  }
  return parts;
}
