/** Shows a relay on plain `node:http`, together with a page that uses it. */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { ChatClient } from 'rx-weir';
import { createRelay, type RelayOptions } from './createRelay';
import { toNodeHandler } from './nodeHandler';

export interface RelayServer {
  readonly url: string;
  /** Stops all answers, and resolves when nothing is open any more. */
  close(): Promise<void>;
}

async function bundle(file: string): Promise<string> {
  const options = { bundle: true, write: false, format: 'esm', target: 'es2022' } as const;
  const { outputFiles } = await build({ entryPoints: [join(import.meta.dirname, file)], ...options });
  return outputFiles[0]!.text;
}

/** Listens on 127.0.0.1. Rejects if the port is taken. */
export async function serveRelay(
  client: ChatClient,
  { port, ...options }: RelayOptions & { port: number },
): Promise<RelayServer> {
  const relay = createRelay(client, options);
  const files = new Map([
    ['/', { type: 'text/html', body: await readFile(join(import.meta.dirname, 'page.html'), 'utf8') }],
    ['/page.js', { type: 'text/javascript', body: await bundle('page.ts') }],
  ]);
  const server = createServer(
    toNodeHandler((request) => {
      const file = files.get(new URL(request.url).pathname);
      if (!file) return relay.handle(request);
      return new Response(file.body, { headers: { 'content-type': `${file.type}; charset=utf-8` } });
    }),
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        relay.close();
        server.close(() => resolve());
        setTimeout(() => server.closeAllConnections(), 1_000).unref(); // who does not read the end is not waited for
      }),
  };
}
