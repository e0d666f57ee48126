interface Fields {
  readonly type?: unknown;
  readonly text?: unknown;
  readonly [key: string]: unknown;
}

/**
 * Whether two values differ in nothing but their text, so that the two texts may be one: two strings, or two text or two
 * reasoning events whose other fields are the same.
 */
export function sameButText(a: unknown, b: unknown): boolean {
  if (typeof a === 'string' || typeof b === 'string') return typeof a === typeof b;
  const [x, y]: [Fields, Fields] = [Object(a) as Fields, Object(b) as Fields];
  const keys = Object.keys(x);
  return (
    (x.type === 'text' || x.type === 'reasoning') &&
    typeof x.text === 'string' &&
    typeof y.text === 'string' &&
    keys.length === Object.keys(y).length &&
    keys.every((key) => key === 'text' || (key in y && Object.is(x[key], y[key])))
  );
}
