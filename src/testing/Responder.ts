import { inputTokens } from './answerOf';
import { whole } from './check';
import { checkReply } from './checkReply';
import { continuationOf } from './continuationOf';
import type { RateState } from './dialects/Dialect';
import { checkFaults, drawFault } from './drawFault';
import type { FaultyProviderOptions } from './FaultyProviderOptions';
import type { Plan } from './Plan';
import { DIALECTS, planReply } from './planReply';
import { ProviderLimits, type ProviderLimitsConfig } from './ProviderLimits';
import { seededRandom } from './random';
import type { Reply, Script, ScriptRequest } from './Reply';
import { Scripts } from './Scripts';

/** Decides what a request is answered: limits, scripts and chance. Knows no socket and no clock. */
export class Responder {
  readonly #options: FaultyProviderOptions;
  readonly #scripts: Scripts;
  readonly #limits = new Map<string, ProviderLimits>();

  /** @throws RangeError, TypeError naming the option and the value */
  constructor(options: FaultyProviderOptions, now: number) {
    const { seed = 1, reply, faults, limits = {} } = options;
    whole('seed', seed, Number.MIN_SAFE_INTEGER);
    if (reply) checkReply(reply);
    if (faults) checkFaults(faults);
    this.#options = options;
    this.#scripts = new Scripts(options.script);
    for (const [provider, config] of Object.entries(limits)) this.limit(provider, config, now);
  }

  script(provider: string, script: Script | undefined): void {
    this.#scripts.set(provider, script);
  }

  limit(provider: string, config: ProviderLimitsConfig | undefined, now: number): void {
    if (config === undefined) this.#limits.delete(provider);
    else this.#limits.set(provider, new ProviderLimits(config, now));
  }

  /**
   * @param active - requests to this provider in progress, without this one
   * @param now - in ms, of any clock
   * @param epochMs - the time of day, for headers that name an instant
   */
  respond(
    request: ScriptRequest,
    active: number,
    now: number,
    epochMs: number,
  ): { plan: Plan; headers: Record<string, string> } {
    const { dialect: name, body, provider, index } = request;
    const dialect = DIALECTS[name];
    const random = seededRandom(this.#options.seed ?? 1, index);
    const problem = dialect.invalid(body);
    if (problem !== undefined) {
      return { plan: planReply({ status: 400, error: { message: problem } }, request), headers: {} };
    }
    const rate = this.#limits.get(provider)?.admit(dialect.charge(body, inputTokens(body)), active, now) ?? {};
    const headers = dialect.rateHeaders(rate, epochMs);
    try {
      const reply = rate.refusedBy === undefined ? this.#reply(request, random) : refusal(rate, name === 'openai');
      return { plan: planReply(reply, { ...request, random }), headers };
    } catch (error) {
      // A fault of the script, not of the one who asks: say so where the test that wrote it will see it.
      const message = `the script for ${provider} failed: ${String(error)}`;
      return { plan: planReply({ status: 500, error: { message } }, request), headers };
    }
  }

  #reply(request: ScriptRequest, random: () => number): Reply {
    const { faults, reply } = this.#options;
    const scripted = this.#scripts.next(request);
    if (scripted !== undefined) return { ...reply, ...scripted };
    if (!faults) return { ...reply };
    const { continues, text } = continuationOf({ ...reply }, request);
    return drawFault({ ...reply }, faults, request.dialect, random, continues && text);
  }
}

const refusal = ({ refusedBy, retryAfterMs }: RateState, typed: boolean): Reply => ({
  status: 429,
  error: {
    ...(typed && refusedBy !== 'concurrency' && refusedBy !== undefined ? { type: refusedBy } : {}),
    message:
      `Rate limit reached on ${refusedBy}.` +
      (retryAfterMs === undefined ? '' : ` Please try again in ${(retryAfterMs / 1000).toFixed(3)}s.`),
  },
});
