import { checkReply } from './checkReply';
import type { Reply, ReplyFunction, Script, ScriptRequest } from './Reply';

function playerOf(script: Script): ReplyFunction {
  if (typeof script === 'function') return script;
  const replies: readonly Reply[] = Array.isArray(script) ? [...(script as readonly Reply[])] : [script as Reply];
  replies.forEach(checkReply);
  let next = 0;
  return Array.isArray(script) ? () => replies[next++] : () => replies[0];
}

/** The scripts by provider, each with its place in its list. */
export class Scripts {
  readonly #players = new Map<string, ReplyFunction>();
  readonly #any: ReplyFunction | undefined;

  /** @throws RangeError, TypeError naming a field of a reply that is out of range */
  constructor(any?: Script) {
    this.#any = any === undefined ? undefined : playerOf(any);
  }

  set(provider: string, script: Script | undefined): void {
    if (script === undefined) this.#players.delete(provider);
    else this.#players.set(provider, playerOf(script));
  }

  /** The scripted reply, if there is one. */
  next(request: ScriptRequest): Reply | undefined {
    return this.#players.get(request.provider)?.(request) ?? this.#any?.(request);
  }
}
