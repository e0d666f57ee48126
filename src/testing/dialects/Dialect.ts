import type { DialectName, ErrorDetail, ErrorFrame } from '../Reply';

/** A piece of an answer's content, as one event carries it. */
export interface ContentChunk {
  kind: 'reasoning' | 'text' | 'tool';
  text: string;
  /** Which tool call it belongs to. */
  tool: number;
}

/** A whole answer, with every default filled in: what the dialects write down. */
export interface Answer {
  /** Makes the ids: the same run has the same ones. */
  index: number;
  provider: string;
  model: string;
  reasoning: string;
  text: string;
  toolCalls: readonly { id: string; name: string; arguments: string }[];
  /** The dialect's own word. */
  finish: string;
  /** The text is a refusal. */
  refusal: boolean;
  inputTokens: number;
  outputTokens: number;
  /** Whether the answer tells its token counts. */
  usage: boolean;
  terminator: 'full' | 'none' | 'done' | 'finish';
  /** The content in events, in order. */
  chunks: readonly ContentChunk[];
}

/** One event of a stream. */
export interface Frame {
  /** As it is on the wire, with LF and its blank line; bytes are not touched. */
  data: string | Uint8Array;
  /** The answer's text in it. */
  text: string;
  /** Characters of content in it, as fault points count them; 0: no content. */
  chars: number;
  /** Comes after the content. */
  end: boolean;
}

/** What the rate limits say about one request. */
export interface RateState {
  requests?: RateDimension;
  tokens?: RateDimension;
  /** Why it is refused; unset: it is not. */
  refusedBy?: 'requests' | 'tokens' | 'concurrency';
  /** In ms; unset where nobody can know. */
  retryAfterMs?: number;
}

export interface RateDimension {
  limit: number;
  remaining: number;
  /** Until it is full again, in ms. */
  resetMs: number;
}

/** How one wire format is written. Pure: no clock, no chance. */
export interface Dialect {
  readonly name: DialectName;
  /** Its word for each of ours. */
  readonly finishReasons: Readonly<Record<string, string>>;
  readonly requestIdHeader: string;
  /** The HTTP status that an error frame stands for where the reply does not say. */
  readonly frameStatus: number;
  /** Why it does not go on with a trailing assistant message, where it refuses to. */
  readonly prefixRefused: string;
  /** A tool call's id where the reply gives none. */
  toolId(n: number): string;
  frames(answer: Answer): Frame[];
  /** The answer in one piece. */
  body(answer: Answer): unknown;
  errorBody(status: number, detail: ErrorDetail, requestId: string): unknown;
  /** The error, and the end marker where it follows. */
  errorFrame(frame: ErrorFrame, answer: Answer): string;
  malformed(): string;
  /** Whether the request is well formed: the parameter at fault and what is wrong with it. */
  invalid(body: Readonly<Record<string, unknown>>): string | undefined;
  /** How many tokens a request is charged before it starts. @param estimated - of its input, by characters */
  charge(body: Readonly<Record<string, unknown>>, estimated: number): number;
  /** @param now - epoch time in ms */
  rateHeaders(state: RateState, now: number): Record<string, string>;
  models(ids: readonly string[]): unknown;
}

export const frame = (data: string | Uint8Array, chars = 0, text = '', end = false): Frame => ({
  data,
  chars,
  text,
  end,
});

export const requestId = (index: number): string => `req_weir${String(index).padStart(6, '0')}`;

/** The instant at which the first answer was "created", in s: a constant, so that the same run has the same bytes. */
export const EPOCH_SECONDS = 1_760_000_000;
