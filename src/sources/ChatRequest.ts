/** A part of a message. An image is an `http(s):` or `data:` URL, or base64 data with its media type, e.g. `image/png`. */
export type ContentPart =
  { type: 'text'; text: string } | { type: 'image'; url: string } | { type: 'image'; data: string; mediaType: string };

export type ChatContent = string | readonly ContentPart[];

/** A message of the conversation so far. */
export type ChatMessage =
  | { role: 'system' | 'user'; content: ChatContent }
  | {
      role: 'assistant';
      content: ChatContent;
      /** The tools that the model called; `arguments` is JSON, as in a `toolCall` event. */
      toolCalls?: readonly ChatToolCall[] | undefined;
    }
  /** The result of one tool call. */
  | { role: 'tool'; toolCallId: string; content: ChatContent };

export interface ChatToolCall {
  readonly id: string;
  readonly name: string;
  /** JSON. */
  readonly arguments: string;
}

/** A function that the model may call. */
export interface ChatTool {
  name: string;
  description?: string | undefined;
  /** The arguments, as a JSON Schema. @defaultValue an object without properties */
  parameters?: Readonly<Record<string, unknown>> | undefined;
}

/** A chat request, whatever the provider. */
export interface ChatRequest {
  /** `'provider/model'`, e.g. `'openai/gpt-4o'`; the model may hold further slashes. */
  model: string;
  messages: readonly ChatMessage[];
  /** Upper limit of the answer, in tokens. @defaultValue the provider's; 4096 for Anthropic, which demands one */
  maxTokens?: number | undefined;
  temperature?: number | undefined;
  tools?: readonly ChatTool[] | undefined;
  /** Further fields of the provider's own request body, e.g. `{ top_p: 0.9 }`; merged last, so they win. */
  extraBody?: Readonly<Record<string, unknown>> | undefined;
}
