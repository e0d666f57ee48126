import type { DialectName } from './Reply';

/** How an answer ends when the client stays for all of it. */
export type PlannedEnd = 'completed' | 'cut' | 'error';

/** What the server does next. */
export type Step =
  /** Silence, in ms. */
  | { type: 'wait'; ms: number }
  /** One turn of the event loop: what was written goes out by itself, and a client in this process can read it and leave. */
  | { type: 'turn' }
  /** Sends status and headers, at once. */
  | { type: 'head' }
  /** One write of the body. `text` and `chars` (of content) are those of the events that end in it. */
  | { type: 'bytes'; bytes: Uint8Array; text: string; chars: number }
  /** Silence until the client leaves, but for the keep-alives. */
  | { type: 'stall'; keepAlive?: { everyMs: number; bytes: Uint8Array } }
  /** Breaks the connection off, with an RST or with a FIN in the middle of the body. */
  | { type: 'break'; how: 'reset' | 'close' }
  /** Ends the body in good order (without a head: closes the socket). `open`: only the client ends it. */
  | { type: 'end'; outcome: PlannedEnd; open: boolean };

/** Everything that one answer does, decided before its first byte. */
export interface Plan {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly steps: readonly Step[];
  /** Tokens of the request; 0 for an error answer. */
  readonly inputTokens: number;
  /** Tokens of the whole answer, also where the plan cuts it; 0 for an error answer. */
  readonly outputTokens: number;
  /** Characters of content in the whole answer, also where the plan cuts it. */
  readonly chars: number;
  /** How the request goes on with an answer that was cut, whatever is made of that; unset for an ordinary one. */
  readonly continues?: 'prefix' | 'instruct';
}

/** The request that a plan answers. */
export interface PlanRequest {
  dialect: DialectName;
  /** @defaultValue true */
  stream?: boolean;
  /** @defaultValue the dialect's name */
  provider?: string;
  /** @defaultValue 'weir-1' */
  model?: string;
  /** Makes the ids. @defaultValue 0 */
  index?: number;
  /** The request's body, for token counts, `stream_options` and what it continues. @defaultValue one that asks for usage */
  body?: Readonly<Record<string, unknown>>;
  /** Chance in [0, 1), for `splitBytes: 'random'`. @defaultValue seeded by `index` */
  random?: () => number;
}
