import type { IncomingMessage } from 'node:http';

const KEYS = ['authorization', 'x-api-key', 'api-key', 'x-goog-api-key', 'cookie', 'proxy-authorization'];

/** A request's headers with no key in them. */
export function safeHeaders({ headers }: IncomingMessage): { headers: Record<string, string>; hasKey: boolean } {
  const safe: Record<string, string> = {};
  let hasKey = false;
  for (const [name, value] of Object.entries(headers)) {
    const secret = KEYS.includes(name);
    hasKey ||= secret;
    if (value !== undefined) safe[name] = secret ? '[redacted]' : String(value);
  }
  return { headers: safe, hasKey };
}

/** A request's body; one that is no JSON object reads as empty. Rejects if the client leaves before its end. */
export async function jsonBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  try {
    const value: unknown = JSON.parse(Buffer.concat(parts).toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
  } catch {
    return {};
  }
}

/** What lets a web page call the provider. @param expose - whether it may read all response headers */
export function corsHeaders(request: IncomingMessage, expose: boolean): Record<string, string> {
  const asked = request.headers['access-control-request-headers'];
  return {
    'access-control-allow-origin': '*',
    'access-control-expose-headers': expose ? '*' : 'x-request-id, request-id',
    ...(request.method === 'OPTIONS'
      ? { 'access-control-allow-methods': 'GET, POST, OPTIONS', 'access-control-allow-headers': asked ?? '*' }
      : {}),
  };
}
