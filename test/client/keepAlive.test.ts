import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');

describe('a process', () => {
  it('is not kept alive by an open breaker, nor by those who look on', async () => {
    const said = await new Promise((resolve) => {
      const script = [
        join(root, 'node_modules/.bin/tsx'),
        '--tsconfig',
        join(root, 'tsconfig.json'),
        join(root, 'test/support/lookOn.ts'),
      ];
      execFile(process.execPath, script, { cwd: root, timeout: 15_000 }, (error, out, errors) =>
        resolve(error ?? out + errors),
      );
    });
    expect(said).toBe('open\n');
  }, 20_000);
});
