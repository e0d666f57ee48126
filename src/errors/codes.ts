/** What the library does with an error of one standard code. */
export interface ErrorCodeInfo {
  /** The standard name, e.g. `rate_limited`. */
  readonly kind: string;
  /** The same request may succeed later: `retryBackoff` tries again. */
  readonly retryable: boolean;
  /** Another model or provider may succeed: `fallbackTo` moves on. */
  readonly fallbackable: boolean;
  /** It says something about the provider's health: `circuitBreak` counts it (`E2001` only with `countRateLimits`). */
  readonly counted: boolean;
}

const row = <K extends string>(kind: K, flags: string): ErrorCodeInfo & { readonly kind: K } => ({
  kind,
  retryable: flags.includes('r'),
  fallbackable: flags.includes('f'),
  counted: flags.includes('c'),
});

/** The 13 standard error codes of AI-Protocol V2. */
export const ERROR_CODES = {
  E1001: row('invalid_request', ''),
  E1002: row('authentication', 'f'),
  E1003: row('permission_denied', ''),
  E1004: row('not_found', ''),
  E1005: row('request_too_large', ''),
  E2001: row('rate_limited', 'rf'),
  E2002: row('quota_exhausted', 'fc'),
  E3001: row('server_error', 'rfc'),
  E3002: row('overloaded', 'rfc'),
  E3003: row('timeout', 'rfc'),
  E4001: row('conflict', 'r'),
  E4002: row('cancelled', ''),
  E9999: row('unknown', 'c'),
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;
export type ErrorKind = (typeof ERROR_CODES)[ErrorCode]['kind'];

const BY_STATUS: Readonly<Record<string, ErrorCode>> = {
  401: 'E1002',
  402: 'E2002',
  403: 'E1003',
  404: 'E1004',
  408: 'E3003',
  409: 'E4001',
  413: 'E1005',
  429: 'E2001',
  499: 'E4002',
  503: 'E3002',
  504: 'E3003',
  529: 'E3002',
  '4xx': 'E1001',
  '5xx': 'E3001',
};

/** The standard code of an HTTP status: other 4xx are E1001, other 5xx E3001, anything else E9999. */
export const codeOfStatus = (status: number): ErrorCode =>
  BY_STATUS[status] ?? BY_STATUS[`${Math.floor(status / 100)}xx`] ?? 'E9999';
