import { cutStep } from './eventFaults';
import type { Step } from './Plan';
import type { FaultPoint, Reply } from './Reply';

type Bytes = Extract<Step, { type: 'bytes' }>;

const joined = (run: readonly Bytes[]): Uint8Array => {
  const out = new Uint8Array(run.reduce((sum, { bytes }) => sum + bytes.length, 0));
  let at = 0;
  for (const { bytes } of run) {
    out.set(bytes, at);
    at += bytes.length;
  }
  return out;
};

/** One run of writes cut anew; text and characters go with the byte that completes them. */
function recut(run: readonly Bytes[], size: () => number): Bytes[] {
  const all = joined(run);
  const out: Bytes[] = [];
  let next = 0;
  let ends = run[0]?.bytes.length ?? 0;
  for (let at = 0; at < all.length;) {
    const step: Bytes = { type: 'bytes', bytes: all.subarray(at, at + size()), text: '', chars: 0 };
    at += step.bytes.length;
    for (
      let whole = run[next];
      whole !== undefined && ends <= at;
      whole = run[++next], ends += whole?.bytes.length ?? 0
    ) {
      step.text += whole.text;
      step.chars += whole.chars;
    }
    out.push(step);
  }
  return out;
}

/** Cuts the writes between two other steps in pieces of `size()` bytes, whatever they split. */
export function splitBytes(steps: readonly Step[], size: () => number): Step[] {
  const out: Step[] = [];
  let run: Bytes[] = [];
  for (const step of steps) {
    if (step.type === 'bytes') {
      run.push(step);
      continue;
    }
    out.push(...recut(run, size), step);
    run = [];
  }
  return [...out, ...recut(run, size)];
}

/** Where `count` bytes of the body have gone by, splitting the write that they end in; its end if it is shorter. */
function indexAfter(steps: Step[], count: number): number {
  let left = count;
  for (const [i, step] of steps.entries()) {
    if (step.type === 'bytes') {
      if (left < step.bytes.length) {
        if (left === 0) return i;
        const head: Bytes = { type: 'bytes', bytes: step.bytes.subarray(0, left), text: '', chars: 0 };
        steps.splice(i, 1, head, { ...step, bytes: step.bytes.subarray(left) });
        return i + 1;
      }
      left -= step.bytes.length;
      if (left === 0) return i + 1;
    } else if (step.type === 'stall' || step.type === 'break' || step.type === 'end') return i;
  }
  return steps.length;
}

const after = (fault: FaultPoint | undefined): number | undefined =>
  fault && 'afterBytes' in fault ? fault.afterBytes : undefined;

/** Applies the faults that strike at a byte. @param silence - how a stall of so many ms is written */
export function byteFaults(steps: readonly Step[], { cut, stall }: Reply, silence: (ms: number) => Step[]): Step[] {
  const out = [...steps];
  const cutAt = after(cut);
  const stallAt = after(stall);
  if (cut && cutAt !== undefined) out.splice(indexAfter(out, cutAt), Infinity, cutStep(cut.how));
  if (stall && stallAt !== undefined && !(cutAt !== undefined && cutAt < stallAt)) {
    const { ms = Infinity } = stall;
    out.splice(indexAfter(out, stallAt), ms === Infinity ? Infinity : 0, ...silence(ms));
  }
  return out;
}
