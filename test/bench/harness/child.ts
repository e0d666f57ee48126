/** What one process measures: told as JSON in its argument, said as JSON on its standard output. */
import type { CaseFile, HeapCaseFile, Subject } from './Case';
import { allocated, held } from './memory';
import { time, type Clock, type Rounds } from './timing';

/** The work of one process. `cases` are `file/name` or `file/name@parameter`. */
export type Task = { readonly cases: readonly string[] } & (
  | { readonly measure: 'time'; readonly rounds: Rounds; readonly clock: Clock }
  | { readonly measure: 'allocation'; readonly repetitions: number }
  | { readonly measure: 'heap'; readonly repetitions: number; readonly count: number }
);

// Each by itself, and each loads its peers only when it is asked: a process holds nothing but what it measures.
const FILES: Readonly<Record<string, () => Promise<CaseFile>>> = {
  calls: () => import('../cases/calls'),
  collecting: () => import('../cases/collecting'),
  generator: () => import('../cases/generator'),
  harness: () => import('../cases/harness'),
  responses: () => import('../cases/responses'),
  scale: () => import('../cases/scale'),
  signals: () => import('../cases/signals'),
  tokens: () => import('../cases/tokens'),
  waiters: () => import('../cases/waiters'),
};
const HEAP_FILES: Readonly<Record<string, () => Promise<HeapCaseFile>>> = {
  heap: () => import('../cases/heap'),
  clientHeap: () => import('../cases/clientHeap'),
};

const parts = (id: string): [file: string, name: string, parameter: string] => {
  const [path = '', parameter = ''] = id.split('@');
  const [file = '', name = ''] = path.split('/');
  return [file, name, parameter];
};

function found<T>(value: T | undefined, id: string): T {
  if (value === undefined) throw new Error(`there is no case '${id}'`);
  return value;
}

async function subjectOf(id: string): Promise<Subject> {
  const [file, name, parameter] = parts(id);
  const { cases } = await found(FILES[file], id)();
  return found(cases[name], id)(parameter);
}

async function run(task: Task): Promise<number[][]> {
  if (task.measure === 'heap') {
    const samples: number[][] = [];
    for (const id of task.cases) {
      const [file, name] = parts(id);
      const { cases } = await found(HEAP_FILES[file], id)();
      samples.push(await held(await found(cases[name], id)(), task.count, task.repetitions));
    }
    return samples;
  }
  const subjects: Subject[] = [];
  for (const id of task.cases) subjects.push(await subjectOf(id));
  if (task.measure === 'time') return time(subjects, task.rounds, task.clock);
  const samples: number[][] = [];
  for (const subject of subjects) samples.push(await allocated(subject, task.repetitions));
  return samples;
}

const samples = await run(JSON.parse(process.argv[2]!) as Task);
// Peers may have left timers behind.
process.stdout.write(`${JSON.stringify(samples)}\n`, () => process.exit(0));
