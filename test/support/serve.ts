import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach } from 'vitest';

export interface Exchange {
  req: IncomingMessage;
  res: ServerResponse;
  body: string;
  /** Resolves when the exchange is over: true if the client left before the answer's end. */
  left: Promise<boolean>;
}

export interface Served {
  url: string;
  exchanges: Exchange[];
  /** Sockets opened so far. */
  sockets: () => number;
  /** The next request, also one that has come already; each is given once. */
  next(): Promise<Exchange>;
}

const open: (() => Promise<void>)[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((close) => close()));
});

/** A server on loopback for one test. It is closed after the test, with all its sockets. */
export async function serve(answer: (exchange: Exchange) => void = () => undefined): Promise<Served> {
  const exchanges: Exchange[] = [];
  const waiting: ((exchange: Exchange) => void)[] = [];
  const sockets = new Set<Socket>();
  let given = 0;
  let opened = 0;
  const server = createServer((req, res) => {
    const left = new Promise<boolean>((resolve) => res.on('close', () => resolve(!res.writableFinished)));
    let body = '';
    req.on('data', (chunk) => (body += String(chunk)));
    req.on('end', () => {
      const exchange = { req, res, body, left };
      exchanges.push(exchange);
      const waiter = waiting.shift();
      if (waiter) waiter(exchanges[given++] as Exchange);
      answer(exchange);
    });
  });
  server.on('connection', (socket) => {
    opened++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    exchanges,
    sockets: () => opened,
    next: () =>
      new Promise((resolve) => {
        const ready = exchanges[given];
        if (!ready) waiting.push(resolve);
        else {
          given++;
          resolve(ready);
        }
      }),
  };
}
