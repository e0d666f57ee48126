/** Runs the loads, lets them come to rest now and then, looks at what is left, and judges. */
import { fork } from 'node:child_process';
import { getEventListeners, on } from 'node:events';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { chatsInMemory, chatsOverSockets, LEAKS, scripted, type Load } from './load';
import type { Answer, Question } from './provider';
import { chance } from './random';
import { growth, problems, type Rest } from './verdict';

const RESTS = 20;

const [seconds, seed, leak] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4] ?? ''];

const child = fork(join(import.meta.dirname, 'provider.mjs'), [String(seed)]);
const answers = on(child, 'message') as AsyncIterator<[Answer]>;
const answered = async (): Promise<Answer> => ((await answers.next()).value as [Answer])[0];
const ask = async (question: Question): Promise<{ active: number; sockets: number }> => {
  child.send(question);
  return (await answered()) as { active: number; sockets: number };
};
const { urls } = (await answered()) as { urls: Record<'openai' | 'anthropic', string> };

const outer = new AbortController().signal;
const loads: readonly Load[] = [
  scripted(chance(seed)),
  chatsInMemory(outer, chance(seed + 1)),
  chatsOverSockets(urls, outer, chance(seed + 2)),
];
const count = new Map(loads.map(({ name }) => [name, 0]));
let streams = 0;
let isResting = false;
let mostListeners = 0;

/** Runs until there is to be rest. */
async function work(load: Load): Promise<void> {
  while (!isResting) {
    await load.one();
    await turn(); // what is in memory would never let timers and sockets have theirs
    count.set(load.name, count.get(load.name)! + 1);
    if (++streams % 50 === 0) {
      mostListeners = Math.max(mostListeners, getEventListeners(outer, 'abort').length);
      LEAKS[leak]?.(outer);
    }
  }
}

const resources = (): Record<string, number> => {
  const found: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) found[kind] = (found[kind] ?? 0) + 1;
  return found;
};

/** Sockets are kept for the next request for some seconds. */
const isKept = (kind: string): boolean => kind.startsWith('TCP') || kind === 'Immediate';

/** What is not zero. @param final - whether sockets count, too */
async function leftovers(baseline: Record<string, number>, final: boolean): Promise<Record<string, number>> {
  const { active, sockets } = await ask('rest');
  const found: Record<string, number> = {
    'requests at the provider': active,
    'sockets at the provider': final ? sockets : 0,
    'abort listeners': getEventListeners(outer, 'abort').length,
  };
  for (const { name, leftovers } of loads) {
    for (const [what, left] of Object.entries(leftovers())) found[`${what} (${name})`] = left;
  }
  for (const [kind, now] of Object.entries(resources())) {
    if (final || !isKept(kind)) found[`handles of ${kind}`] = Math.max(0, now - (baseline[kind] ?? 0));
  }
  return Object.fromEntries(Object.entries(found).filter(([, left]) => left !== 0));
}

const collect = async (): Promise<number> => {
  for (let i = 0; i < 4; i++) {
    global.gc!();
    await sleep(5);
  }
  return process.memoryUsage().heapUsed;
};

const delay = monitorEventLoopDelay({ resolution: 5 });
const ms = (ns: number): string => (ns / 1e6).toFixed(1).padStart(6);

const startedAt = performance.now();
const elapsed = (): number => (performance.now() - startedAt) / 1000;

async function rest(baseline: Record<string, number>, final = false): Promise<Rest> {
  let left = await leftovers(baseline, final);
  // Timers of signals run for 50 ms, sockets are kept for some seconds.
  const patience = performance.now() + (final ? 20_000 : 1500);
  while (Object.keys(left).length > 0 && performance.now() < patience) {
    await sleep(50);
    left = await leftovers(baseline, final);
  }
  return { at: elapsed(), streams, heap: await collect(), leftovers: left };
}

const rests: Rest[] = [];
await collect();
// Before the baseline: it opens the pipe of the output.
console.log('     s   streams  per s   heap KB   loop delay ms: p50    p99    max   left');
await sleep(50);
const baseline = resources();
for (let part = 1; part <= RESTS; part++) {
  isResting = false;
  delay.reset();
  delay.enable();
  const before = { streams, at: elapsed() };
  const workers = loads.flatMap((load) => Array.from({ length: load.workers }, () => work(load)));
  await sleep((1000 * seconds) / RESTS);
  isResting = true;
  await Promise.all(workers);
  delay.disable();
  const perSecond = Math.round((streams - before.streams) / (elapsed() - before.at));
  const seen = await rest(baseline, part === RESTS);
  rests.push(seen);
  const cells = [
    String(Math.round(seen.at)).padStart(6),
    String(streams).padStart(9),
    String(perSecond).padStart(6),
    String(Math.round(seen.heap / 1024)).padStart(9),
    `              ${ms(delay.percentile(50))} ${ms(delay.percentile(99))} ${ms(delay.max)}`,
    Object.entries(seen.leftovers)
      .map(([what, left]) => `${left} ${what}`)
      .join(', ') || 'nothing',
  ];
  console.log(cells.join(' '));
}
await ask('end');

const { bytes, perStream, allowed } = growth(rests);
const kB = (size: number): string => `${Math.round(size / 1024)} KB`;
console.log(`\n${[...count].map(([name, number]) => `${number} ${name}`).join(', ')}; seed ${seed}`);
console.log(
  `heap over the second half: ${bytes < 0 ? '-' : '+'}${kB(Math.abs(bytes))} (${perStream.toFixed(2)} B per stream), allowed +${kB(allowed)}`,
);
console.log(`abort listeners on the one signal that outlives all: ${mostListeners} at the most`);
const found = problems(rests);
console.log(found.length === 0 ? '\nflat, and everything is back to zero' : `\nFAILED\n${found.join('\n')}`);
process.exit(found.length === 0 ? 0 : 1);
