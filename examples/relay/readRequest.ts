/** Shows what a relay takes from a browser, which may be anybody's: a bounded body, a few known fields, and no more. */
import type { ChatMessage, ClientRequest } from 'rx-weir';

const MAX_BYTES = 1 << 20;
const FIELDS = ['messages', 'maxTokens'];
const ROLES = ['system', 'user', 'assistant', 'tool'];

/** A request that is answered with an error status. */
export class Refusal extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }

  toResponse(): Response {
    const { status, headers, message } = this;
    return Response.json({ error: { message } }, { status, headers });
  }
}

/** @throws Refusal for anything that is no chat request, saying why */
export async function readRequest(request: Request): Promise<ClientRequest> {
  // A form of somebody else's page cannot send JSON without asking first.
  if (!/^application\/json\b/i.test(request.headers.get('content-type') ?? '')) {
    throw new Refusal(415, 'content-type must be application/json');
  }
  const bad = (what: string): Refusal => new Refusal(400, what);
  let asked: unknown;
  try {
    asked = JSON.parse(await readText(request));
  } catch (error) {
    throw error instanceof Refusal ? error : bad('the body must be JSON');
  }
  const { messages, maxTokens, ...others } = Object(asked) as Record<string, unknown>;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw bad(`${JSON.stringify(unknown)} is unknown (known: ${FIELDS.join(', ')})`);
  if (!Array.isArray(messages) || messages.length === 0) throw bad('messages must be a list with something in it');
  messages.forEach((message: unknown, index) => {
    const { role, content, toolCalls } = Object(message) as Record<string, unknown>;
    if (!ROLES.includes(role as string)) throw bad(`messages[${index}].role must be one of ${ROLES.join(', ')}`);
    if (typeof content !== 'string' && !Array.isArray(content) && !Array.isArray(toolCalls)) {
      throw bad(`messages[${index}].content must be a string or a list of parts`);
    }
  });
  if (maxTokens !== undefined && !(Number.isSafeInteger(maxTokens) && (maxTokens as number) > 0)) {
    throw bad('maxTokens must be a whole number above 0');
  }
  // What else may be wrong with a message, the client says: as the answer's error, E1001.
  return { messages: messages as ChatMessage[], ...(maxTokens !== undefined && { maxTokens: maxTokens as number }) };
}

/** @throws Refusal for more than MAX_BYTES, as soon as that is known */
async function readText({ body, headers }: Request): Promise<string> {
  const tooLarge = new Refusal(413, `the body must not be larger than ${MAX_BYTES} bytes`);
  if (Number(headers.get('content-length')) > MAX_BYTES) throw tooLarge;
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw tooLarge;
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
