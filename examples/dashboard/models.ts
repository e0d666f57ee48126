/** The providers that the embedded one plays; the first model is asked first, the others are its fallbacks. */
export const MODELS = ['openai/gpt-4o', 'anthropic/claude-3-5-sonnet', 'deepseek/deepseek-chat'] as const;

export const PROVIDERS = ['openai', 'anthropic', 'deepseek'] as const;

export type Provider = (typeof PROVIDERS)[number];

/** What a person calls a model: `gpt-4o` of `openai/gpt-4o`. */
export const nameOf = (model: string): string => model.slice(model.indexOf('/') + 1);

/** The model that a provider plays. */
export const modelOf = (provider: Provider): string =>
  MODELS.find((model) => model.startsWith(`${provider}/`)) ?? provider;
