/**
 * Three shapes of a secret. The value of an authorization or API key header, parameter or property, also inside escaped
 * JSON. What follows "Bearer" and has a digit ("bearer token missing" is prose). A key by its prefix, which providers echo
 * with asterisks; where "sk-" may be the end of a word ("task-force", but also "%22sk-..."), it must look more like one.
 */
const SHAPES =
  /((?:authorization|api[-_]?key)[\\"']*\s*[:=]\s*[\\"']*(?:bearer\s+|basic\s+)?|bearer\s+(?=\S*\d))[^\s"',;&}\\]{4,}|(?:(?<=\b|_|\\[nrt])sk-|sk-(?=\w{20}|ant-|proj-)|(?:gsk_|xai-)\w{6}|AIza)[\w*-]{6,}/gi;

const SECRET_NAME = /^(proxy-)?authorization$|api[-_]?key$/i;

/**
 * `text` without secrets: the known ones exactly (from 4 characters on), and whatever has the shape of a key, a bearer
 * token or the value of an `authorization` or API key header.
 */
export function redact(text: string, secrets: readonly string[] = []): string {
  // In reverse order a secret comes before another that is its beginning.
  for (const secret of [...secrets].sort().reverse()) {
    if (secret.length > 3) text = text.replaceAll(secret, '[redacted]');
  }
  return text.replace(SHAPES, '$1[redacted]');
}

/** A property of anything; `undefined` where there is none, or where a getter or a proxy throws. */
export function get(value: unknown, key: PropertyKey): unknown {
  try {
    return (Object(value) as Record<PropertyKey, unknown>)[key];
  } catch {
    return undefined;
  }
}

/** A string or a number as a string, anything else as `''`. */
export const textOf = (value: unknown): string =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : '';

/** The message of anything thrown; `''` where it has none. */
export const messageOf = (raw: unknown): string => textOf(raw) || textOf(get(raw, 'message'));

/** Whether a secret can be reached from `root`. */
function leaks(root: unknown, secrets: readonly string[] | undefined): boolean {
  const seen = new Set([root]);
  try {
    for (const part of seen) {
      // A thrown value can hold half of the application: what is too large to look at counts as one with a secret in it.
      if (seen.size > 3000) return true;
      if (typeof part === 'string' && redact(part, secrets) !== part) return true;
      if (Object(part) !== part) continue;
      if (typeof get(part, 'toJSON') === 'function' && !(part instanceof URL || part instanceof Date)) return true; // shows what it likes
      // Accessors of a class, such as `response.headers`, are no own keys.
      const pairs = [...Reflect.ownKeys(part as object), 'message', 'headers', 'cause', 'url', 'href'].map((key) => [
        key,
        get(part, key),
      ]);
      if (part instanceof Map || part instanceof Set || part instanceof Headers) pairs.push(...part.entries());
      for (const [key, value] of pairs) {
        if (value && SECRET_NAME.test(textOf(key))) return true;
        seen.add(key).add(value);
      }
    }
    return false;
  } catch {
    return true; // a proxy that hides its keys
  }
}

/** `raw` itself; but where a secret can be reached from it, a plain Error with its name and its redacted message only. */
export const safeCause = (raw: unknown, secrets?: readonly string[]): unknown =>
  leaks(raw, secrets)
    ? Object.assign(new Error(redact(messageOf(raw), secrets)), {
        name: redact(textOf(get(raw, 'name')) || 'Error', secrets),
      })
    : raw;
