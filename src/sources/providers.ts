import { WeirError } from '../errors/WeirError';
import { anthropic } from './anthropic';
import type { Dialect, ProviderConfig } from './dialect';
import { openai } from './openai';

/** The wire formats, by name. */
export const DIALECTS: Readonly<Record<NonNullable<ProviderConfig['dialect']>, Dialect>> = { openai, anthropic };

// By name, as none of the future may match: Claude refuses a prefill from 4.6 on, and while it thinks. OpenRouter passes one
// through, and whoever hosts these families there goes on from it.
const PREFILLED =
  /^(?!.*thinking)((anthropic\/)?claude-(instant|[23](?!\d)|(opus|sonnet|haiku)-4([-.][015])?(-\d{8}|-latest)?(:|$))|(mistralai|deepseek|qwen|meta-llama)\/)/;

// These speak in channels: they take a message for whole, and begin another.
const NOT_GPT_OSS = /^(?!.*gpt-oss)/;

const hosted = (name: string, baseUrl: string, more?: Partial<ProviderConfig>): [string, ProviderConfig] => [
  name,
  { baseUrl, apiKeyEnv: `${name.toUpperCase()}_API_KEY`, ...more },
];

// The library's one piece of module state: made once, changed by registerProvider alone, and read when a stream is
// subscribed (so it does not matter which module registers a provider, as long as it does so before).
const providers = /* @__PURE__ */ new Map<string, ProviderConfig>([
  hosted('openai', 'https://api.openai.com/v1', { maxTokensField: 'max_completion_tokens' }),
  hosted('anthropic', 'https://api.anthropic.com', {
    dialect: 'anthropic',
    prefix: { models: PREFILLED, trimEnd: true },
  }),
  hosted('deepseek', 'https://api.deepseek.com/v1', {
    prefix: { message: { prefix: true }, baseUrl: 'https://api.deepseek.com/beta' },
  }),
  hosted('groq', 'https://api.groq.com/openai/v1', { prefix: { models: NOT_GPT_OSS } }),
  hosted('mistral', 'https://api.mistral.ai/v1', {
    streamOptions: false, // refuses it, and sends usage unasked
    prefix: { message: { prefix: true }, trimEnd: true, echoes: true }, // white space comes again behind the echo
  }),
  // Some of those behind it, and some templates of Ollama's, begin anew all the same, which shows as an echo.
  hosted('openrouter', 'https://openrouter.ai/api/v1', { prefix: { models: PREFILLED, trimEnd: true, echoes: true } }),
  hosted('together', 'https://api.together.xyz/v1'),
  hosted('xai', 'https://api.x.ai/v1'),
  ['ollama', { baseUrl: 'http://localhost:11434/v1', prefix: { echoes: true } }],
  [
    'vllm',
    {
      baseUrl: 'http://localhost:8000/v1',
      prefix: {
        models: NOT_GPT_OSS,
        body: { continue_final_message: true, add_generation_prompt: false },
        trimEnd: true, // some chat templates do that, and the model says it again
      },
    },
  ],
]);

/**
 * Makes `'name/model'` a model id of `streamChat`, for the whole process; a name that exists is replaced.
 *
 * @returns a function that puts back what was there before
 * @throws TypeError if the name is empty or holds a slash, if there is no `baseUrl`, or for an unknown dialect
 *
 * @example
 * registerProvider('lmstudio', { baseUrl: 'http://localhost:1234/v1' });
 * streamChat({ model: 'lmstudio/qwen3', messages });
 */
export function registerProvider(name: string, config: ProviderConfig): () => void {
  const { baseUrl, dialect = 'openai' } = config;
  if (!/^[^/]+$/.test(name) || !baseUrl || !Object.hasOwn(DIALECTS, dialect)) {
    const wants = "a name without '/', a baseUrl, and the dialect 'openai' or 'anthropic'";
    // Not the URL itself: it may hold a password.
    const got = `${baseUrl ? 'a' : 'no'} baseUrl`;
    throw new TypeError(`registerProvider needs ${wants}; got '${name}', ${got}, '${dialect}'`);
  }
  const before = providers.get(name);
  providers.set(name, { ...config });
  return () => {
    if (before) providers.set(name, before);
    else providers.delete(name);
  };
}

/** The parts of a model id. */
export interface ModelParts {
  readonly name: string;
  readonly model: string;
  readonly config: ProviderConfig;
}

/** @returns `undefined` for a provider that is unknown */
export function findModel(id: string): ModelParts | undefined {
  const [, name = '', model = ''] = /^([^/]+)\/(.+)$/s.exec(id) ?? [];
  const config = providers.get(name);
  return config && { name, model, config };
}

/** @throws WeirError E1001 naming the known providers */
export function resolveModel(id: string): ModelParts {
  const found = findModel(id);
  if (found) return found;
  throw new WeirError(
    `model must be 'provider/model', with a provider of registerProvider() or ${[...providers.keys()].join(', ')}; got '${id}'`,
    { code: 'E1001' },
  );
}
