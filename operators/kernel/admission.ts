import type { SchedulerLike, Subscription } from 'rxjs';
import { ConcurrencyLimitError, RateLimitExceededError } from '../../src/errors/rejections';
import { isRejected, type RejectedError } from '../../src/errors/WeirError';
import { MAX_DELAY_MS } from '../../src/policies/options';
import type { AdmissionPermit, PreflightChecker } from '../../src/policies/PreflightChecker';
import { precedes, type Cost, type Queueable, type Waiter, type WaitLine } from '../../src/policies/waiting';
import { QueueNode, WaitQueue } from './WaitQueue';

/** A stream that asks to be admitted. Exactly one of `admitted` and `refused` is called, unless it leaves before. */
export interface Applicant {
  readonly cost: Required<Cost>;
  readonly priority: number;
  readonly scheduler: SchedulerLike;
  admitted(permit: AdmissionPermit, waitedMs: number): void;
  refused(error: RejectedError): void;
}

/**
 * Admits a stream when its breaker lets it, a slot is free and the bucket holds its cost, all taken at that instant; else
 * it waits its turn. Waiting for one resource never holds another.
 *
 * @returns how to leave the queue; `undefined` when it was decided at once
 */
export function admit(checker: PreflightChecker, applicant: Applicant): (() => void) | undefined {
  const { cost, scheduler, priority } = applicant;
  const now = scheduler.now();
  const policies = queued(checker);
  // The breaker is asked before the queue and takes its permit behind it: no probe waits in a queue.
  const refusal = checker.circuitBreaker?.check(now) ?? refusalAtOnce(checker, cost, priority, now);
  if (refusal) {
    applicant.refused(refusal);
  } else if (policies.some(({ service }) => service.busy) || !checker.ready(cost, now)) {
    // While lines are being served a newcomer stands behind them, also where something seems free for a moment.
    return Gate.of(checker, policies).enter(applicant, now);
  } else {
    decide(checker, policies, applicant, now, now);
  }
  return undefined;
}

const queued = ({ rateLimiter, backpressure }: PreflightChecker): Queueable[] =>
  [rateLimiter, backpressure].filter((policy) => policy !== undefined);

function decide(
  checker: PreflightChecker,
  policies: readonly Queueable[],
  applicant: Applicant,
  now: number,
  since: number,
): void {
  const permit = undisturbed(policies, () => checker.take(applicant.cost, now));
  if (isRejected(permit)) applicant.refused(permit);
  else applicant.admitted(permit, now - since);
}

/** Each policy tells that it changed while `action` takes from them one by one: who comes then waits until it is over. */
function undisturbed<R>(policies: readonly Queueable[], action: () => R): R {
  const idle = policies.filter(({ service }) => !service.busy);
  for (const { service } of idle) service.busy = true;
  let result: R;
  try {
    result = action();
  } finally {
    for (const { service } of idle) service.busy = false;
  }
  for (const policy of idle) if (policy.service.again) serveLines(policy);
  return result;
}

/** What a newcomer is refused for without waiting: a wait that is too long already, or a full queue. */
function refusalAtOnce(
  { rateLimiter, backpressure }: PreflightChecker,
  cost: Required<Cost>,
  priority: number,
  now: number,
): RejectedError | undefined {
  if (rateLimiter && !rateLimiter.ready(cost, now)) {
    const { maxQueue, maxWaitMs } = rateLimiter.config;
    const waitMs = rateLimiter.waitMs(cost, now);
    if (waitMs > MAX_DELAY_MS) return rateLimiter.check(cost, now);
    if (maxWaitMs < Infinity) {
      const ahead = { requests: 0, tokens: 0 };
      for (const line of rateLimiter.lines) {
        const { requests, tokens } = line.ahead(priority);
        ahead.requests += requests;
        ahead.tokens += tokens;
      }
      const wholeMs = rateLimiter.backlogMs(ahead, cost, now);
      if (wholeMs > maxWaitMs) return tooLate('rateLimiter', maxWaitMs, wholeMs);
    }
    if (rateLimiter.queued >= maxQueue) return fullQueue(RateLimitExceededError, maxQueue, waitMs);
  }
  if (backpressure?.lacks()) {
    const { maxQueue, maxWaitMs } = backpressure.config;
    if (maxWaitMs === 0) return tooLate('backpressure', 0);
    if (backpressure.queued >= maxQueue) return fullQueue(ConcurrencyLimitError, maxQueue);
  }
  return undefined;
}

const fullQueue = (
  Refusal: typeof RateLimitExceededError | typeof ConcurrencyLimitError,
  maxQueue: number,
  retryAfterMs?: number,
): RejectedError => new Refusal(`the queue is full (maxQueue ${maxQueue})`, { retryAfterMs });

const tooLate = (component: 'rateLimiter' | 'backpressure', maxWaitMs: number, waitMs?: number): RejectedError =>
  component === 'rateLimiter'
    ? new RateLimitExceededError(`the rate limit asks for a wait of more than maxWaitMs ${maxWaitMs}`, {
        retryAfterMs: waitMs,
      })
    : new ConcurrencyLimitError(`no slot came free within maxWaitMs ${maxWaitMs}`);

class Ticket extends QueueNode implements Waiter {
  readonly applicant: Applicant;
  readonly order: number;
  readonly since: number;

  constructor(applicant: Applicant, order: number, since: number) {
    super(applicant.priority, applicant.cost);
    this.applicant = applicant;
    this.order = order;
    this.since = since;
  }

  get now(): number {
    return this.applicant.scheduler.now();
  }
}

/**
 * The queue of all streams that wait for the same policies. Gates that share a policy see each other through its `lines`,
 * and only their heads compete: serving is linear in the number of gates, not of waiters. Exists while somebody waits.
 */
class Gate implements WaitLine {
  readonly #checker: PreflightChecker;
  readonly #policies: readonly Queueable[];
  readonly #queue = new WaitQueue<Ticket>();
  #unwatch: (() => void)[] = [];
  #timer: Subscription | undefined;
  #due = Infinity;

  /** The gate in front of these policies: the one that is there, or a new one. */
  static of(checker: PreflightChecker, policies: readonly Queueable[]): Gate {
    for (const line of policies[0]!.lines) {
      if (line instanceof Gate && line.#isBefore(checker)) return line;
    }
    return new Gate(checker, policies);
  }

  private constructor(checker: PreflightChecker, policies: readonly Queueable[]) {
    this.#checker = checker;
    this.#policies = policies;
  }

  get size(): number {
    return this.#queue.size;
  }

  get head(): Ticket | undefined {
    return this.#queue.head;
  }

  get isDue(): boolean {
    const { head } = this;
    return !!head && this.#checker.ready(head.cost, head.now, head);
  }

  ahead(priority: number): Required<Cost> {
    return this.#queue.ahead(priority);
  }

  /** Joins the queue. @returns how to leave it */
  enter(applicant: Applicant, now: number): () => void {
    const order = 1 + Math.max(...this.#policies.map((policy) => policy.order));
    const ticket = new Ticket(applicant, order, now);
    if (this.size === 0) this.#open();
    this.#queue.add(ticket);
    for (const policy of this.#policies) policy.order = order;
    this.#look(this.head === ticket || this.#queue.oldest().includes(ticket));
    return () => {
      const mattered = this.#queue.oldest().includes(ticket);
      this.#leave(ticket);
      this.#look(mattered);
    };
  }

  /** Decides about the head if it can start now. @returns whether it left */
  serve(): boolean {
    const ticket = this.head;
    const now = ticket?.now ?? 0;
    if (!ticket || !this.#checker.ready(ticket.cost, now, ticket)) return false;
    this.#leave(ticket);
    const policies = this.#policies;
    undisturbed(policies, () => decide(this.#checker, policies, ticket.applicant, now, ticket.since));
    return true;
  }

  /** Refuses who has waited too long. @returns whether anybody left */
  expire(): boolean {
    let left = false;
    for (let ticket = this.head; ticket; ticket = this.head) {
      const { now } = ticket;
      const { rateLimiter } = this.#checker;
      // The bucket was paused beyond any timer: nobody here will see the end of it.
      if (rateLimiter && rateLimiter.waitMs(ticket.cost, now) > MAX_DELAY_MS) {
        this.#refuse(ticket, rateLimiter.check(ticket.cost, now)!);
      } else {
        const late = this.#deadlines(ticket).find(({ at }) => at <= now);
        if (!late) break;
        this.#refuse(late.ticket, late.refusal(now));
      }
      left = true;
    }
    return left;
  }

  /** Sets the one timer for the next thing that only time can bring: the bucket's refill, or the end of somebody's patience. */
  arm(): void {
    const ticket = this.head;
    let due = Infinity;
    if (ticket) {
      const { now } = ticket;
      const { rateLimiter } = this.#checker;
      // Of all gates before one bucket, only the first has a timer.
      if (rateLimiter?.lacks(ticket.cost, now) && isFirst(rateLimiter, ticket, now)) {
        due = Math.ceil(now + Math.max(1, rateLimiter.waitMs(ticket.cost, now)));
      }
      for (const { at } of this.#deadlines(ticket)) due = Math.min(due, at);
      if (due === this.#due) return;
      this.#due = due;
      this.#timer?.unsubscribe();
      this.#timer =
        due < Infinity
          ? ticket.applicant.scheduler.schedule(() => this.#ring(), Math.min(Math.max(due - now, 0), MAX_DELAY_MS))
          : undefined;
    }
  }

  #ring(): void {
    this.#due = Infinity;
    this.#look(true);
  }

  /** When the patience of the longest waiting ends, for each resource that the head of the queue lacks. */
  #deadlines(head: Ticket): { ticket: Ticket; at: number; refusal: (now: number) => RejectedError }[] {
    const { rateLimiter, backpressure } = this.#checker;
    return (
      [
        ['rateLimiter', rateLimiter],
        ['backpressure', backpressure],
      ] as const
    ).flatMap(([component, policy]) => {
      const maxWaitMs = policy?.config.maxWaitMs ?? Infinity;
      return maxWaitMs < Infinity && !policy?.ready(head.cost, head.now, head)
        ? this.#queue.oldest().map((ticket) => ({
            ticket,
            at: ticket.since + maxWaitMs,
            refusal: (now: number) => tooLate(component, maxWaitMs, rateLimiter?.waitMs(ticket.cost, now)),
          }))
        : [];
    });
  }

  #isBefore({ circuitBreaker, rateLimiter, backpressure }: PreflightChecker): boolean {
    const mine = this.#checker;
    return (
      mine.circuitBreaker === circuitBreaker && mine.rateLimiter === rateLimiter && mine.backpressure === backpressure
    );
  }

  #open(): void {
    for (const policy of this.#policies) policy.lines.add(this);
    this.#unwatch = this.#policies.map((policy) => policy.watch(() => serveLines(policy)));
    const { circuitBreaker } = this.#checker;
    if (!circuitBreaker) return;
    this.#unwatch.push(
      circuitBreaker.watch((transition) => {
        if (transition?.to !== 'open' && transition?.to !== 'isolated') return;
        // Those queued are refused as soon as it opens. Asked anew for each: a refused one may act on the breaker.
        for (let { head } = this, error; head && (error = circuitBreaker.check(head.now)); { head } = this)
          this.#refuse(head, error);
        this.#look(true);
      }),
    );
  }

  #leave(ticket: Ticket): void {
    if (!this.#queue.remove(ticket) || this.size > 0) return;
    for (const policy of this.#policies) policy.lines.delete(this);
    for (const unwatch of this.#unwatch) unwatch();
    this.#timer?.unsubscribe();
    this.#due = Infinity;
  }

  #refuse(ticket: Ticket, error: RejectedError): void {
    this.#leave(ticket);
    ticket.applicant.refused(error);
  }

  /** Where the front of the queue changed, the policies' lines are looked through again. */
  #look(frontChanged: boolean): void {
    if (frontChanged) for (const policy of this.#policies) serveLines(policy);
  }
}

const isFirst = (policy: Queueable, who: Waiter, now: number): boolean => {
  for (const { head } of policy.lines) {
    if (head && head !== who && precedes(head, who) && policy.lacks(head.cost, now)) return false;
  }
  return true;
};

/** Starts everybody who can be started, in order, in a loop: however many synchronous streams wait, the stack stays flat. */
function serveLines(policy: Queueable): void {
  const { lines, service } = policy;
  if (service.busy) {
    service.again = true;
    return;
  }
  do {
    service.again = false;
    service.busy = true;
    try {
      while (inOrder(lines).some((gate) => gate.serve()));
      for (const gate of inOrder(lines)) if (gate.expire()) service.again = true;
    } finally {
      service.busy = false;
    }
  } while (service.again);
  for (const gate of inOrder(lines)) gate.arm();
}

function inOrder(lines: ReadonlySet<WaitLine>): Gate[] {
  const gates = [...lines].filter((line) => line instanceof Gate);
  return gates.length < 2 ? gates : gates.sort((a, b) => (a.head && b.head && precedes(b.head, a.head) ? 1 : -1));
}
