import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startFaultyProvider, type FaultyProvider } from 'rx-weir/testing';
import { createServer, type Connect } from 'vite';
import { checkFaults, HEALTHY, type Faults } from './faults';
import { playFaults } from './playFaults';
import { startLanes } from './startLanes';

/** A running dashboard. */
export interface Dashboard {
  /** The page's address. */
  readonly url: string;
  /** What the page talks to, with its recorder. */
  readonly provider: FaultyProvider;
  close(): Promise<void>;
}

/** Six streams each: enough for 200 chats and the person's own. */
const LANES = 36;

/** The recorder keeps every request; a page that is left open must not fill the memory. */
const MOST_RECORDS = 20_000;

const REPOSITORY = join(import.meta.dirname, '../..');

export interface DashboardOptions {
  /** The first port that is tried for the page; 0: any free one. @defaultValue 0 */
  port?: number;
  /** Between two tokens, in ms; a function is asked for each answer. @defaultValue 40: as fast as one can read along */
  paceMs?: number | (() => number);
}

/** Starts the faulty provider, the lanes that lead to it, and the page. */
export async function startDashboard({ port = 0, paceMs = 40 }: DashboardOptions = {}): Promise<Dashboard> {
  let faults: Faults = HEALTHY;
  // With exposed headers, as a page cannot read Retry-After from elsewhere without.
  const pace = typeof paceMs === 'number' ? () => paceMs : paceMs;
  const provider = await startFaultyProvider({ script: playFaults(() => faults, pace), exposeHeaders: true });
  const closing: (() => unknown)[] = [() => provider.close()];
  const close = async (): Promise<void> => {
    const failed: unknown[] = [];
    // The last one first: what it uses is still there. One that fails keeps no other open.
    for (const end of closing.splice(0).reverse()) {
      try {
        await end();
      } catch (error) {
        failed.push(error);
      }
    }
    if (failed.length > 0) throw new AggregateError(failed, 'the dashboard did not close properly');
  };
  try {
    const lanes = await startLanes(LANES, Number(new URL(provider.url).port));
    closing.push(() => lanes.close());
    const tidy = setInterval(() => {
      const { active, requests } = provider;
      // What is in progress then is cut, and mended.
      if (requests.length > MOST_RECORDS * (active === 0 ? 1 : 5)) provider.reset();
    }, 10_000);
    tidy.unref();
    closing.push(() => clearInterval(tidy));
    const api = jsonApi({
      'GET /api/lanes': () => lanes.ports,
      'GET /api/faults': () => faults,
      'PUT /api/faults': (body) => (faults = checkFaults(body)),
    });
    const cache = await mkdtemp(join(tmpdir(), 'rx-weir-dashboard-'));
    const remove = (): void => rmSync(cache, { recursive: true, force: true });
    // Vite ends the process itself on SIGTERM, and waits for nobody.
    process.once('exit', remove);
    closing.push(() => process.off('exit', remove), remove);
    const vite = await startPage(port, cache, api);
    closing.push(() => vite.close());
    const { port: taken } = vite.httpServer?.address() as AddressInfo;
    return { url: `http://127.0.0.1:${taken}/`, provider, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Vite serves the page as it is written. Nothing is asked of a network, and the page may not do so either. */
async function startPage(port: number, cacheDir: string, api: Connect.NextHandleFunction) {
  const vite = await createServer({
    configFile: false,
    root: import.meta.dirname,
    cacheDir,
    logLevel: 'error',
    clearScreen: false,
    resolve: { tsconfigPaths: true },
    // The library's sources are bundled too, at each start: some hundred requests fewer for each page.
    optimizeDeps: { noDiscovery: true, include: ['rx-weir', 'rxjs', 'uplot'] },
    server: {
      host: '127.0.0.1',
      port,
      hmr: false,
      cors: false,
      fs: { allow: [REPOSITORY, cacheDir] },
      headers: {
        'content-security-policy':
          "default-src 'self'; connect-src 'self' http://127.0.0.1:*; style-src 'self' 'unsafe-inline'; img-src 'self' data:",
      },
    },
    plugins: [{ name: 'dashboard-api', configureServer: ({ middlewares }) => void middlewares.use(api) }],
  });
  try {
    return await vite.listen();
  } catch (error) {
    await vite.close();
    throw error;
  }
}

/** Answers JSON; what a handler throws is the asker's fault. */
function jsonApi(handlers: Readonly<Record<string, (body: unknown) => unknown>>): Connect.NextHandleFunction {
  return (request, response, next) => {
    const handler = handlers[`${request.method} ${request.url}`];
    if (handler) void answer(handler, request, response);
    else next();
  };
}

async function answer(
  handler: (body: unknown) => unknown,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const say = (status: number, value: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
    response.end(JSON.stringify(value));
  };
  try {
    say(200, handler(request.method === 'GET' ? undefined : await bodyOf(request)));
  } catch (error) {
    say(400, { error: error instanceof Error ? error.message : String(error) });
  }
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  // No other page's form can send this type.
  if (request.headers['content-type'] !== 'application/json') throw new TypeError('the body must be application/json');
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk as string;
    if (text.length > 10_000) throw new RangeError('the body is too long');
  }
  return JSON.parse(text);
}
