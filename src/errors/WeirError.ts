import { ERROR_CODES, codeOfStatus, type ErrorCode, type ErrorKind } from './codes';

/** The part of an admission that can refuse. */
export type AdmissionComponent = 'circuitBreaker' | 'rateLimiter' | 'backpressure';

/** What a {@link WeirError} may be told about; everything is optional. */
export interface WeirErrorDetails {
  /** @defaultValue from `httpStatus`, else `E9999` */
  code?: ErrorCode | undefined;
  /** @defaultValue as the table of standard codes says for `code` */
  retryable?: boolean | undefined;
  /** @defaultValue as the table of standard codes says for `code` */
  fallbackable?: boolean | undefined;
  /** How long the other side asks to wait, in ms. */
  retryAfterMs?: number | undefined;
  httpStatus?: number | undefined;
  provider?: string | undefined;
  model?: string | undefined;
  requestId?: string | undefined;
  cause?: unknown;
}

// Registered symbols are the same in every copy of the package and in both module formats; `instanceof` is not.
const BRAND = Symbol.for('rx-weir.error');
const REJECTED = Symbol.for('rx-weir.rejected');

/** The base of every error that the library makes, and what {@link classifyError} turns any other error into. */
export class WeirError extends Error {
  // Written out in every class: a bundler that minifies gives the classes other names.
  static override readonly name: string = 'WeirError';
  /** The standard code, e.g. `E2001`. */
  declare readonly code: ErrorCode;
  /** The name of the standard code, e.g. `rate_limited`. */
  declare readonly kind: ErrorKind;
  /** The same request may succeed later. */
  declare readonly retryable: boolean;
  /** Another model or provider may succeed. */
  declare readonly fallbackable: boolean;
  /** How long the other side asks to wait, in ms. */
  declare readonly retryAfterMs?: number;
  declare readonly httpStatus?: number;
  declare readonly provider?: string;
  declare readonly model?: string;
  declare readonly requestId?: string;
  /** How many contents the subscriber had been given since the last rewind; set when the stream fails after its first content. */
  declare emitted?: number;

  constructor(message: string, details: WeirErrorDetails = {}) {
    const { cause, httpStatus, retryAfterMs, provider, model, requestId } = details;
    super(message, cause === undefined ? undefined : { cause });
    const code = details.code ?? codeOfStatus(httpStatus ?? 0);
    const { kind, ...info } = ERROR_CODES[code];
    const retryable = details.retryable ?? info.retryable;
    const fallbackable = details.fallbackable ?? info.fallbackable;
    const name = new.target.name;
    const own = { name, code, kind, retryable, fallbackable, retryAfterMs, httpStatus, provider, model, requestId };
    for (const [key, value] of Object.entries(own)) if (value !== undefined) Object.assign(this, { [key]: value });
  }

  /** @internal */
  [BRAND](): true {
    return true;
  }
}

/** An answer of the provider that is an error: an HTTP status, an error frame inside a stream, a refused connection. */
export class ProviderError extends WeirError {
  static override readonly name = 'ProviderError';
}

/** The library refused to start the attempt. The source was not touched; never retryable, always fallbackable. */
export class RejectedError extends WeirError {
  static override readonly name: string = 'RejectedError';
  /** What refused. */
  declare readonly component: AdmissionComponent;

  constructor(message: string, component: AdmissionComponent, details: WeirErrorDetails = {}) {
    const code = component === 'rateLimiter' ? 'E2001' : 'E3002';
    super(message, { ...details, code, retryable: false, fallbackable: true });
    this.component = component;
  }

  /** @internal */
  [REJECTED](): true {
    return true;
  }
}

const branded = (error: unknown, brand: symbol): boolean => {
  try {
    return brand in Object(error);
  } catch {
    return false; // a proxy that throws is none of ours
  }
};

/** Whether `error` is a {@link WeirError}, also one made by another copy of the package. Never throws. */
export const isWeirError = (error: unknown): error is WeirError => branded(error, BRAND);

/** Whether `error` is a {@link RejectedError}, also one made by another copy of the package. Never throws. */
export const isRejected = (error: unknown): error is RejectedError => branded(error, REJECTED);
