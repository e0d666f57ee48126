import { spawn } from 'node:child_process';
import { compile } from './prepare';
import type { Task } from './child';

const FLAGS: Readonly<Record<Task['measure'], readonly string[]>> = {
  // Bytecode of what has not run for a while would be thrown away, and compiled again in a sample.
  time: ['--no-flush-bytecode'],
  heap: ['--expose-gc'],
  // Nothing is collected while it is measured.
  allocation: ['--expose-gc', '--min-semi-space-size=512', '--max-semi-space-size=512'],
};

let program: Promise<string> | undefined;

/** Measures in a fresh process. @returns samples by case */
export async function inProcess(task: Task): Promise<number[][]> {
  const path = await (program ??= compile('harness/child'));
  const child = spawn(process.execPath, [...FLAGS[task.measure], path, JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_ENV: 'production' },
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const code = await new Promise((resolve, reject) => {
    child.on('close', resolve);
    child.on('error', reject);
  });
  if (code !== 0) throw new Error(`measuring ${task.cases.join(' and ')} failed with exit code ${String(code)}`);
  return JSON.parse(output.trim().split('\n').at(-1)!) as number[][];
}
