import { delay, oneOf, whole } from './check';
import type { FaultPoint, Reply } from './Reply';

function checkPoint(name: string, point: FaultPoint): void {
  if ('before' in point) return;
  if ('afterChars' in point) whole(`${name}.afterChars`, point.afterChars);
  else whole(`${name}.afterBytes`, point.afterBytes);
}

const RULES: Readonly<Record<string, (name: string, value: unknown) => void>> = {
  chunkChars: (name, value) => whole(name, value, 1),
  headersMs: delay,
  firstTokenMs: delay,
  paceMs: delay,
  keepAliveMs: (name, value) => whole(name, value, 1, 2_147_483_647),
  status: (name, value) => whole(name, value, 200, 599),
  malformedAfterChars: whole,
};

const CONTINUE = ['continue', 'refuse', 'ignore'];

/** Checks the numbers and words of a reply. @throws RangeError, TypeError naming the field and the value */
export function checkReply(reply: Reply): void {
  for (const [name, value] of Object.entries(reply)) {
    if (value !== undefined) RULES[name]?.(name, value);
  }
  const { stall, cut, errorFrame, rawTail, splitBytes, continuation = {} } = reply;
  if (stall) checkPoint('stall', stall);
  if (stall?.ms !== undefined && stall.ms !== Infinity) delay('stall.ms', stall.ms);
  if (cut) checkPoint('cut', cut);
  if (errorFrame?.afterChars !== undefined) whole('errorFrame.afterChars', errorFrame.afterChars);
  if (rawTail?.afterChars !== undefined) whole('rawTail.afterChars', rawTail.afterChars);
  if (splitBytes !== undefined && splitBytes !== 'random') whole('splitBytes', splitBytes, 1);
  const { prefix, instruct, overlap } = continuation;
  if (prefix !== undefined) oneOf('continuation.prefix', prefix, CONTINUE);
  if (instruct !== undefined) oneOf('continuation.instruct', instruct, CONTINUE);
  if (overlap !== undefined) whole('continuation.overlap', overlap);
}
