import { delay, whole } from './check';
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

/** Checks the numbers of a reply. @throws RangeError naming the field and the value */
export function checkReply(reply: Reply): void {
  for (const [name, value] of Object.entries(reply)) {
    if (value !== undefined) RULES[name]?.(name, value);
  }
  const { stall, cut, errorFrame, rawTail, splitBytes } = reply;
  if (stall) checkPoint('stall', stall);
  if (stall?.ms !== undefined && stall.ms !== Infinity) delay('stall.ms', stall.ms);
  if (cut) checkPoint('cut', cut);
  if (errorFrame?.afterChars !== undefined) whole('errorFrame.afterChars', errorFrame.afterChars);
  if (rawTail?.afterChars !== undefined) whole('rawTail.afterChars', rawTail.afterChars);
  if (splitBytes !== undefined && splitBytes !== 'random') whole('splitBytes', splitBytes, 1);
}
