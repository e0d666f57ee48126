import { asyncScheduler } from 'rxjs';
import { WeirError } from '../errors/WeirError';
import type { Answer } from './Answer';
import type { ChatContent, ChatRequest, ContentPart } from './ChatRequest';

/** What is known of a request, for its errors. */
export class Origin {
  provider: string | undefined = undefined;
  model: string | undefined = undefined;
  requestId: string | undefined = undefined;
  /** What no error may show. */
  readonly secrets: string[] = [];

  /** The time of the reading, in ms. */
  get now(): number {
    return asyncScheduler.now();
  }
}

/** How a provider goes on from a trailing assistant message, as if it had said that itself. */
export interface PrefixSupport {
  /** The models that do. @defaultValue all */
  readonly models?: RegExp | undefined;
  /** What marks that message, e.g. `{ prefix: true }`. @defaultValue nothing: that it is the last one says enough */
  readonly message?: Readonly<Record<string, unknown>> | undefined;
  /** What the body needs beside it, e.g. vLLM's `{ continue_final_message: true, add_generation_prompt: false }`. */
  readonly body?: Readonly<Record<string, unknown>> | undefined;
  /** Where such requests go, where the user gave no base URL of his own. @defaultValue where all others go */
  readonly baseUrl?: string | undefined;
  /** Whether the message must not end in white space: it is refused, or lost and said again. @defaultValue false */
  readonly trimEnd?: boolean | undefined;
  /** Whether the answer may begin with the whole message once more, which is then left out. @defaultValue false */
  readonly echoes?: boolean | undefined;
}

/** How to reach a provider and what it understands. */
export interface ProviderConfig {
  /** The wire format. @defaultValue 'openai' */
  readonly dialect?: 'openai' | 'anthropic' | undefined;
  /** As in the SDKs: with `/v1` for the OpenAI dialect, without for Anthropic. */
  readonly baseUrl: string;
  /** The environment variable that holds the key. @defaultValue none: no key is needed */
  readonly apiKeyEnv?: string | undefined;
  /** Whether it takes `stream_options`, by which the OpenAI dialect asks for usage. @defaultValue true */
  readonly streamOptions?: boolean | undefined;
  /** How it names the limit of the answer. @defaultValue 'max_tokens' */
  readonly maxTokensField?: 'max_tokens' | 'max_completion_tokens' | undefined;
  /** Whether `[DONE]` without a finish reason is a good end (of a host that never sends one). @defaultValue false */
  readonly doneIsTerminal?: boolean | undefined;
  /** Whether an answer that was cut can be gone on with from its own words, and how. @defaultValue it cannot */
  readonly prefix?: PrefixSupport | undefined;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** One wire format: how a request is written and how the events of its answer are read. */
export interface Dialect {
  /** What follows the base URL. */
  readonly path: string;
  /** The limit of an answer, in tokens, where a request that has none must have one. */
  readonly maxTokens?: number;
  headers(key: string | undefined): Record<string, string | undefined>;
  /** The fields of the JSON body that are its own. @throws WeirError E1001 naming what this dialect cannot say */
  body(request: ChatRequest, provider: ProviderConfig): Record<string, unknown>;
  /** A new decoder, for one stream. */
  decoder(answer: Answer, provider: ProviderConfig): Decoder;
}

export interface Decoder {
  /** Reads the JSON of one event. @returns true if nothing can follow it */
  read(payload: object): boolean;
  /** Emits what was held back, when the stream has ended; `done`: with `[DONE]`. Called once. */
  end(done: boolean): void;
}

/** The E1001 for what a dialect cannot say. */
export const cannotSay = (dialect: string, what: string): WeirError =>
  new WeirError(`the ${dialect} dialect has no ${what}`, { code: 'E1001' });

type Image = Extract<ContentPart, { type: 'image' }>;

/** An image as a URL. */
export const urlOf = (image: Image): string =>
  'url' in image ? image.url : `data:${image.mediaType};base64,${image.data}`;

/** A message's content with its parts translated. Without `image` this dialect takes no images in this place. */
export const contentOf = (
  dialect: string,
  { role, content }: { role: string; content: ChatContent | null | undefined },
  image?: (part: Image) => object,
): unknown =>
  // An assistant that only called tools has said nothing, which OpenAI itself tells as null.
  typeof content === 'string' || !content
    ? (content ?? '')
    : content.map((part) => {
        if (part.type === 'text') return part;
        if (part.type === 'image' && image) return image(part);
        throw cannotSay(dialect, `${part.type} in a message of the ${role}`);
      });
