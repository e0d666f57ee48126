import { from } from 'rxjs';
import { expect } from 'vitest';
import { accumulate, createChatClient, type ChatClient, type ChatEvent, type ChatMessageState } from 'rx-weir';
import { planReply, type DialectName, type FaultyProvider, type Reply } from 'rx-weir/testing';
import { only, shown } from './chat';
import { openProvider } from './connections';
import { collect } from './streams';
import { VirtualTime } from './virtual';

/** Characters of one to four bytes, a combining mark, and a sequence of emoji that the events cut in two. */
export const TEXT = 'Füße 水は🌊 cafe\u0301 👩‍🚀 ok';

const REPLY: Reply = { text: TEXT, chunkChars: 8, usage: false };

/** Streams that run at the same time, on the same policies. A server accepts one connection in each turn of the event loop. */
const STREAMS = 16;

/** Streams after which the provider forgets what it recorded, which would slow it down. */
const ROUND = 480;

/** One is told to go on, the other one does from its own words. */
export const OPENAI = 'openai/m';
export const CLAUDE = 'anthropic/claude-3-5-m';

/** How answers end. */
export interface Cuts {
  /** What the first request is answered. */
  readonly fault: (at: number) => Reply;
  /** Where it does: behind every byte of the body, or every character of the text. */
  readonly behind: 'byte' | 'char';
  /** Whether only time tells that it has ended. */
  readonly stalls?: boolean;
}

/** Who is asked first, and who goes on; without the second one the first. */
export type Models = readonly [string, string?];

export const FAULTS: [string, Cuts][] = [
  ['reset', { behind: 'byte', fault: (afterBytes) => ({ cut: { afterBytes } }) }],
  ['ended in good order', { behind: 'byte', fault: (afterBytes) => ({ cut: { afterBytes, how: 'fin' } }) }],
  ['silent from there on', { behind: 'byte', fault: (afterBytes) => ({ stall: { afterBytes } }), stalls: true }],
  ['ended by an error', { behind: 'char', fault: (afterChars) => ({ errorFrame: { afterChars } }) }],
];

/**
 * Time that passes no faster than the event loop turns: a provider in the same process says something in every few of them,
 * however slow the machine is. What has not come in many turns does not come.
 */
class LoopTime extends VirtualTime {
  readonly #ticking = setInterval(() => this.advance(1), 1);

  stop(): void {
    clearInterval(this.#ticking);
  }
}

/** The places of a fault, from 0 on; the last one is behind everything. */
function placesOf({ behind }: Cuts, [model]: Models): number {
  if (behind === 'char') return TEXT.length + 1;
  const [dialect, name] = model.split('/') as [DialectName, string];
  // Ids, and with them the body, grow with the index: this one has as many digits as there can be here.
  const { steps } = planReply(REPLY, { dialect, model: name, index: 9_999 });
  return 1 + steps.reduce((sum, step) => sum + (step.type === 'bytes' ? step.bytes.length : 0), 0);
}

function clientOf([model, fallback]: Models, provider: FaultyProvider, time?: LoopTime): ChatClient {
  const at = (name: string) => ({ apiKey: 'k', baseUrl: provider.baseUrl(name) });
  return createChatClient({
    model,
    fallbacks: fallback ? [fallback] : [],
    resilience: {
      retry: { initialDelayMs: 0, maxRetries: fallback ? 0 : 2 },
      circuitBreaker: { failureThreshold: 1_000_000 },
      backpressure: STREAMS,
      timeout: time ? { firstMs: 3 * STREAMS, idleMs: 25 } : {},
    },
    providers: { openai: at('openai'), anthropic: at('anthropic') },
    ...(time && { scheduler: time }),
  });
}

/**
 * Asks for the answer once for each place, with a fault there. Every answer must be whole, shown once, and cost no request
 * more than it takes; nothing must be left behind.
 *
 * @returns the strategies by which they went on
 */
export async function cutEverywhere(cuts: Cuts, models: Models): Promise<string[]> {
  const places = placesOf(cuts, models);
  const asked = new Map<number, number>();
  const provider = await openProvider({
    reply: REPLY,
    script({ body }) {
      const { messages } = body as { messages: { content: string }[] };
      const at = Number(/\d+/.exec(messages[0]!.content));
      const before = asked.get(at) ?? 0;
      asked.set(at, before + 1);
      return before === 0 ? cuts.fault(at) : undefined;
    },
  });
  const time = cuts.stalls ? new LoopTime() : undefined;
  const strategies = new Set<string>();
  const client = clientOf(models, provider, time);
  const ask = async (at: number): Promise<void> => {
    const { values, error } = await collect(client.stream({ messages: [{ role: 'user', content: `At ${at}?` }] }));
    const wrong = problemOf(values) ?? (asked.get(at)! > (cuts.stalls ? 3 : 2) && `${asked.get(at)} requests`);
    if (error || wrong) {
      const place = `${models.join(' > ')}, behind ${cuts.behind} ${at} of ${places - 1}`;
      expect.fail(`${place}: ${wrong}, ${String(error)}: ${JSON.stringify(values)}`);
    }
    for (const { strategy } of only('resume', values)) strategies.add(strategy);
  };
  try {
    for (let next = 0; next < places;) {
      const end = Math.min(places, next + ROUND);
      const work = async (): Promise<void> => {
        while (next < end) await ask(next++);
      };
      await Promise.all(Array.from({ length: STREAMS }, work));
      await provider.idle(); // every request is over, also those that were left
      provider.reset();
    }
  } finally {
    time?.stop();
  }
  expect(asked.size).toBe(places);
  const now = client.snapshot();
  expect(now.currentInflight).toBe(0);
  for (const { circuitState, inflight, streams } of Object.values(now.models)) {
    expect({ circuitState, inflight, streams }).toMatchObject({
      circuitState: 'closed',
      inflight: { inUse: 0, queued: 0 },
      streams: { active: 0 },
    });
  }
  return [...strategies].sort();
}

/** What is wrong with an answer. Not by `expect`, which takes longer than all the rest. */
function problemOf(events: readonly ChatEvent[]): string | undefined {
  let message: ChatMessageState | undefined;
  from(events)
    .pipe(accumulate())
    .subscribe((now) => (message = now));
  if (message?.text !== TEXT) return `the text is '${message?.text}'`;
  // It never differs from what was shown before.
  if (only('rewind', events).length > 0) return 'a rewind';
  if (shown(events) !== TEXT) return `shown was '${shown(events)}'`;
  return only('finish', events).length === 1 && events.at(-1)?.type === 'finish' ? undefined : 'not one finish, last';
}
