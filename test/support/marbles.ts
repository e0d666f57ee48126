import { TestScheduler } from 'rxjs/testing';
import { expect } from 'vitest';

type Run = Parameters<TestScheduler['run']>[0];
type Helpers = Parameters<Run>[0];

/**
 * Runs a marble test in virtual time and, once it is flushed, checks that nothing was left scheduled: `frame` is then
 * the last instant at which anything happened, so a forgotten 60 s timer shows as 60000.
 */
export function marbles(body: (helpers: Helpers & { scheduler: TestScheduler }) => void): { frame: number } {
  const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
  scheduler.run((helpers) => body({ ...helpers, scheduler }));
  expect(scheduler.actions).toEqual([]);
  return { frame: scheduler.frame };
}
