import { catchError, defer, tap, throwError, type MonoTypeOperatorFunction, type Observable } from 'rxjs';
import { Delivered } from '../../operators/kernel/Delivered';
import type { PartialPlan } from '../../operators/kernel/partials';
import { resolveRuntime } from '../../operators/kernel/runtime';
import { NOTHING, ReplaySeam, TrimSeam, type Seam } from '../../operators/kernel/seams';
import { operatorOf } from '../../operators/kernel/StreamRun';
import type { Tree } from '../../operators/kernel/Tree';
import type { ChatEvent } from '../events/ChatEvent';
import { charactersOf, estimateTokens, type TokenCounts } from '../events/defaults';
import { PrefixTrimmer, QuoteTrimmer } from '../policies/OverlapTrimmer';
import type { ChatRequest } from '../sources/ChatRequest';
import {
  continueRequest,
  namesPrefix,
  refusesContinuation,
  supportsPrefix,
  type ResumeStrategy,
} from '../sources/continuation';
import type { ContinuationOptions } from '../sources/streamChat';
import { inputTokensOf } from './requestTokens';

type ResumeEvent = Extract<ChatEvent, { type: 'resume' }>;

/** One request that was made for the answer. */
interface Asked {
  /** An estimate of what it has. */
  readonly inputTokens: number;
  /** How it goes on with what is there. */
  readonly resume?: { readonly event: ResumeEvent; readonly seam: () => Seam<ChatEvent> } | undefined;
}

/** Makes a request. */
export type Ask = (request: ChatRequest, continuation?: ContinuationOptions) => Observable<ChatEvent>;

/** An instructed continuation repeats what it was told to, and perhaps more; what is shorter may be chance. */
const MIN_OVERLAP = 16;

const RUNTIME = resolveRuntime<ChatEvent>(undefined);

/** What is there in an attempt until it is known whether it says the same: everything but content. */
const textless = ({ type }: ChatEvent): 'drop' | 'hold' | 'diverge' =>
  type === 'toolCall' || type === 'finish' ? 'diverge' : type === 'reasoning' ? 'drop' : 'hold';

/**
 * One answer over all its attempts, whichever model makes them. Each attempt asks here what to request: the answer, or what
 * is missing of it. What comes of all of them is put together here, behind everything that protects them.
 */
export class Resumption implements Seam<ChatEvent> {
  readonly partials: PartialPlan<ChatEvent>;
  readonly delivered = new Delivered<ChatEvent>(RUNTIME, 'text');
  readonly #mode: 'rewind' | 'auto';
  readonly #request: Omit<ChatRequest, 'model'>;
  readonly #shared: Shared;
  /** By the first event of its answer: only that of an attempt that delivers something comes here. */
  readonly #begun = new WeakMap<ChatEvent, Asked>();
  /** The request that was made last, */
  #asked: Asked;
  /** and the one whose answer is heard. */
  #heard: Asked | undefined;
  #seam: Seam<ChatEvent> | undefined;
  #thinksAgain = false;
  /** An instruction was answered by nothing at all: it will be again. */
  #mute = false;
  /** What the answers cost that were heard before this one, what this one says it does, and the characters since. */
  #spent: TokenCounts = { inputTokens: 0, outputTokens: 0 };
  #reported: TokenCounts | undefined;
  #characters = 0;
  /** The input of those of which nothing was heard. */
  #unheard = 0;

  constructor(mode: 'rewind' | 'auto', request: Omit<ChatRequest, 'model'>, shared: Shared) {
    this.#mode = mode;
    this.partials = {
      action: mode === 'auto' ? 'resume' : 'rewind',
      collects: 'nothing',
      // A tool that was called may have been run, and another attempt may call others.
      allows: () => !this.delivered.toolCalled,
      emitted: () => this.delivered.contents,
    };
    this.#request = request;
    this.#shared = shared;
    this.#asked = { inputTokens: inputTokensOf(request) };
  }

  /** What the last request has in LLM tokens. */
  readonly inputTokens = (): number => this.#asked.inputTokens;

  /** What one attempt with a model subscribes to. */
  attempt(model: string, ask: Ask): Observable<ChatEvent> {
    return defer(() => {
      // By spreading, though that makes a hidden class for each: assigning would hide an own `__proto__` from the check.
      const request = { ...this.#request, model };
      if (this.delivered.contents === 0) return this.#ask(ask, request);
      return this.#resume(request, this.#mode === 'rewind' ? ['rewind'] : ['prefix', 'instruct', 'rewind'], ask);
    });
  }

  /** Puts the attempts together. */
  assemble(): MonoTypeOperatorFunction<ChatEvent> {
    return operatorOf<ChatEvent>({ ...RUNTIME, hold: false, seam: () => this, delivered: this.delivered });
  }

  pass(event: ChatEvent): readonly ChatEvent[] | undefined {
    const { type } = event;
    // Nearly all are text; of so many shapes V8 takes 10 ns to find the type, so it is looked at once.
    if (type === 'text') {
      this.#characters += event.text.length;
      return this.#seam?.pass(event);
    }
    const told = type === 'start' ? this.#begin(event) : undefined;
    this.#characters += charactersOf(event);
    let next = event;
    if (type === 'usage') {
      this.#reported = event;
      this.#characters = 0;
      // Of the same hidden class as the event itself: a copy by spreading has another, the fifth, and V8 then takes 10 ns to find
      // the type of any event.
      const { inputTokens, outputTokens } = this.#sum(event);
      next = { type, inputTokens, outputTokens };
    } else if (type === 'reasoning' && this.#thinksAgain) return NOTHING;
    const passed = this.#seam?.pass(next) ?? (next === event ? undefined : [next]);
    return told ? [...told, ...(passed ?? [next])] : passed;
  }

  end(): readonly ChatEvent[] {
    return this.#seam?.end() ?? NOTHING;
  }

  /** The first strategy that can say it, and the next one where the provider refuses. */
  #resume(
    request: ChatRequest,
    [strategy = 'rewind', ...others]: readonly ResumeStrategy[],
    ask: Ask,
    accepted?: () => void,
  ): Observable<ChatEvent> {
    const { model } = request;
    const { text } = this.delivered;
    const resume = (at: number, seam: () => Seam<ChatEvent>): Asked['resume'] => ({
      event: { type: 'resume', strategy, at, attempt: this.#shared.tree.attempts },
      seam,
    });
    if (strategy === 'rewind') {
      const diverged = (to: number): ChatEvent[] => [{ type: 'rewind', to }];
      const seam = () => new ReplaySeam(this.#mode === 'auto' ? text : '', RUNTIME, textless, diverged);
      return this.#ask(ask, request, { resume: resume(0, seam), accepted });
    }
    const isPrefix = strategy === 'prefix';
    const able = isPrefix ? supportsPrefix(model) && !this.#shared.refusing.has(model) : !this.#mute;
    const continuation = able ? continueRequest(request, strategy, text, estimateTokens(text.length)) : undefined;
    if (!continuation) return this.#resume(request, others, ask, accepted);
    const { omitted, words } = continuation;
    const trimmer = () =>
      isPrefix ? new PrefixTrimmer(omitted) : new QuoteTrimmer({ words, delivered: text, omitted, min: MIN_OVERLAP });
    const seam = () => new TrimSeam(trimmer(), RUNTIME);
    // Of an answer that was cut right at its end nothing is missing; but who was told to repeat something has to say that.
    const options = { prefix: isPrefix, mayBeEmpty: isPrefix, resume: resume(text.length, seam), accepted };
    return this.#ask(ask, continuation.request, options).pipe(
      catchError((error: unknown) => {
        const { refusing, tree } = this.#shared;
        if (!refusesContinuation(error) || !tree.allows()) return throwError(() => error);
        tree.count();
        const refused = (): void => {
          if (isPrefix) refusing.add(model);
        };
        if (namesPrefix(error)) refused();
        // What it names is something else: only if the same is accepted in another way, it was the way.
        return this.#resume(request, others, ask, refused);
      }),
    );
  }

  /** Makes a request, and takes note of it. */
  #ask(
    ask: Ask,
    request: ChatRequest,
    {
      resume,
      accepted,
      ...options
    }: ContinuationOptions & Pick<Asked, 'resume'> & { accepted?: (() => void) | undefined } = {},
  ): Observable<ChatEvent> {
    const asked = (this.#asked = { inputTokens: inputTokensOf(request), resume });
    const began = (start: ChatEvent): void => {
      this.#begun.set(start, asked);
      this.#unheard += asked.inputTokens;
      accepted?.();
    };
    const answer = ask(request, { ...options, began });
    const isInstructed = resume?.event.strategy === 'instruct';
    return isInstructed ? answer.pipe(tap(({ type }) => (this.#mute ||= type === 'finish'))) : answer;
  }

  /** An answer begins to be heard. @returns what the subscriber is told of it */
  #begin(start: Extract<ChatEvent, { type: 'start' }>): ChatEvent[] | undefined {
    this.#shared.answering(`${start.provider}/${start.model}`);
    const asked = this.#begun.get(start);
    if (!asked) return undefined;
    const before = this.#heard;
    if (before) this.#spent = this.#sum(this.#reported ?? { ...before, outputTokens: 0 }, true);
    this.#unheard -= asked.inputTokens;
    this.#heard = asked;
    this.#reported = undefined;
    this.#characters = 0;
    const { resume } = asked;
    this.#seam = resume?.seam();
    this.#thinksAgain = resume !== undefined && this.#mode === 'auto';
    if (!resume) return undefined;
    return this.#mode === 'auto' ? [resume.event] : [resume.event, { type: 'rewind', to: 0 }];
  }

  /** With what was spent before; of an answer that was cut, also what it did not report any more. */
  #sum({ inputTokens, outputTokens }: TokenCounts, wasCut = false): TokenCounts {
    return {
      inputTokens: this.#spent.inputTokens + inputTokens + (wasCut ? 0 : this.#unheard),
      outputTokens: this.#spent.outputTokens + outputTokens + (wasCut ? estimateTokens(this.#characters) : 0),
    };
  }
}

/** What the answers of a client share, and the attempts at one. */
interface Shared {
  readonly tree: Tree;
  /** Models that refused to go on from their own words. */
  readonly refusing: Set<string>;
  /** A model begins to answer. */
  answering(model: string): void;
}
