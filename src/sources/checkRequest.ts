import { WeirError } from '../errors/WeirError';
import type { ChatRequest } from './ChatRequest';

const REQUEST = ['model', 'messages', 'maxTokens', 'temperature', 'tools', 'extraBody'];
/** By role, what a message has beside role and content. */
const MESSAGE = /* @__PURE__ */ new Map<unknown, string[]>([
  ['system', []],
  ['user', []],
  ['assistant', ['toolCalls']],
  ['tool', ['toolCallId']],
]);

type Fields = Readonly<Record<string, unknown>>;

const fail = (message: string): never => {
  throw new WeirError(message, { code: 'E1001' });
};

function texts(at: string, value: Fields, keys: readonly string[]): void {
  for (const key of keys) if (typeof value[key] !== 'string') fail(`${at}.${key} must be a string`);
}

/** What is given under another name would be lost without a word. */
function known(at: string, value: Fields, keys: readonly string[]): void {
  for (const key of Object.keys(value)) {
    if (value[key] === undefined || keys.includes(key)) continue;
    fail(`${at}.${key} is unknown (known: ${keys.join(', ')}); extraBody is for fields of the provider's own`);
  }
}

function list(at: string, value: unknown, check: (at: string, item: Fields) => void): void {
  if (!Array.isArray(value)) return fail(`${at} must be a list`);
  value.forEach((item: unknown, index) => {
    if (Object(item) !== item) fail(`${at}[${index}] must be an object`);
    check(`${at}[${index}]`, item as Fields);
  });
}

function part(at: string, value: Fields): void {
  const { type, url, data, mediaType } = value;
  if (type === 'text') texts(at, value, ['text']);
  if (type !== 'image') return; // the dialect says whether it has such a part
  known(at, value, ['type', 'url', 'data', 'mediaType']);
  if (typeof url === 'string' || (typeof data === 'string' && typeof mediaType === 'string')) return;
  fail(`${at}: an image needs a url, or data and mediaType`);
}

function toolCall(at: string, value: Fields): void {
  texts(at, value, ['id', 'name', 'arguments']);
  try {
    JSON.parse((value['arguments'] as string) || '{}');
  } catch {
    fail(`${at}.arguments must be JSON`);
  }
}

function message(at: string, value: Fields): void {
  const { role, content, toolCalls } = value;
  const own =
    MESSAGE.get(role) ?? fail(`${at}.role must be one of ${[...MESSAGE.keys()].join(', ')}; got '${String(role)}'`);
  known(at, value, ['role', 'content', ...own]);
  if (role === 'tool') texts(at, value, own);
  if (toolCalls) list(`${at}.toolCalls`, toolCalls, toolCall);
  if (typeof content === 'string' || (!(content ?? false) && (toolCalls as unknown[] | undefined)?.length)) return;
  if (!Array.isArray(content)) fail(`${at}.content must be a string or parts`);
  list(`${at}.content`, content, part);
}

function tool(at: string, value: Fields): void {
  known(at, value, ['name', 'description', 'parameters']);
  texts(at, value, ['name']);
}

/** Checks what the types say, for who has none: nothing of a request is dropped. @throws WeirError E1001 naming what is wrong */
export function checkRequest(request: ChatRequest): void {
  known('request', { ...request }, REQUEST);
  const { messages, tools } = request;
  list('messages', messages, message);
  if (tools as unknown) list('tools', tools, tool);
}
