import type { ScriptRequest } from './Reply';

/**
 * How a request ended, or where it stands: `open` and `stalled` (silent until the client leaves) are in progress.
 * `completed`: all was sent. `aborted`: the client closed the socket before. `cut`: the provider broke it off, or sent no
 * terminator. `error`: an error status or an error frame.
 */
export type RequestOutcome = 'open' | 'stalled' | 'completed' | 'aborted' | 'cut' | 'error';

/** What the provider knows about one request. A live object: it changes while the request is in progress. */
export interface RequestRecord extends ScriptRequest {
  /** Whether a key was sent (`authorization`, `x-api-key`, ...); the key itself is not kept. */
  readonly hasKey: boolean;
  /**
   * How the request went on with an answer that was cut, whatever was made of that; `undefined` for an ordinary request, which
   * is one too where the text so far is no beginning of the reply's. Set with the answer.
   */
  readonly continues?: 'prefix' | 'instruct';
  /** The HTTP status; 0 before the headers are sent. */
  readonly status: number;
  readonly outcome: RequestOutcome;
  /** Times are in ms on the process's monotonic clock (`performance.now()`). */
  readonly startedAt: number;
  /** When nothing more could be sent; `undefined` while in progress. */
  readonly endedAt?: number;
  /** When the client's close was seen, for an aborted request. */
  readonly abortedAt?: number;
  /** The answer's text as far as it was written, in whole events. */
  readonly sentText: string;
  /** Tokens of the request once an answer that is no error has begun. */
  readonly billedInputTokens: number;
  /** Tokens of the answer, in proportion to the content written. */
  readonly billedOutputTokens: number;
}

/** A record as the provider writes it. */
export type OpenRecord = { -readonly [K in keyof RequestRecord]: RequestRecord[K] };

interface Waiter {
  /** Whether it has what it waits for (it then has settled). */
  settled(): boolean;
  reject(error: Error): void;
}

/** Keeps the records and tells those who wait for something to happen. */
export class Recorder {
  #records: OpenRecord[] = [];
  readonly #waiters: Waiter[] = [];
  #closed = false;

  get records(): readonly RequestRecord[] {
    return this.#records;
  }

  /** Requests in progress, of one provider or of all. */
  active(provider?: string): number {
    return this.#records.filter((r) => r.endedAt === undefined && (provider ?? r.provider) === r.provider).length;
  }

  count(provider: string): number {
    return this.#records.filter((record) => record.provider === provider).length;
  }

  add(record: OpenRecord): void {
    this.#records.push(record);
    this.changed();
  }

  /** Writes down the end of a request, once. */
  end(record: OpenRecord, outcome: RequestOutcome, now: number): void {
    if (record.endedAt !== undefined) return;
    record.outcome = outcome;
    record.endedAt = now;
    if (outcome === 'aborted') record.abortedAt = now;
    this.changed();
  }

  /** Has to follow every change of a record. */
  changed(): void {
    // A predicate may ask for more while it is asked itself.
    const waiters = this.#waiters.splice(0);
    this.#waiters.push(...waiters.filter((waiter) => !waiter.settled()));
  }

  until<T>(find: () => T | undefined): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const settled = (): boolean => {
        try {
          const found = find();
          if (found === undefined) return false;
          resolve(found);
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
        return true;
      };
      if (settled()) return;
      if (this.#closed) reject(new Error('the faulty provider is closed'));
      else this.#waiters.push({ settled, reject });
    });
  }

  clear(): void {
    this.#records = [];
    this.changed();
  }

  close(): void {
    this.#closed = true;
    for (const { reject } of this.#waiters.splice(0)) reject(new Error('the faulty provider was closed'));
  }
}
