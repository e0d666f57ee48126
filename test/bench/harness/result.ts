import { execFileSync } from 'node:child_process';
import type { Budget, Figure, Row } from '../budgets';
import { ROOT } from './prepare';
import { inProcess } from './processes';
import { median, spread } from './statistics';
import type { Clock, Rounds } from './timing';

/** What was found out about one row. */
export interface Result {
  readonly name: string;
  readonly what: string;
  readonly candidate: number;
  readonly base: number | undefined;
  /** Of `candidate` and `base`: ns, or bytes. */
  readonly of: 'ns' | 'B';
  /** The median of the processes' medians, */
  readonly figure: number;
  readonly unit: string;
  /** the least and the most of those, */
  readonly range: readonly [number, number];
  /** and the distance of the quartiles inside a process, as a share of its median. */
  readonly spread: number;
  /** The same figure with everything in one process. */
  mixed?: number;
  readonly budget: Budget | undefined;
  readonly source: string | undefined;
  readonly met: boolean | undefined;
}

/** How thorough a run is. */
export interface Effort {
  readonly processes: number;
  readonly rounds: Rounds;
  readonly quick: boolean;
  /** Of the rows that do not have their own. */
  readonly clock: Clock;
}

const FIGURES: Readonly<Record<Figure, (candidate: number, base: number) => number>> = {
  ratio: (candidate, base) => candidate / base,
  faster: (candidate, base) => base / candidate,
  difference: (candidate, base) => candidate - base,
  value: (candidate) => candidate,
};

const holds = (figure: number, { atLeast = -Infinity, atMost = Infinity }: Budget): boolean =>
  figure >= atLeast && figure <= atMost;

/** @returns samples by process and case */
async function sample({ candidate, base, method }: Row, effort: Effort): Promise<number[][][]> {
  const cases = base === undefined ? [candidate] : [candidate, base];
  switch (method.by) {
    case 'size':
      return [[[sizeOf(candidate)]]];
    case 'heap':
    case 'allocation': {
      // Exact within 1 %. Each case has a process of its own, since what another has left counts as heap.
      const processes: number[][][] = [];
      for (let i = 0; i < (effort.quick ? 1 : 3); i++) {
        const samples: number[][] = [];
        for (const id of cases) {
          const what = method.by === 'heap' ? { measure: method.by, count: method.count } : { measure: method.by };
          const [found = []] = await inProcess({ ...what, cases: [id], repetitions: 3 });
          samples.push(found);
        }
        processes.push(samples);
      }
      return processes;
    }
    case 'time': {
      const { clock = effort.clock, processes = effort.processes } = method;
      const rounds = method.rounds && !effort.quick ? method.rounds : { ...effort.rounds, ...shorter(method.rounds) };
      const all: number[][][] = [];
      for (let i = 0; i < Math.min(processes, effort.processes); i++) {
        all.push(await inProcess({ cases, measure: 'time', rounds, clock }));
      }
      return all;
    }
  }
}

const shorter = (rounds: Rounds | undefined): Partial<Rounds> =>
  rounds ? { warmUp: Math.min(rounds.warmUp, 1), measured: Math.min(rounds.measured, 3) } : {};

interface Size {
  readonly name: string;
  readonly size: number;
}

let sizes: readonly Size[] | undefined;

/** As `npm run size` says it. */
function sizeOf(name: string): number {
  sizes ??= JSON.parse(
    execFileSync('npx', ['size-limit', '--config', '.config/size-limit.js', '--json'], { cwd: ROOT, encoding: 'utf8' }),
  ) as Size[];
  return sizes.find((one) => one.name === name)?.size ?? NaN;
}

/** Measures one row. */
export async function resultOf(row: Row, effort: Effort): Promise<Result> {
  const { name, what, unit, budget, source } = row;
  const figureOf = FIGURES[row.figure];
  const processes = await sample(row, effort);
  const perProcess = processes.map(([candidate = [], base = []]) => {
    // Round by round: what disturbs one of the two mostly disturbs the other.
    const figures = candidate.map((one, round) => figureOf(one, base[round] ?? NaN));
    return { candidate: median(candidate), base: median(base), figure: median(figures), spread: spread(figures) };
  });
  const figures = perProcess.map((one) => one.figure);
  const figure = median(figures);
  return {
    ...{ name, what, unit, budget, source, figure },
    candidate: median(perProcess.map((one) => one.candidate)),
    base: row.base === undefined ? undefined : median(perProcess.map((one) => one.base)),
    of: row.method.by === 'time' ? 'ns' : 'B',
    range: [Math.min(...figures), Math.max(...figures)],
    spread: median(perProcess.map((one) => one.spread)),
    met: budget && holds(figure, budget),
  };
}

/** Adds the figures of one process that measures everything, by the rows that the protocol of pairs holds for. */
export async function addMixed(rows: readonly Row[], results: readonly Result[], effort: Effort): Promise<void> {
  const paired = rows.filter(({ method }) => method.by === 'time' && !method.clock && !method.rounds);
  const cases = [...new Set(paired.flatMap(({ candidate, base = candidate }) => [candidate, base]))];
  if (cases.length < 3) return;
  const samples = await inProcess({ cases, measure: 'time', rounds: effort.rounds, clock: effort.clock });
  const of = (id: string): number => median(samples[cases.indexOf(id)] ?? []);
  for (const { name, candidate, base = candidate, figure } of paired) {
    const result = results.find((one) => one.name === name);
    if (result) result.mixed = FIGURES[figure](of(candidate), of(base));
  }
}
