import { expect } from 'vitest';
import { ResilientExecutor, type ResilienceConfig, type StreamEvent, type WeirEvent } from 'rx-weir';
import { VirtualTime } from './virtual';

/** An executor in virtual time, and all that it tells. */
export interface Story {
  readonly time: VirtualTime;
  readonly executor: ResilientExecutor;
  readonly events: WeirEvent[];
  readonly of: <Type extends StreamEvent['type']>(type: Type) => Extract<StreamEvent, { type: Type }>[];
  /** The attempts and what led to them, in short: `hedge`, `start 1`, `end 1 success`, ... */
  readonly log: () => string[];
}

export function story(config: ResilienceConfig): Story {
  const time = new VirtualTime();
  const executor = new ResilientExecutor(config, { scheduler: time });
  const events: WeirEvent[] = [];
  executor.events$.subscribe((event) => events.push(event));
  const log = (): string[] =>
    events.flatMap((event) => {
      if (event.type === 'attempt.start') return `start ${event.attempt}`;
      if (event.type === 'attempt.end') return `end ${event.attempt} ${event.outcome}`;
      return event.type === 'hedge' || event.type === 'retry.scheduled' || event.type === 'fallback' ? event.type : [];
    });
  const told = (type: StreamEvent['type']): WeirEvent[] => events.filter((event) => event.type === type);
  return { time, executor, events, log, of: told as Story['of'] };
}

/** Nothing is held, nobody waits, no timer is set, and each start has one end. */
export function expectQuiet({ time, executor, of }: Story): void {
  const { currentInflight, inflight, streams, rate } = executor.snapshot();
  const busy = { currentInflight, inUse: inflight?.inUse ?? 0, queued: (inflight?.queued ?? 0) + (rate?.queued ?? 0) };
  expect({ ...busy, active: streams.active }).toEqual({ currentInflight: 0, inUse: 0, queued: 0, active: 0 });
  const attempts = (type: 'attempt.start' | 'attempt.end'): string[] =>
    of(type).map(({ stream, attempt }) => `${stream}.${attempt}`);
  expect(attempts('attempt.end').sort()).toEqual(attempts('attempt.start').sort());
  // Whoever looks on has an alarm for what time brings; then there is none.
  time.advance(10_000);
  expect(time.timers).toBe(0);
}
