import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { filter, firstValueFrom } from 'rxjs';
import { accumulate } from 'rx-weir';
import { DEFAULT_TEXT } from 'rx-weir/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { toNodeHandler } from '../../examples/relay/nodeHandler';
import { relayedChat } from '../../examples/relay/relayedChat';

const closing: (() => unknown)[] = [];

afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});

interface Listening {
  port: number;
  url: string;
  /** The server's side of the last exchange. */
  last: () => { incoming: IncomingMessage; outgoing: ServerResponse };
}

/** Serves a fetch-style handler on loopback until the test is over. */
async function listen(handle: (request: Request) => Response | Promise<Response>): Promise<Listening> {
  const handler = toNodeHandler(handle);
  let last: ReturnType<Listening['last']> | undefined;
  const server = createServer((incoming, outgoing) => {
    last = { incoming, outgoing };
    handler(incoming, outgoing);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  return { port, url: `http://127.0.0.1:${port}`, last: () => last! };
}

/** A client that has asked, and reads nothing. */
async function ask(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  closing.push(() => socket.destroy());
  await once(socket, 'connect');
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  return socket;
}

/** A body that can be made larger for ever; `cancelled` resolves when nobody wants it any more. */
function endless(chunk?: Uint8Array): {
  body: ReadableStream<Uint8Array>;
  pulls: () => number;
  cancelled: Promise<void>;
} {
  let pulls = 0;
  let cancel: () => void = () => undefined;
  const cancelled = new Promise<void>((resolve) => (cancel = resolve));
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        pulls++;
        if (!chunk) return new Promise<void>(() => undefined);
        controller.enqueue(chunk);
        return undefined;
      },
      cancel,
    },
    { highWaterMark: 0 },
  );
  return { body: body, pulls: () => pulls, cancelled };
}

describe('toNodeHandler', () => {
  it('hands over the request and the response as they are', async () => {
    const { url, last } = await listen(async (request) => {
      const { method, headers } = request;
      const seen = { method, url: new URL(request.url).pathname, is: headers.get('x-is'), body: await request.text() };
      const response = Response.json(seen, { status: 201, headers: { 'x-was': 'so' } });
      response.headers.append('set-cookie', 'a=1');
      response.headers.append('set-cookie', 'b=2');
      return response;
    });
    const response = await fetch(`${url}/a%20b?c`, { method: 'PUT', headers: { 'x-is': 'it' }, body: 'Grüß dich 🌊' });
    expect(response.status).toBe(201);
    expect(response.headers.get('x-was')).toBe('so');
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    expect(await response.json()).toEqual({ method: 'PUT', url: '/a%20b', is: 'it', body: 'Grüß dich 🌊' });
    const none = await fetch(url, { method: 'HEAD' });
    expect(none.status).toBe(201);
    expect(last().outgoing.listenerCount('drain')).toBe(0);
  });

  it('sends the headers before there is a body', async () => {
    const { body, cancelled } = endless();
    const { url } = await listen(() => new Response(body, { headers: { 'x-run': '1' } }));
    const response = await fetch(url);
    expect(response.headers.get('x-run')).toBe('1');
    await response.body!.cancel();
    await cancelled;
  });

  it('reads a body no faster than its client', async () => {
    const { body, pulls } = endless(new Uint8Array(1 << 16));
    const { port, last } = await listen(() => new Response(body));
    const socket = await ask(port);
    let before: number;
    do {
      before = pulls();
      for (let i = 0; i < 200; i++) await turn();
    } while (pulls() !== before || before === 0);
    expect(last().outgoing.writableNeedDrain).toBe(true);
    let bytes = 0;
    await new Promise<void>((resolve) => {
      socket.on('data', ({ length }: Buffer) => {
        bytes += length;
        if (bytes > (before + 10) << 16) resolve();
      });
    });
    expect(pulls()).toBeGreaterThan(before);
  });

  it('cancels the body at once when the client leaves, also while nothing comes', async () => {
    for (const chunk of [undefined, new Uint8Array(1 << 16)]) {
      const { body, pulls, cancelled } = endless(chunk);
      const { port } = await listen(() => new Response(body));
      const socket = await ask(port);
      while (pulls() === 0) await turn();
      socket.destroy();
      await cancelled;
    }
  });

  it('cancels the body of a client that has left before it was answered', async () => {
    const { body, cancelled } = endless();
    let answer: (response: Response) => void = () => undefined;
    let asked: () => void = () => undefined;
    const isAsked = new Promise<void>((resolve) => (asked = resolve));
    const { port, last } = await listen(() => {
      asked();
      return new Promise((resolve) => (answer = resolve));
    });
    const socket = await ask(port);
    await isAsked;
    socket.destroy();
    await once(last().outgoing, 'close');
    answer(new Response(body));
    await cancelled;
  });

  it('answers with 500 when the handler fails or there can be no such request, and breaks off when a body fails', async () => {
    const { url, port } = await listen((request) => {
      if (new URL(request.url).pathname === '/throw') throw new Error('secret');
      const body = new ReadableStream<Uint8Array>({ start: (controller) => controller.error(new Error('secret')) });
      return new Response(body);
    });
    const failed = await fetch(`${url}/throw`);
    expect(failed.status).toBe(500);
    expect(await failed.text()).toBe('');
    await expect(fetch(url).then((response) => response.text())).rejects.toThrow(TypeError);
    const socket = connect(port, '127.0.0.1');
    closing.push(() => socket.destroy());
    socket.write('TRACE / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    const [head] = (await once(socket, 'data')) as [Buffer];
    expect(String(head)).toMatch(/^HTTP\/1.1 500/);
  });

  it('lets a client read the answer to a body that is not read, or not to its end, and ask again', async () => {
    for (const reads of [false, true]) {
      const { port } = await listen(async ({ method, body }) => {
        if (method === 'GET') return new Response('next');
        if (reads) for await (const _ of body!) break;
        return new Response('too large', { status: 413 });
      });
      const size = 3 << 20;
      const socket = connect(port, '127.0.0.1');
      closing.push(() => socket.destroy());
      socket.write(`POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${size}\r\n\r\n`);
      socket.write('x'.repeat(size));
      socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
      let answers = '';
      for await (const part of socket) answers += String(part);
      expect(answers).toMatch(/^HTTP\/1.1 413 [^]*too large[^]*HTTP\/1.1 200 [^]*next/);
    }
  });
});

describe('server.ts', () => {
  it('prints its address, serves the page and its script, relays, and ends on SIGTERM', async () => {
    const root = join(import.meta.dirname, '../..');
    const server = spawn(process.execPath, ['--import', 'tsx', 'examples/relay/server.ts', '--port', '0'], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    closing.push(() => server.kill('SIGKILL'));
    const exit = once(server, 'exit');
    const [line] = (await once(server.stdout, 'data')) as [Buffer];
    const url = /^http:\/\/127\.0\.0\.1:\d+$/m.exec(String(line))![0];

    const page = await fetch(url);
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(await page.text()).toContain('<script type="module" src="page.js">');
    const script = await fetch(`${url}/page.js`);
    expect(script.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    expect(await script.text()).toContain('last-event-id');
    expect((await fetch(`${url}/nothing`)).status).toBe(404);

    const chat = relayedChat(url, { messages: [{ role: 'user', content: 'Hi' }] }).pipe(accumulate());
    const { text } = await firstValueFrom(chat.pipe(filter((message) => message.text.length > 5)));
    expect(DEFAULT_TEXT.startsWith(text)).toBe(true);
    const signals = await fetch(`${url}/signals`);
    server.kill('SIGTERM');
    expect(await exit).toEqual([0, null]);
    await signals.text();
  }, 60_000);
});
