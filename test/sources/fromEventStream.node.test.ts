import { firstValueFrom } from 'rxjs';
import { expect, it } from 'vitest';
import { fromEventStream } from '../../src/sources/fromEventStream';
import { serve } from '../support/serve';

it('lets the server see the socket close, in a stall too', async () => {
  const server = await serve(({ res }) => res.write('data: a\n\n'));
  const response = await fetch(server.url);
  const events = fromEventStream(response);
  expect(await firstValueFrom(events)).toMatchObject({ data: 'a' });
  expect(await (await server.next()).left).toBe(true);
});
