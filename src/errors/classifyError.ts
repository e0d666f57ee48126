import { factsOf, toError, type ClassifyOptions, type Facts } from './providerError';
import { get, messageOf, safeCause, textOf } from './redact';
import { isWeirError, WeirError } from './WeirError';

// What fetch says where it gives no cause: Chrome, Safari, Firefox, React Native, Node.
const NETWORK =
  /^(failed to fetch|load failed|network|terminated|fetch failed|error in input|the (network|internet) connection)/i;

/** The code of an error that has neither a code nor a status: by its name, where that means the same whoever uses it. */
function codeOfKind(error: unknown): Facts['code'] {
  const [name, message] = [get(error, 'name'), messageOf(error)];
  const inSdk = Object(error) === error && 'requestID' in (error as object);
  // The openai SDK leaves `name` at "Error"; once it is minified, nothing but the message is left.
  const said = inSdk && /^Request (was aborted|timed out)\.$/.test(message) ? message : '';
  const kind = textOf(name) + textOf(get(get(error, 'constructor'), 'name')) + said;
  if (/abort|cancell?ed/i.test(kind)) return 'E4002';
  if (/timed? ?out/i.test(kind)) return 'E3003';
  const refused = /(connection|network)error/i.test(kind) || (name === 'TypeError' && NETWORK.test(message));
  return refused || inSdk || get(error, 'isRetryable') === true ? 'E3001' : undefined;
}

function read(error: unknown, now: number, depth: number): Facts {
  if (isWeirError(error)) return error;
  const own = factsOf(error, now);
  const cause = get(error, 'lastError') ?? get(error, 'cause');
  const inner = cause && depth ? read(cause, now, depth - 1) : own;
  const code = own.code ?? codeOfKind(error);
  // Node aborts what times out with an AbortError, whose cause is the reason.
  if (code === 'E4002') return { ...own, code: inner.code === 'E3003' ? 'E3003' : code };
  if (own.code || !inner.code) return { ...own, code };
  return { ...inner, message: `${own.message}: ${inner.message}` };
}

/**
 * The standard error of anything that was thrown: errors of `openai`, `@anthropic-ai/sdk`, the Vercel AI SDK, Google GenAI
 * and LangChain, a `Response`, what fetch and Node throw, and whatever else. It goes by status, code, type and name,
 * never by the words of a message where there is anything else.
 *
 * A WeirError comes back as it is. Otherwise `cause` is the raw value; where a key can be reached from that, a plain
 * Error with its name and its redacted message.
 *
 * @returns E9999 for what it does not know. Never throws.
 */
export function classifyError(error: unknown, options: ClassifyOptions = {}): WeirError {
  if (isWeirError(error)) return error;
  const cause = safeCause(error, options.secrets);
  try {
    return toError(read(error, options.now ?? Date.now(), 5), options, cause);
  } catch {
    return new WeirError('unknown error', { cause }); // a proxy that throws at everything
  }
}
