import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8Decoder } from '../../src/sources/utf8';

const BOM = [0xef, 0xbb, 0xbf];
const ascii = [...new TextEncoder().encode('data: the sky\n')];
const pieces = [ascii, ascii, BOM, ...['é', '空', '😀'].map((text) => [...new TextEncoder().encode(text)])];
/** Text, whole and broken. */
const bytes = fc
  .array(fc.oneof(fc.constantFrom(...pieces), fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 3 })))
  .map((parts) => parts.flat());
const cut = fc.tuple(bytes, fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 30 })).map(([all, sizes]) => {
  let at = 0;
  const chunks = sizes.map((size) => Uint8Array.from(all.slice(at, (at += size))));
  return [...chunks, Uint8Array.from(all.slice(at))];
});

describe('utf8Decoder', () => {
  it('decodes every chunk as a TextDecoder with `stream` does', () => {
    fc.assert(
      fc.property(cut, (chunks) => {
        const decoder = new TextDecoder();
        const utf8 = utf8Decoder();
        for (const chunk of chunks) expect(utf8.decode(chunk)).toBe(decoder.decode(chunk, { stream: true }));
        expect(utf8.end()).toBe(decoder.decode());
      }),
      { numRuns: 2000 },
    );
  });

  it('keeps what looks like a BOM in the middle', () => {
    const utf8 = utf8Decoder();
    const chunks = [[...BOM, 65], [66], [...BOM, 67], [68]];
    expect(chunks.map((chunk) => utf8.decode(Uint8Array.from(chunk)))).toEqual(['A', 'B', '\u{FEFF}C', 'D']);
  });

  it('takes what is not of bytes as a TextDecoder does', () => {
    const [text, sign] = [new TextEncoder().encode(': x'), new TextEncoder().encode('é')];
    const odd = [
      undefined,
      new Int8Array([-61]),
      new ArrayBuffer(2),
      new DataView(sign.buffer),
    ] as unknown as Uint8Array[];
    for (const chunk of odd) {
      const decoder = new TextDecoder();
      const utf8 = utf8Decoder();
      for (const part of [text, chunk, sign.slice(1), text, sign.slice(0, 1), chunk, sign.slice(1)]) {
        expect(utf8.decode(part)).toBe(decoder.decode(part, { stream: true }));
      }
      expect(utf8.end()).toBe(decoder.decode());
    }
  });
});
