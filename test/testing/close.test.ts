import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { post, start } from './wire';

it('close() leaves no socket, no timer and no promise behind, and the process ends by itself', async () => {
  const script = fileURLToPath(new URL('closeProcess.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', script]);
  expect(JSON.parse(stdout)).toEqual({
    resources: [],
    active: [6, 0],
    openSockets: 0,
    outcomes: ['cut', 'cut', 'cut', 'cut', 'cut', 'completed', 'completed'],
    never: expect.stringContaining('closed'),
  });
}, 60_000);

it('close() may be called again, and what is waited for afterwards settles', async () => {
  const provider = await start();
  await provider.close();
  await provider.close();
  await expect(post(provider)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
  await expect(provider.idle()).resolves.toBeUndefined();
  await expect(provider.when(() => false)).rejects.toThrow(/closed/);
});
