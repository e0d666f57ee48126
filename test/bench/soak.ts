/**
 * `npm run soak`: thousands of streams a second with faults by chance, over sockets and in memory, for two minutes; then a
 * verdict. Exits with 1 where something grew or was not given back.
 *
 * Options: `--seconds N`, `--seed N`; `--leak heap|listener|timer` leaks on purpose, to see that it is found.
 */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { compile, provide } from './harness/prepare';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '120' },
    seed: { type: 'string', default: '1' },
    leak: { type: 'string', default: '' },
  },
});

async function main(): Promise<number> {
  provide({ peers: false });
  const program = await compile('soak/main', { provider: 'soak/provider' });
  const { seconds, seed, leak } = options;
  const { status } = spawnSync(process.execPath, ['--expose-gc', program, seconds, seed, leak], { stdio: 'inherit' });
  return status ?? 1;
}

process.exitCode = await main();
