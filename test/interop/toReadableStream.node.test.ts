import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { map, of } from 'rxjs';
import { expect, it } from 'vitest';
import { toReadableStream } from 'rx-weir';
import { bytesOf } from '../support/streams';

it("toReadableStream is what Node's streams take", async () => {
  const bytes = toReadableStream(of('Grüß', ' dich').pipe(map(bytesOf)));
  expect(await text(Readable.fromWeb(bytes as never))).toBe('Grüß dich');
});
