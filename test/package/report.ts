import { execFileSync } from 'node:child_process';
import { inject } from 'vitest';

export type Entry = 'main' | 'operators' | 'testing';

/** What consumer/report.mjs found out about one module format. */
export interface Report {
  /** The names that each entry exports, sorted. */
  readonly names: Readonly<Record<Entry, readonly string[]>>;
  /** Exported names without a value. */
  readonly undefined: readonly string[];
  /** What `./operators` exports and `.` does not, or not as the same value. */
  readonly differing: readonly string[];
  /** Errors that came out of an operator of `./operators` and are instances of the class in `.`. */
  readonly instances: readonly string[];
  /** The same errors, where the other module format's `isWeirError` knows them. */
  readonly knownToOtherFormat: readonly string[];
}

export const readReport = (): Record<'import' | 'require', Report> =>
  JSON.parse(execFileSync(process.execPath, ['report.mjs'], { cwd: inject('consumer'), encoding: 'utf8' }));
