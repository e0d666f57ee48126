import fc from 'fast-check';
import { Observable, type SchedulerLike, type Subscriber } from 'rxjs';
import { ProviderError, type ChatEvent, type ErrorCode } from 'rx-weir';

/** One value of a stream; without time before it, it comes in the same turn as the one before. */
export interface Step {
  readonly after: number;
  readonly kind: 'start' | 'text' | 'usage';
}

/** `retryable` and so on name what may be done about an error; `stall`: the stream stays open. */
export type Ending = 'complete' | 'both' | 'retryable' | 'fallbackable' | 'neither' | 'stall';

/** What one subscription to a source plays. */
export interface Script {
  readonly steps: readonly Step[];
  readonly after: number;
  readonly end: Ending;
}

export interface Options {
  /** Of the source, one per attempt; then of each target. */
  readonly primary: readonly Script[];
  readonly targets: readonly Script[];
  readonly maxRetries: number;
  readonly delayMs: number;
  readonly onPartial: 'fail' | 'rewind';
}

/** What came out, and when. */
export type Event = readonly [at: number, what: string];

const CODES = { both: 'E3002', retryable: 'E4001', fallbackable: 'E1002', neither: 'E1001' } as const;

export const errorOf = (end: keyof typeof CODES): ProviderError =>
  new ProviderError(end, { code: CODES[end] as ErrorCode });

/** A value that tells which attempt it is from, and which of its values it is. */
function eventOf({ kind }: Step, name: string): ChatEvent {
  if (kind === 'start') return { type: 'start', provider: name, model: 'm' };
  return kind === 'text' ? { type: 'text', text: name } : { type: 'usage', inputTokens: 0, outputTokens: 0 };
}

export function whatOf(event: ChatEvent): string {
  if (event.type === 'start') return event.provider;
  return event.type === 'text' ? event.text : event.type;
}

/** Plays a script: synchronously as far as it waits for nothing. */
export const playing = (script: Script, name: string, scheduler: SchedulerLike): Observable<ChatEvent> =>
  new Observable((subscriber: Subscriber<ChatEvent>) => {
    const { steps, after, end } = script;
    const act = (i: number): void => {
      const step = steps[i];
      if (step) subscriber.next(eventOf(step, `${name}.${i}`));
      else if (end === 'complete') subscriber.complete();
      else if (end !== 'stall') subscriber.error(errorOf(end));
      if (i < steps.length && !subscriber.closed) go(i + 1);
    };
    const go = (i: number): void => {
      const wait = steps[i]?.after ?? after;
      if (wait === 0) act(i);
      else subscriber.add(scheduler.schedule(() => act(i), wait));
    };
    go(0);
  });

/** What the contract says must come out, when nobody leaves; it ends without an end where a stream stalls. */
export function expected({ primary, targets, maxRetries, delayMs, onPartial }: Options): Event[] {
  const out: Event[] = [];
  let now = 0;
  let delivered = false; // the subscriber has content that was not taken back
  let retries = 0;
  let tried = 0;
  let script = primary[0]!;
  let name = 'p0';
  for (;;) {
    let held: string[] = [];
    let committed = false;
    const commit = (): void => {
      if (delivered) out.push([now, 'rewind']);
      committed = true;
      for (const what of held) out.push([now, what]);
      held = [];
    };
    script.steps.forEach((step, i) => {
      now += step.after;
      const what = whatOf(eventOf(step, `${name}.${i}`));
      if (step.kind === 'text' && !committed) {
        commit();
        delivered = true;
      }
      if (committed) out.push([now, what]);
      else held.push(what);
    });
    if (script.end === 'stall') return out;
    now += script.after;
    if (script.end === 'complete') {
      if (!committed) commit();
      out.push([now, 'complete']);
      return out;
    }
    const { end } = script;
    const final = delivered && onPartial === 'fail';
    if (!final && tried === 0 && retries < maxRetries && (end === 'both' || end === 'retryable')) {
      now += delayMs;
      name = `p${++retries}`;
      script = primary[Math.min(retries, primary.length - 1)]!;
    } else if (!final && tried < targets.length && (end === 'both' || end === 'fallbackable')) {
      script = targets[tried]!;
      name = `t${tried++}`;
    } else {
      const exhausted = !final && tried > 0 && (end === 'both' || end === 'fallbackable');
      out.push([now, exhausted ? 'all targets failed' : end]);
      return out;
    }
  }
}

const waits = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3 }));

const scripts = (ends: readonly Ending[]): fc.Arbitrary<Script> =>
  fc.record({
    steps: fc.array(fc.record({ after: waits, kind: fc.constantFrom('start', 'text', 'usage') } as const), {
      maxLength: 4,
    }),
    after: waits,
    end: fc.constantFrom(...ends),
  });

// Failures that go on are the interesting ones.
const some = scripts(['complete', 'both', 'both', 'both', 'both', 'retryable', 'fallbackable', 'neither', 'stall']);

export const options: fc.Arbitrary<Options> = fc.record({
  primary: fc.array(some, { minLength: 1, maxLength: 4 }),
  targets: fc.array(some, { maxLength: 3 }),
  maxRetries: fc.nat(3),
  delayMs: fc.nat(4),
  onPartial: fc.constantFrom('fail', 'rewind'),
});
