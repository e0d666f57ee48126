/**
 * `npm run bench`: measures the library against its peers, and prints a table.
 *
 * Options: `--check` exits with 1 when a budget is missed; `--only a,b` takes rows whose name begins so; `--quick` is rough;
 * `--json FILE` writes the results elsewhere than to test/bench/dist/results.json; `--list` tells the rows; `--clock cpu` takes the
 * CPU's time for all rows, where others are at work on the machine.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ROWS } from './budgets';
import { machine } from './harness/machine';
import { BENCH, provide } from './harness/prepare';
import { addMixed, resultOf, type Effort, type Result } from './harness/result';
import { table } from './harness/table';

const { values: options } = parseArgs({
  options: {
    check: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    quick: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    clock: { type: 'string', default: 'wall' },
    json: { type: 'string', default: join(BENCH, 'dist/results.json') },
  },
});

const THOROUGH = { processes: 5, rounds: { warmUp: 4, measured: 15 }, quick: false };
const QUICK = { processes: 2, rounds: { warmUp: 2, measured: 7 }, quick: true };

async function main(): Promise<number> {
  const prefixes = options.only.split(',');
  const rows = ROWS.filter(({ name }) => prefixes.some((prefix) => name.startsWith(prefix)));
  if (rows.length === 0) throw new Error(`no row begins with '${options.only}': see --list`);
  if (options.list) {
    for (const { name, what } of rows) console.log(`${name.padEnd(22)} ${what}`);
    return 0;
  }
  provide();
  const effort: Effort = { ...(options.quick ? QUICK : THOROUGH), clock: options.clock === 'cpu' ? 'cpu' : 'wall' };
  const before = machine();
  const results: Result[] = [];
  for (const [index, row] of rows.entries()) {
    console.error(`${index + 1}/${rows.length} ${row.name}`);
    const result = await resultOf(row, effort);
    results.push(result);
    console.error(`    ${table([result]).split('\n').at(-1)!}`);
  }
  if (!options.quick) {
    console.error('all in one process');
    await addMixed(rows, results, effort);
  }
  const after = machine();
  const { cpu, memory, node, versions } = after;
  console.log(`\n${table(results)}\n`);
  console.log(`${cpu}, ${memory}, Node ${node}; load ${before.load.toFixed(1)} before, ${after.load.toFixed(1)} after`);
  console.log(Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(', ')); // prettier-ignore
  const path = resolve(options.json);
  mkdirSync(dirname(path), { recursive: true });
  const report = { at: new Date().toISOString(), effort, machine: after, loadBefore: before.load, results };
  writeFileSync(path, `${JSON.stringify(report, null, 2)}\n`);

  const missed = results.filter(({ met }) => met === false);
  if (missed.length > 0) console.log(`\n${missed.length} missed: ${missed.map(({ name }) => name).join(', ')}`);
  return options.check && missed.length > 0 ? 1 : 0;
}

process.exitCode = await main();
