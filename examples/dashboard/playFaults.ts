import type { Reply, ReplyFunction, ScriptRequest } from 'rx-weir/testing';
import { answerTo } from './answers';
import type { Faults } from './faults';
import type { Provider } from './models';

/** The first token is not always as late. */
const pace = (index: number, paceMs: number): Reply => ({
  chunkChars: 6,
  paceMs,
  firstTokenMs: paceMs * (3 + ((index * 7) % 10)),
});

const STALL_AFTER_CHARS = 90;

/** Who is refused with 429, and for how long still. */
class Refusals {
  /** By provider: until when requests are refused; then they are answered for as long as they were refused. */
  readonly #until = new Map<string, number>();

  /** @returns in ms; 0: answered */
  restOf(provider: string, retryAfterMs: number, now: number): number {
    let until = this.#until.get(provider) ?? -Infinity;
    if (now >= until + retryAfterMs) this.#until.set(provider, (until = now + retryAfterMs));
    return Math.max(0, until - now);
  }

  clear(): void {
    this.#until.clear();
  }
}

/**
 * The provider's script: what the faults are at the moment, and else an answer. Only new answers are cut and stall, so that what
 * goes on with one gets through.
 */
export function playFaults(
  faults: () => Faults,
  paceMs: () => number,
  random: () => number = Math.random,
): ReplyFunction {
  const refusals = new Refusals();
  return (request) => {
    const { errorRate, retryAfter, stall, cutAfter, outages } = faults();
    const { provider, continues, index } = request;
    if (retryAfter === null) refusals.clear();
    if (outages.includes(provider as Provider)) return { status: 503 };
    const restMs = retryAfter === null ? 0 : refusals.restOf(provider, retryAfter * 1000, performance.now());
    if (restMs > 0) return { status: 429, headers: { 'retry-after': String(Math.ceil(restMs / 1000)) } };
    if (random() * 100 < errorRate) return { status: provider === 'anthropic' ? 529 : index % 2 === 0 ? 503 : 500 };
    // Closed in good order: the way that no error tells of.
    const cut = cutAfter !== null && { afterChars: cutAfter, how: 'fin' as const };
    return {
      ...pace(index, paceMs()),
      text: answerTo(questionOf(request)),
      ...(!continues && cut && { cut }),
      ...(!continues && stall && { stall: { afterChars: STALL_AFTER_CHARS } }),
    };
  };
}

/** The page asks each question on its own; what is behind it goes on with the answer. */
function questionOf({ body }: ScriptRequest): string {
  const [first] = body['messages'] as { content: string | { text: string }[] }[];
  const content = first?.content ?? '';
  return typeof content === 'string' ? content : content.map(({ text }) => text).join('');
}
