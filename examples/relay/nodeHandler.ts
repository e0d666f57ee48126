/**
 * Shows how plain `node:http` serves a fetch-style handler, streams and back-pressure included:
 *
 * ```ts
 * createServer(toNodeHandler(relay.handle)).listen(8787);
 * ```
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ReadableStream as NodeStream } from 'node:stream/web';

/**
 * The response's body is read no faster than the client takes it, and cancelled as soon as the client has left. What the
 * handler throws is answered with 500.
 */
export function toNodeHandler(
  handle: (request: Request) => Response | Promise<Response>,
): (incoming: IncomingMessage, outgoing: ServerResponse) => void {
  return (incoming, outgoing) => void serve(incoming, outgoing, handle);
}

async function serve(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  handle: (request: Request) => Response | Promise<Response>,
): Promise<void> {
  // What a handler leaves of the request's body (too large, perhaps) must not keep its client from reading the answer.
  outgoing.once('finish', () => incoming.resume());
  try {
    const { status, headers, body } = await handle(toRequest(incoming));
    for (const [name, value] of headers) outgoing.appendHeader(name, value);
    outgoing.writeHead(status);
    outgoing.flushHeaders(); // an event may be long in coming
    if (!body) outgoing.end();
    // To one who has left already nothing is piped, and in Node 24 nothing is cancelled either.
    else if (outgoing.destroyed) await body.cancel();
    // If the client leaves, this cancels the body.
    else await pipeline(Readable.fromWeb(body as NodeStream), outgoing);
  } catch {
    if (outgoing.headersSent) outgoing.destroy();
    else outgoing.writeHead(500).end();
  }
}

/** @throws TypeError for what `Request` does not take, e.g. the method TRACE */
function toRequest(incoming: IncomingMessage): Request {
  const { method = 'GET', url = '/', headers } = incoming;
  const hasBody = method !== 'GET' && method !== 'HEAD';
  // Not Readable.toWeb: who stops to read would close the socket, and could not answer any more.
  const body = (): BodyInit => NodeStream.from(incoming.iterator({ destroyOnReturn: false })) as unknown as BodyInit;
  return new Request(new URL(url, `http://${headers.host ?? 'localhost'}`), {
    method,
    headers: Object.entries(headers).flatMap(([name, value]) =>
      [value ?? []].flat().map((one): [string, string] => [name, one]),
    ),
    ...(hasBody && { body: body(), duplex: 'half' }),
  });
}
