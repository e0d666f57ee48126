import { isWeirError, WeirError, type WeirErrorDetails } from './WeirError';

type Details = Omit<WeirErrorDetails, 'code'>;

/** The stream ended without its terminator: what arrived may be cut short (E3001). */
export class IncompleteStreamError extends WeirError {
  static override readonly name: string = 'IncompleteStreamError';
  constructor(message = 'the stream ended without a terminator', details: Details = {}) {
    super(message, { ...details, code: 'E3001' });
  }
}

/** The stream ended without any content (E3001): the extreme of an incomplete answer, hence the subclass. */
export class EmptyStreamError extends IncompleteStreamError {
  static override readonly name = 'EmptyStreamError';
  constructor(message = 'the stream ended without any content', details: Details = {}) {
    super(message, details);
  }
}

/** The stream holds something that is not of its format (E3001). */
export class MalformedStreamError extends WeirError {
  static override readonly name = 'MalformedStreamError';
  constructor(message: string, details: Details = {}) {
    super(message, { ...details, code: 'E3001' });
  }
}

/** A new attempt's text is not the text that was already delivered (E9999); never retried. */
export class DivergedStreamError extends WeirError {
  static override readonly name = 'DivergedStreamError';
  constructor(message = 'the new attempt differs from what was already delivered', details: Details = {}) {
    super(message, { ...details, code: 'E9999', retryable: false });
  }
}

/** Whether it is a {@link DivergedStreamError}, also of another copy of the package. */
export const isDiverged = (error: unknown): boolean => isWeirError(error) && error.name === DivergedStreamError.name;

/** `connect`: until the headers; `first`: until the first content; `idle`: between contents; `total`: the whole stream. */
export type TimeoutPhase = 'connect' | 'first' | 'idle' | 'total';

const EXPECTED: Readonly<Record<TimeoutPhase, string>> = {
  connect: 'no response',
  first: 'no content',
  idle: 'no further content',
  total: 'the stream did not end',
};

/** A deadline passed (E3003). */
export class StreamTimeoutError extends WeirError {
  static override readonly name = 'StreamTimeoutError';
  readonly phase: TimeoutPhase;

  /** @param limitMs - the limit that was passed, in ms */
  constructor(phase: TimeoutPhase, limitMs: number, details: Details = {}) {
    super(`${EXPECTED[phase]} within ${limitMs} ms (${phase}Ms)`, { ...details, code: 'E3003' });
    this.phase = phase;
  }
}
