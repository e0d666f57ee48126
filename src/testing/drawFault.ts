import { within } from './check';
import { DEFAULT_TEXT, type DialectName, type Reply } from './Reply';

type Draw = (at: number, dialect: DialectName, random: () => number) => Reply;

const FAULTS = {
  /** 429 with `retry-after-ms` from 10 to 59. */
  rateLimit: (_at, _dialect, random) => ({
    status: 429,
    headers: { 'retry-after-ms': String(10 + Math.floor(random() * 50)) },
  }),
  /** 503, or Anthropic's 529. */
  overload: (_at, dialect) => ({ status: dialect === 'anthropic' ? 529 : 503 }),
  /** 500. */
  serverError: () => ({ status: 500 }),
  /** The socket is reset before the headers. */
  refuse: () => ({ cut: { before: 'headers' } }),
  /** The socket is reset after some of the content. */
  reset: (at) => ({ cut: { afterChars: at } }),
  /** The body ends in good order after some of the content. */
  fin: (at) => ({ cut: { afterChars: at, how: 'fin' } }),
  /** Silence after some of the content. */
  stall: (at) => ({ stall: { afterChars: at } }),
  /** An error frame after some of the content. */
  errorFrame: (at) => ({ errorFrame: { afterChars: at } }),
  /** The same, and then the end marker. */
  errorThenDone: (at) => ({ errorFrame: { afterChars: at, thenDone: true } }),
  /** An event of broken JSON among the content. */
  malformed: (at) => ({ malformedAfterChars: at }),
  /** A terminator and no content. */
  empty: () => ({ text: '' }),
} satisfies Readonly<Record<string, Draw>>;

/** A fault that can strike by chance. */
export type FaultKind = keyof typeof FAULTS;

/** Faults by chance, for requests that no script answers. */
export interface ChanceOfFaults {
  /** Of the requests, from 0 to 1. */
  rate: number;
  /** Each as likely as the others. @defaultValue all but `stall`, which would hang a client that has no timeout */
  kinds?: readonly FaultKind[];
}

const ALL = Object.keys(FAULTS) as FaultKind[];
const DEFAULT_KINDS = ALL.filter((kind) => kind !== 'stall');

/** @throws RangeError, TypeError naming what is wrong */
export function checkFaults({ rate, kinds = DEFAULT_KINDS }: ChanceOfFaults): void {
  within('faults.rate', rate, 0, 1);
  const unknown = kinds.find((kind) => !ALL.includes(kind));
  if (unknown !== undefined || kinds.length === 0) {
    throw new TypeError(`faults.kinds must be some of ${ALL.join(', ')}, got ${unknown ?? 'none'}`);
  }
}

/**
 * The reply with the fault that chance has for it, or as it is. Pure: the same chance gives the same fault, at the same
 * place; always three draws, and a fourth for `rateLimit`.
 *
 * @param text - what the answer says, where that is not all of the reply's text
 */
export function drawFault(
  reply: Reply,
  { rate, kinds = DEFAULT_KINDS }: ChanceOfFaults,
  dialect: DialectName,
  random: () => number,
  text = reply.text ?? DEFAULT_TEXT,
): Reply {
  const [strikes, which, where] = [random(), random(), random()];
  const kind = kinds[Math.floor(which * kinds.length)];
  if (strikes >= rate || kind === undefined) return reply;
  const { reasoning = '' } = reply;
  const at = Math.floor(where * (reasoning.length + text.length + 1));
  const draw: Draw = FAULTS[kind];
  return { ...reply, ...draw(at, dialect, random) };
}
