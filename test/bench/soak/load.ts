/** The streams of a soak: each kind runs one stream after another, with faults and leaving by chance. */
import { take, type Observable } from 'rxjs';
import { createChatClient, ResilientExecutor, RetryBudget, type ChatClient } from 'rx-weir';
import { scriptedStream, type StreamScript } from 'rx-weir/testing';
import { faultyFetch } from './faultyFetch';
import type { Chance } from './random';

/** Short times, so that a stream that stalls is over soon, and a circuit that opens closes again. */
const parts = (firstMs: number) => ({
  retry: { maxRetries: 2, initialDelayMs: 1, maxDelayMs: 20, budget: new RetryBudget({ maxTokens: 1000 }) },
  circuitBreaker: { failureThreshold: 20, cooldownMs: 30 },
  rateLimiter: { requestsPerSecond: 5000, tokensPerMinute: 1e9, maxWaitMs: 1000 },
  backpressure: { maxInflight: 64, maxWaitMs: 1000 },
  timeout: { firstMs, idleMs: firstMs, totalMs: 3000 },
});

/** What the soak looks at when nothing runs. */
export interface Load {
  readonly name: string;
  /** How many run at once. */
  readonly workers: number;
  /** Runs one stream to its end, whatever that is. */
  one(): Promise<void>;
  /** Everything that has to be zero when nothing runs, by name. */
  leftovers(): Readonly<Record<string, number>>;
}

/** Follows a stream to its end, or leaves it by chance: after some values, or after a while. */
function follow<T>(stream: Observable<T>, chance: Chance): Promise<void> {
  const fate = chance();
  return new Promise((resolve) => {
    const subscription = (fate < 0.1 ? stream.pipe(take(chance.between(1, 5))) : stream).subscribe({
      complete: resolve,
      error: () => resolve(),
    });
    if (fate < 0.9) return;
    setTimeout(
      () => {
        subscription.unsubscribe();
        resolve();
      },
      chance.between(0, 10),
    );
  });
}

const overloaded = Object.assign(new Error('overloaded'), { status: 529 });
const refused = Object.assign(new Error('bad request'), { status: 400 });

function script(chance: Chance): StreamScript<string> {
  const steps: (string | { value: string; after: number })[] = Array.from({ length: chance.between(1, 12) }, () =>
    chance() < 0.7 ? ' word' : { value: ' word', after: chance.between(1, 4) },
  );
  const end = chance();
  if (end < 0.1) return [...steps.slice(chance.between(0, 12)), { error: chance.of([overloaded, refused]) }];
  return end < 0.12 ? [...steps, { stall: true }] : steps;
}

/** Streams of `scriptedStream` under an executor with all parts, whose live state is followed by some, for a while. */
export function scripted(chance: Chance): Load {
  const backup = scriptedStream.attempts.bind(undefined);
  const executor = new ResilientExecutor({
    ...parts(60),
    onPartial: 'rewind',
    fallback: [() => backup(script(chance))],
  });
  executor.signals$.subscribe();
  executor.events$.subscribe();
  return {
    name: 'scripted streams',
    workers: 96,
    async one() {
      const listener = chance() < 0.2 ? executor.signals$.subscribe() : undefined;
      const source = scriptedStream.attempts(script(chance), script(chance), script(chance));
      await follow(source.pipe(executor.protect<string>({ priority: chance.between(0, 1) })), chance);
      listener?.unsubscribe();
    },
    leftovers: () => leftoversOf(executor.snapshot()),
  };
}

type Snapshot = ReturnType<ResilientExecutor['snapshot']>;

const leftoversOf = ({ currentInflight, inflight, rate, streams }: Snapshot): Record<string, number> => ({
  'attempts in flight': currentInflight,
  'slots in use': inflight?.inUse ?? 0,
  'waiting for a slot': inflight?.queued ?? 0,
  'waiting for the bucket': rate?.queued ?? 0,
  'active streams': streams.active,
});

/** Chats of a client. `outer` is a signal that outlives them all. */
function chats(name: string, workers: number, client: ChatClient, outer: AbortSignal, chance: Chance): Load {
  client.signals$.subscribe();
  client.events$.subscribe();
  const messages = [{ role: 'user' as const, content: 'How high is the river?' }];
  return {
    name,
    workers,
    async one() {
      const own = new AbortController();
      if (chance() < 0.05) setTimeout(() => own.abort(), chance.between(0, 5));
      const signal = chance.of([outer, own.signal]);
      await follow(client.stream({ messages, maxTokens: 100 }, { signal }), chance);
    },
    leftovers() {
      const models = Object.entries(client.snapshot().models);
      return Object.fromEntries(
        models.flatMap(([model, snapshot]) =>
          Object.entries(leftoversOf(snapshot)).map(([what, count]) => [`${model}: ${what}`, count]),
        ),
      );
    },
  };
}

const keys = { openai: { apiKey: 'k' }, deepseek: { apiKey: 'k' }, anthropic: { apiKey: 'k' } };

export const chatsInMemory = (outer: AbortSignal, chance: Chance): Load =>
  chats(
    'chats in memory',
    48,
    createChatClient({
      model: 'openai/gpt-4o',
      fallbacks: ['deepseek/deepseek-chat'],
      resilience: () => parts(60),
      providers: keys,
      fetch: faultyFetch(chance),
    }),
    outer,
    chance,
  );

export const chatsOverSockets = (
  urls: Readonly<Record<'openai' | 'anthropic', string>>,
  outer: AbortSignal,
  chance: Chance,
): Load =>
  chats(
    'chats over sockets',
    32,
    createChatClient({
      model: 'openai/gpt-4o',
      fallbacks: ['anthropic/claude-3-5-sonnet'],
      resilience: () => parts(500),
      providers: {
        openai: { apiKey: 'k', baseUrl: urls.openai },
        anthropic: { apiKey: 'k', baseUrl: urls.anthropic },
      },
      hedge: { afterMs: 100, max: 2 },
    }),
    outer,
    chance,
  );

/** Something that leaks, to see that the soak finds it. */
export const LEAKS: Readonly<Record<string, (outer: AbortSignal) => void>> = (() => {
  const kept: unknown[] = [];
  return {
    heap: () => void kept.push(new Array(16).fill(kept.length)),
    listener: (outer) => outer.addEventListener('abort', () => kept.length),
    timer: () => void setInterval(() => kept.length, 60_000),
  };
})();
