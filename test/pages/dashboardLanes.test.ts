import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { startLanes, type Lanes } from '../../examples/dashboard/startLanes';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});

/** A client and a server that are joined by a lane. */
async function joined(): Promise<{ client: Socket; server: Socket; lanes: Lanes; port: number }> {
  const target = createServer({ allowHalfOpen: true });
  target.listen(0, '127.0.0.1');
  await once(target, 'listening');
  closing.push(() => new Promise((resolve) => target.close(resolve)));
  const lanes = await startLanes(2, (target.address() as AddressInfo).port);
  closing.push(() => lanes.close());
  const port = lanes.ports[1]!;
  const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const [server] = (await once(target, 'connection')) as [Socket];
  closing.push(
    () => client.destroy(),
    () => server.destroy(),
  );
  return { client, server, lanes, port };
}

/** What comes to its end. Not by `for await`, which would destroy the other direction as well. */
const text = async (socket: Socket): Promise<string> => {
  let all = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => (all += chunk));
  await once(socket, 'end');
  return all;
};

it('carries both directions, and an end in one leaves the other open', async () => {
  const { client, server } = await joined();
  client.end('question');
  expect(await text(server)).toBe('question');
  server.end('answer');
  expect(await text(client)).toBe('answer');
});

it.each(['client', 'server'] as const)('passes a reset of the %s on as a reset', async (one) => {
  const both = await joined();
  const other = both[one === 'client' ? 'server' : 'client'];
  const error = once(other, 'error');
  both[one].resetAndDestroy();
  expect(((await error)[0] as NodeJS.ErrnoException).code).toBe('ECONNRESET');
});

it('tells the client when nobody listens behind it, and leaves nothing open when it is closed', async () => {
  const { client, server, lanes, port } = await joined();
  const [gone, left] = [once(client, 'close'), once(server, 'close')];
  await lanes.close();
  server.end();
  client.end();
  await Promise.all([gone, left]);
  const refused = once(connect(port, '127.0.0.1'), 'error');
  await expect(refused).resolves.toMatchObject([{ code: 'ECONNREFUSED' }]);
});
