import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** More ports that lead to one server. */
export interface Lanes {
  readonly ports: readonly number[];
  close(): Promise<void>;
}

/**
 * Opens loopback ports that forward to another one, byte by byte. A browser opens at most six connections to one origin over
 * HTTP/1.1, and each port is an origin of its own. Real providers speak HTTP/2, where one connection carries all streams.
 */
export async function startLanes(count: number, target: number): Promise<Lanes> {
  const sockets = new Set<Socket>();
  const tracked = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.setNoDelay(true).once('close', () => sockets.delete(socket));
  };
  const servers = Array.from({ length: count }, () =>
    createServer({ allowHalfOpen: true }, (client) => {
      // With half-open sockets, an end in one direction leaves the other one open, and is passed on as such by `pipe`.
      join(tracked(client), tracked(connect({ port: target, host: '127.0.0.1', allowHalfOpen: true })));
    }),
  );
  const ports = await Promise.all(servers.map(listen));
  return {
    ports,
    async close() {
      const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)));
      for (const socket of sockets) socket.destroy();
      await Promise.all(closed);
    },
  };
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function join(client: Socket, server: Socket): void {
  client.pipe(server);
  server.pipe(client);
  for (const [one, other] of [
    [client, server],
    [server, client],
  ] as const) {
    // A cut is to reach the page as a cut, and an abort the provider at once.
    one.once('error', () => other.resetAndDestroy());
    one.once('close', () => other.destroySoon());
  }
}
