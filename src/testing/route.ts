import type { DialectName } from './Reply';

/** What a path asks for. */
export type Route =
  { action: 'chat'; provider: string; dialect: DialectName } | { action: 'models'; provider: string | undefined };

const PATH = /^(?:\/(?!v1\/|beta\/|api\/)([\w.-]+))?(?:\/api)?(?:\/(?:v1|beta))?\/(chat\/completions|messages|models)$/;

const DIALECT: Readonly<Record<string, DialectName>> = {
  'POST chat/completions': 'openai',
  'POST messages': 'anthropic',
};

/** `/[provider/][api/][v1|beta/]endpoint`; `undefined` for any other path. */
export function routeOf(method: string, path: string): Route | undefined {
  const [, provider, endpoint] = PATH.exec(path) ?? [];
  if (method === 'GET' && endpoint === 'models') return { action: 'models', provider };
  const dialect = DIALECT[`${method} ${endpoint}`];
  return dialect && { action: 'chat', provider: provider ?? dialect, dialect };
}
