import type { ChanceOfFaults } from './drawFault';
import type { ProviderLimitsConfig } from './ProviderLimits';
import type { Reply, Script } from './Reply';

/** Options of {@link startFaultyProvider}. */
export interface FaultyProviderOptions {
  /** TCP port on 127.0.0.1. @defaultValue 0: any free one */
  port?: number;
  /** Of all chance: the same seed and the same order of requests give the same run, timing aside. @defaultValue 1 */
  seed?: number;
  /** Defaults under every reply, for pace, text and the like. @defaultValue {} */
  reply?: Reply;
  /** Answers requests that their provider's own script leaves open. @defaultValue healthy answers */
  script?: Script;
  /** Faults by chance, in answers that no script gave. @defaultValue none */
  faults?: ChanceOfFaults;
  /** Limits by provider that really refuse, with 429 and the dialect's headers. @defaultValue none */
  limits?: Readonly<Record<string, ProviderLimitsConfig>>;
  /** What `GET /v1/models` lists. @defaultValue ['weir-1'] */
  models?: readonly string[];
  /** Whether a browser may read all response headers; `false`: only the request id, as with OpenAI. @defaultValue false */
  exposeHeaders?: boolean;
  /** Whether connections are kept for further requests. @defaultValue true */
  keepAlive?: boolean;
}
