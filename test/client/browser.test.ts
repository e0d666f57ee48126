import { build } from 'esbuild';
import { join } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { expect, it } from 'vitest';
import type * as Package from 'rx-weir';

it('the package needs no process: imported where there is none, it works', async () => {
  const entry = join(import.meta.dirname, '../../src/index.ts');
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'weir',
    platform: 'browser',
  });
  const context = createContext({
    setTimeout,
    clearTimeout,
    setInterval,
    clearInterval,
    URL,
    Headers,
    AbortController,
    structuredClone,
  });
  runInContext(outputFiles[0]!.text, context);
  expect(runInContext('typeof process', context)).toBe('undefined');
  const { createChatClient, ResilientExecutor } = (context as { weir: typeof Package }).weir;
  expect(ResilientExecutor.fromEnv().snapshot()).toMatchObject({
    circuitState: 'disabled',
    rate: null,
    inflight: null,
  });
  expect(ResilientExecutor.production().snapshot()).toMatchObject({ circuitState: 'closed' });
  const client = createChatClient({ model: 'openai/gpt' });
  const error = await new Promise((resolve) => client.stream({ messages: [] }).subscribe({ error: resolve }));
  expect(String(error)).toContain('OPENAI_API_KEY');
});
