import { memoryFetch } from '../cases/answers';
import type { Chance } from './random';

const TOKENS = 24;
const answer = memoryFetch('openai', TOKENS, 'event');

/** What can happen to a request: nothing, most of the time. */
const FATES = ['status', 'network', 'cut', 'error', 'stall'] as const;

const RETRY_AFTER = { 'content-type': 'application/json', 'retry-after-ms': '5' };

const failure = (status: number): Response =>
  new Response(JSON.stringify({ error: { message: 'by chance', type: 'server_error' } }), {
    status,
    headers: RETRY_AFTER,
  });

/** The body up to so many chunks, and then what `end` makes of it. */
function shortened(
  body: ReadableStream<Uint8Array>,
  chunks: number,
  signal: AbortSignal | null | undefined,
  end: 'close' | 'error' | 'stall',
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let left = chunks;
  return new ReadableStream({
    start: (controller) => {
      signal?.addEventListener('abort', () => controller.error(signal.reason), { once: true });
    },
    async pull(controller) {
      const { value } = left-- > 0 ? await reader.read() : { value: undefined };
      if (value) controller.enqueue(value);
      else if (end === 'close') controller.close();
      else if (end === 'error') controller.error(new TypeError('terminated'));
      else await new Promise(() => {}); // until it is aborted
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

/** A `fetch` in memory, a quarter of whose requests meet a fault. */
export function faultyFetch(chance: Chance): typeof fetch {
  return async (input, init) => {
    const fate = chance() < 0.25 ? chance.of(FATES) : 'none';
    if (fate === 'network') throw new TypeError('fetch failed', { cause: { code: 'ECONNRESET' } });
    if (fate === 'status') return failure(chance.of([429, 500, 503, 529]));
    const whole = await answer(input, init);
    if (fate === 'none') return whole;
    const end = ({ cut: 'close', error: 'error', stall: 'stall' } as const)[fate];
    const body = shortened(whole.body!, chance.between(0, TOKENS), init?.signal, end);
    return new Response(body, { headers: whole.headers });
  };
}
