import fc from 'fast-check';
import { from, Subject, take } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { accumulate, type ChatClientConfig, type ChatEvent, type ChatMessageState, type WeirEvent } from 'rx-weir';
import type { FaultKind, Reply } from 'rx-weir/testing';
import { CLAUDE, clientOf, DEEPSEEK, only, request, shown, TEXT } from '../support/chat';
import { closeAll, openProvider } from '../support/connections';

/** All but silence, which only time could tell, and an answer that is empty and says it is whole. */
const KINDS: FaultKind[] = [
  'rateLimit',
  'overload',
  'serverError',
  'refuse',
  'reset',
  'fin',
  'errorFrame',
  'errorThenDone',
  'malformed',
];

const answer: fc.Arbitrary<Reply> = fc.record({
  text: fc.constantFrom(TEXT, 'The river is calm 🌊.'),
  reasoning: fc.constantFrom('', 'Rivers? Let me think.'),
  toolCalls: fc.constantFrom(
    [],
    [
      { name: 'tides', arguments: { river: 'Limmat' } },
      { name: 'rain', arguments: '{}' },
    ],
  ),
  chunkChars: fc.integer({ min: 1, max: 12 }),
  usage: fc.constantFrom({}, false as const),
});

const stream = fc.record({
  /** How many events all others have had before it starts. */
  at: fc.constantFrom(0, 0, 0, 5, 20, 60),
  /** How many it takes, if not all. */
  take: fc.oneof(
    { weight: 3, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 25 }) },
  ),
  /** How many events all others have had when its user leaves, wherever it stands then. */
  leave: fc.oneof(
    { weight: 3, arbitrary: fc.constant(Infinity) },
    { weight: 1, arbitrary: fc.constantFrom(1, 5, 25, 80) },
  ),
  priority: fc.integer({ min: 0, max: 1 }),
});

const settings = fc.record({
  resume: fc.constantFrom('auto' as const, 'auto' as const, 'rewind' as const),
  fallbacks: fc.constantFrom([], [CLAUDE], [CLAUDE, DEEPSEEK]),
  hedge: fc.constantFrom<ChatClientConfig['hedge'][]>(
    undefined,
    { afterMs: 0, max: 3 },
    { afterMs: 3 },
    { afterMs: 2, models: [DEEPSEEK] },
  ),
  maxAttempts: fc.integer({ min: 1, max: 12 }),
  maxRetries: fc.integer({ min: 0, max: 5 }),
  maxInflight: fc.integer({ min: 1, max: 6 }),
  failureThreshold: fc.integer({ min: 2, max: 20 }),
  burstSize: fc.integer({ min: 2, max: 40 }),
});

const faults = fc.record({
  rate: fc.constantFrom(0.2, 0.5, 0.8),
  kinds: fc.subarray(KINDS, { minLength: 1 }),
});

interface Story {
  readonly events: ChatEvent[];
  end: 'complete' | 'error' | 'left' | undefined;
  leave(): void;
}

function messageOf(events: readonly ChatEvent[]): ChatMessageState {
  let message: ChatMessageState = { text: '', reasoning: '', toolCalls: [] };
  from(events)
    .pipe(accumulate())
    .subscribe((now) => (message = now));
  return message;
}

describe('many streams over one client, and a provider that fails by chance', () => {
  it('each has its answer once, or an error and a beginning of it', { timeout: 60_000 }, async () => {
    const streams = fc.array(stream, { minLength: 1, maxLength: 16 });
    await fc.assert(
      fc.asyncProperty(streams, answer, faults, settings, fc.nat(1_000_000), async (plans, reply, chance, s, seed) => {
        const provider = await openProvider({ seed, faults: chance, reply });
        const client = clientOf(provider, {
          resume: s.resume,
          fallbacks: s.fallbacks,
          ...(s.hedge && { hedge: s.hedge }),
          resilience: {
            retry: { initialDelayMs: 1, maxDelayMs: 3, maxRetries: s.maxRetries },
            circuitBreaker: { failureThreshold: s.failureThreshold, cooldownMs: 5 },
            rateLimiter: { requestsPerSecond: 500, burstSize: s.burstSize, tokensPerMinute: 1_000_000 },
            backpressure: s.maxInflight,
            maxAttempts: s.maxAttempts,
          },
        });
        const told: (WeirEvent & { model: string })[] = [];
        const telling = client.events$.subscribe((event) => told.push(event));

        let seen = 0;
        let running = 0;
        const waiting = [...plans].sort((a, b) => a.at - b.at);
        const stories: (Story & { plan: (typeof plans)[number] })[] = [];
        await new Promise<void>((resolve) => {
          const next = (): void => {
            for (const story of stories) if (!story.end && story.plan.leave <= seen) story.leave();
            while (waiting[0] && (waiting[0].at <= seen || running === 0)) start(waiting.shift()!);
            if (running === 0 && waiting.length === 0) resolve();
          };
          const start = (plan: (typeof plans)[number]): void => {
            const over = (end: Story['end']): void => {
              expect(story.end).toBeUndefined();
              story.end = end;
              running--;
              next();
            };
            const left = new Subject<void>();
            const story = { events: [] as ChatEvent[], end: undefined as Story['end'], plan, leave: () => left.next() };
            stories.push(story);
            running++;
            const source = client.stream(request, { priority: plan.priority });
            const subscription = (plan.take === undefined ? source : source.pipe(take(plan.take))).subscribe({
              next: (event) => {
                expect(story.end).toBeUndefined();
                story.events.push(event);
                seen++;
                next();
              },
              error: () => over('error'),
              complete: () => over('complete'),
            });
            left.subscribe(() => {
              subscription.unsubscribe();
              over('left');
            });
          };
          next();
        });
        await provider.idle();

        expect(stories).toHaveLength(plans.length);
        for (const { events, end, plan } of stories) check(events, end === 'complete' && plan.take === undefined);
        if (s.resume === 'auto') for (const { events } of stories) expect(only('rewind', events)).toEqual([]);
        expect(provider.requests.length).toBeLessThanOrEqual(plans.length * s.maxAttempts);

        const { currentInflight, models } = client.snapshot();
        expect(currentInflight).toBe(0);
        for (const model of Object.values(models)) {
          expect(model).toMatchObject({
            inflight: { inUse: 0, queued: 0 },
            rate: { queued: 0 },
            streams: { active: 0 },
          });
        }
        telling.unsubscribe();
        const count = (type: WeirEvent['type']): string[] =>
          told
            .filter((event) => event.type === type)
            .map((event) => ('stream' in event ? `${event.model} ${event.stream}.${event.attempt}` : ''))
            .sort();
        expect(count('attempt.end')).toEqual(count('attempt.start'));
        expect(new Set(count('attempt.start')).size).toBe(count('attempt.start').length);

        function check(events: readonly ChatEvent[], whole: boolean): void {
          const { text = '', reasoning = '', toolCalls = [] } = reply;
          const message = messageOf(events);
          expect(text.startsWith(message.text), message.text).toBe(true);
          expect(reasoning.startsWith(message.reasoning)).toBe(true);
          expect(message.toolCalls.map(({ name }) => name)).toEqual(
            toolCalls.slice(0, message.toolCalls.length).map(({ name }) => name),
          );
          if (s.resume === 'auto') expect(shown(events)).toBe(message.text);
          let length = 0;
          for (const event of events) {
            if (event.type === 'text') length += event.text.length;
            else if (event.type === 'resume' && event.strategy !== 'rewind') expect(event.at).toBe(length);
          }
          if (!whole) return;
          expect(message).toMatchObject({ text, finish: { reason: toolCalls.length > 0 ? 'toolCalls' : 'stop' } });
          expect(message.toolCalls).toHaveLength(toolCalls.length);
          expect(only('finish', events)).toHaveLength(1);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('and leaves no connection', { timeout: 20_000 }, closeAll);
});
