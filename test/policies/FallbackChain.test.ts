import { describe, expect, it } from 'vitest';
import { WeirError } from '../../src/errors/WeirError';
import type { ErrorContext } from '../../src/policies/ErrorContext';
import { FallbackChain, type FallbackTarget } from '../../src/policies/FallbackChain';

const ctx: ErrorContext = { error: new WeirError('x'), attempt: 1, emitted: 0, elapsedMs: 0 };
const BOOM = new Error('boom');
const target = (name: string, more: Partial<FallbackTarget<number>> = {}): FallbackTarget<number> => ({
  name,
  source: [1],
  ...more,
});
/** The names in the order in which one stream would try them. */
function route(chain: FallbackChain<number>): string[] {
  const tried = new Set<FallbackTarget<number>>();
  for (let next; (next = chain.next(tried, BOOM, ctx)); tried.add(next));
  return [...tried].map(({ name }) => name);
}

describe('FallbackChain', () => {
  it('takes the higher weight first, insertion order deciding between equals', () => {
    const chain = new FallbackChain([
      target('half', { weight: 0.5 }),
      target('a'),
      target('two', { weight: 2 }),
      target('b', { weight: 1 }),
      target('none', { weight: 0 }),
    ]);
    expect(route(chain)).toEqual(['two', 'a', 'b', 'half', 'none']);
    expect(chain.names).toEqual(['two', 'a', 'b', 'half', 'none']);
  });

  it('gives the very targets it was given, each once per stream', () => {
    const a = target('a');
    const chain = new FallbackChain([a]);
    expect(chain.next(new Set(), BOOM, ctx)).toBe(a);
    expect(chain.next(new Set([a]), BOOM, ctx)).toBeUndefined();
    expect(new FallbackChain<number>().next(new Set(), BOOM, ctx)).toBeUndefined();
  });

  it('leaves out what is not enabled, but names it', () => {
    const chain = new FallbackChain([target('a', { enabled: false }), target('b')]);
    expect(route(chain)).toEqual(['b']);
    expect(chain.names).toEqual(['a', 'b']);
    chain.setEnabled('a', true);
    chain.setEnabled('b', false);
    expect(route(chain)).toEqual(['a']);
  });

  it('asks when() with the raw error and its context, once it is its turn', () => {
    const seen: unknown[] = [];
    const when = (error: unknown, context: ErrorContext): boolean => seen.push([error, context]) > 1;
    const chain = new FallbackChain([target('a'), target('b', { when }), target('c')]);
    expect(route(chain)).toEqual(['a', 'c', 'b']);
    expect(seen).toEqual([
      [BOOM, ctx],
      [BOOM, ctx],
    ]);
  });

  it('lets through what when() throws', () => {
    const chain = new FallbackChain([
      target('a', {
        when: () => {
          throw BOOM;
        },
      }),
    ]);
    expect(() => chain.next(new Set(), 1, ctx)).toThrow(BOOM);
  });

  it('shows changes to streams that already run', () => {
    const [a, b, c, d] = [target('a'), target('b'), target('c'), target('d', { weight: 5 })] as const;
    const chain = new FallbackChain([a, b, c]);
    const tried = new Set([a]);
    expect(chain.remove('b')).toBe(true);
    expect(chain.remove('b')).toBe(false);
    expect(chain.next(tried, BOOM, ctx)).toBe(c);
    chain.add(d);
    expect(chain.next(tried, BOOM, ctx)).toBe(d);
    chain.setEnabled('d', false);
    expect(chain.next(tried, BOOM, ctx)).toBe(c);
    chain.remove('a');
    chain.add(a); // back, but this stream has tried it
    chain.setEnabled('c', false);
    expect(chain.next(tried, BOOM, ctx)).toBeUndefined();
    expect(route(chain)).toEqual(['a']);
  });

  it.each<[unknown, string]>([
    [{ source: [1] }, 'name'],
    [{ name: '', source: [1] }, 'name'],
    [{ name: 5, source: [1] }, 'name'],
    [target('taken'), "'taken'"],
    [{ name: 'x' }, 'source'],
    [{ name: 'x', source: null }, 'source'],
    [{ name: 'x', source: 'https://' }, 'source'],
    [target('x', { weight: NaN }), 'weight'],
    [target('x', { weight: -1 }), 'weight'],
    [target('x', { weight: Infinity }), 'weight'],
    [target('x', { weight: '1' as unknown as number }), 'weight'],
    [target('x', { when: true as unknown as () => boolean }), 'when'],
  ])('throws for %j, naming what is wrong, and stays as it was', (bad, name) => {
    const chain = new FallbackChain([target('taken')]);
    expect(() => chain.add(bad as FallbackTarget<number>)).toThrow(name);
    expect(chain.names).toEqual(['taken']);
  });

  it('throws for a name that is not there', () => {
    expect(() => new FallbackChain([target('a')]).setEnabled('b', true)).toThrow("'b'");
  });
});
