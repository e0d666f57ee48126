import { createChatClient, type ChatClient } from 'rx-weir';
import { startFaultyProvider, type FaultyProvider } from 'rx-weir/testing';
import { AFTER, CHATS, OUTAGE, playChats, questionOf, type Chat } from './chats';
import { plainScreen, statusLine, terminalScreen, type Screen } from './Screen';
import { table } from './table';

const MODELS = ['openai/gpt-4o', 'anthropic/claude-3-5-sonnet', 'deepseek/deepseek-chat'] as const;
const PROVIDERS = MODELS.map((model) => model.slice(0, model.indexOf('/')));
const COOLDOWN_MS = 1_500;

/** What one chat's user saw. */
interface Seen {
  readonly chat: Chat;
  readonly text: string;
  /** How the answer went on where it was cut. */
  readonly resumed: readonly string[];
  readonly error?: unknown;
  readonly models: readonly string[];
}

/** Chats with a provider that fails in every way, and a table of what came of it. Resolves to the exit code. */
export async function demo(output: NodeJS.WriteStream): Promise<number> {
  let isDown = false;
  const provider = await startFaultyProvider({ seed: 1, script: playChats(() => isDown) });
  const screen = output.isTTY ? terminalScreen(output) : plainScreen(output);
  const client = createChatClient({
    model: MODELS[0],
    fallbacks: MODELS.slice(1),
    providers: Object.fromEntries(PROVIDERS.map((name) => [name, { apiKey: 'demo', baseUrl: provider.baseUrl(name) }])),
    resilience: {
      retry: { maxRetries: 3, initialDelayMs: 150, maxDelayMs: 1_000 },
      circuitBreaker: { failureThreshold: 4, cooldownMs: COOLDOWN_MS },
      rateLimiter: { requestsPerSecond: 20 },
      backpressure: { maxInflight: 4 },
      timeout: { firstMs: 2_000, idleMs: 400 },
    },
  });
  const signals = client.signals$.subscribe((state) => screen.status(statusLine(state)));
  const events = tellEvents(client, screen);
  try {
    screen.print(
      `${CHATS.length} chats at once, 4 slots; the provider has its small troubles (${SEAM}: cut here, and gone on with):`,
    );
    const seen = await Promise.all(CHATS.map((chat) => follow(client, chat, screen)));

    screen.print('\nnow OpenAI is down:');
    isDown = true;
    for (const chat of OUTAGE) seen.push(await follow(client, chat, screen));

    screen.print('\nthe outage is over:');
    isDown = false;
    await circuitOf(client, 'half_open');
    seen.push(await follow(client, AFTER, screen));

    screen.close();
    return report(seen, provider, output);
  } finally {
    signals.unsubscribe();
    events.unsubscribe();
    await provider.close();
  }
}

/** Shown where an answer was cut and went on. */
const SEAM = '⟲';

/** Runs one chat to its end. */
function follow(client: ChatClient, chat: Chat, screen: Screen): Promise<Seen> {
  const { question } = chat;
  const run = client.run({ messages: [{ role: 'user', content: question }] });
  const resumed: string[] = [];
  const models: string[] = [];
  const seams: number[] = [];
  let text = '';
  const shown = (): string =>
    seams.reduceRight((marked, at) => `${marked.slice(0, at)}${SEAM}${marked.slice(at)}`, text);
  return new Promise((resolve) => {
    const end = (error?: unknown): void => {
      screen.done(question);
      resolve({ chat, text, resumed, models, ...(error !== undefined && { error }) });
    };
    run.events$.subscribe({
      next: (event) => {
        if (event.type === 'start') models.push(event.provider);
        if (event.type === 'text') text += event.text;
        if (event.type === 'rewind') text = text.slice(0, event.to);
        if (event.type === 'resume') {
          resumed.push(event.strategy);
          if (event.strategy !== 'rewind') seams.push(event.at);
        }
        screen.text(question, shown());
      },
      error: end,
      complete: () => end(),
    });
  });
}

function tellEvents(client: ChatClient, screen: Screen): { unsubscribe(): void } {
  return client.events$.subscribe((event) => {
    if (event.type === 'retry.scheduled') {
      screen.print(`  ↻ ${event.model}: ${messageOf(event.error)}; again in ${Math.round(event.delayMs)} ms`);
    } else if (event.type === 'fallback') {
      screen.print(
        `  → ${event.from === 'primary' ? event.model : event.from} gives up (${messageOf(event.error)}); ${event.to} takes over`,
      );
    } else if (event.type === 'circuit') {
      screen.print(`  ⚡ ${event.model}: circuit ${event.from} → ${event.to} (${event.reason})`);
    }
  });
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).slice(0, 60);

/** Waits until the first model's circuit is in a state, as a UI would: by its signal. */
function circuitOf(client: ChatClient, state: string): Promise<void> {
  return new Promise((resolve) => {
    const subscription = client.signals$.subscribe(({ circuitState }) => {
      if (circuitState !== state) return;
      resolve();
      queueMicrotask(() => subscription.unsubscribe());
    });
  });
}

/** The closing table. @returns the exit code: 0 if every user saw what was meant, or was told that it failed */
function report(seen: readonly Seen[], provider: FaultyProvider, output: NodeJS.WriteStream): number {
  const rows = seen.map(({ chat, text, resumed, error, models }) => {
    const requests = provider.requests.filter((request) => questionOf(request) === chat.question);
    const served = new Set(requests.map((request) => request.provider));
    const whole = text === chat.answer;
    return {
      verdict: whole ? 'equal' : error === undefined ? 'NOT EQUAL' : 'told so',
      cells: [
        chat.question,
        chat.story,
        models.at(-1) ?? '-',
        whole ? 'equal' : error === undefined ? 'NOT EQUAL' : `told so: ${messageOf(error)}`,
        String(requests.length),
        String(requests.length - served.size),
        String(Math.max(0, PROVIDERS.indexOf(models.at(-1) ?? ''))),
        resumed.join(', ') || '-',
        String(
          requests.reduce(
            (sum, { billedInputTokens, billedOutputTokens }) => sum + billedInputTokens + billedOutputTokens,
            0,
          ),
        ),
      ],
    };
  });
  const head = [
    'chat',
    'what went wrong',
    'answered by',
    'what the user saw',
    'requests',
    'retries',
    'fallbacks',
    'gone on by',
    'tokens billed',
  ];
  output.write(
    `\n${table(
      head,
      rows.map(({ cells }) => cells),
    )}\n`,
  );
  const bad = rows.filter(({ verdict }) => verdict === 'NOT EQUAL').length;
  const equal = rows.filter(({ verdict }) => verdict === 'equal').length;
  output.write(`\n${equal} of ${rows.length} users saw exactly what was meant, ${bad} were left with a wrong text.\n`);
  return bad > 0 ? 1 : 0;
}
