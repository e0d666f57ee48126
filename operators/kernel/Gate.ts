import type { SchedulerLike, Subscription } from 'rxjs';
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
  admitted(permit: AdmissionPermit, waited?: Waited): void;
  refused(error: RejectedError): void;
}

/** How long a stream stood in a queue, and for what at first. */
export interface Waited {
  readonly component: 'rateLimiter' | 'backpressure';
  readonly waitedMs: number;
}

/** Takes everything for a stream that is ready, and tells it; the breaker may still refuse. */
export function decide(checker: PreflightChecker, applicant: Applicant, now: number, waited?: Waited): void {
  const permit = checker.take(applicant.cost, now);
  if (isRejected(permit)) applicant.refused(permit);
  else applicant.admitted(permit, waited);
}

/** What changes while `action` takes and starts is served when it is over. */
function undisturbed(policies: readonly Queueable[], action: () => void): void {
  const idle = policies.filter(({ service }) => !service.busy);
  for (const { service } of idle) service.busy = true;
  try {
    action();
  } finally {
    for (const { service } of idle) service.busy = false;
  }
  for (const policy of idle) if (policy.service.again) serveLines(policy);
}

/** A place in a queue. */
export interface Place {
  leave(): void;
}

class Ticket extends QueueNode implements Waiter, Place {
  readonly gate: Gate;
  readonly applicant: Applicant;
  readonly order: number;
  readonly since: number;
  readonly component: Waited['component'];

  constructor(gate: Gate, applicant: Applicant, order: number, since: number, component: Waited['component']) {
    super(applicant.priority, applicant.cost);
    this.gate = gate;
    this.component = component;
    this.applicant = applicant;
    this.order = order;
    this.since = since;
  }

  get now(): number {
    return this.applicant.scheduler.now();
  }

  leave(): void {
    this.gate.leave(this);
  }
}

/**
 * The queue of all streams that wait for the same policies. Gates that share a policy see each other through its `lines`,
 * and only their heads compete: serving is linear in the number of gates, not of waiters. Exists while somebody waits.
 */
export class Gate implements WaitLine {
  readonly #checker: PreflightChecker;
  readonly #policies: readonly Queueable[];
  readonly #queue = new WaitQueue<Ticket>();
  /** Since when the head has been waiting for a policy: waiting for one does not use up the patience with the other. */
  readonly #lacking = new Map<Queueable, number>();
  #unwatch: (() => void)[] = [];
  #timer: Subscription | undefined;
  #due = Infinity;

  /** The gate in front of these policies: the one that is there, or a new one. */
  static of(checker: PreflightChecker, policies: readonly Queueable[]): Gate {
    const parts = ['circuitBreaker', 'rateLimiter', 'backpressure'] as const;
    for (const line of policies[0]!.lines) {
      if (line instanceof Gate && parts.every((part) => line.#checker[part] === checker[part])) return line;
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

  /** Joins the queue. */
  enter(applicant: Applicant, now: number): Place {
    const order = 1 + Math.max(...this.#policies.map((policy) => policy.order));
    for (const policy of this.#policies) policy.order = order;
    const first = this.#policies.find((policy) => !policy.ready(applicant.cost, now));
    const component = first === this.#checker.backpressure ? 'backpressure' : 'rateLimiter';
    const ticket = new Ticket(this, applicant, order, now, component);
    if (this.size === 0) this.#open();
    this.#queue.add(ticket);
    if (this.#isInFront(ticket)) this.#look();
    return ticket;
  }

  /** One does not wait any more. */
  leave(ticket: Ticket): void {
    const wasInFront = this.#isInFront(ticket);
    this.#leave(ticket);
    if (wasInFront) this.#look();
  }

  /** Decides about the head if it can start now. @returns whether it left */
  serve(): boolean {
    const ticket = this.head;
    if (!ticket || !this.isDue) return false;
    const { applicant, component, now, since } = ticket;
    this.#leave(ticket);
    undisturbed(this.#policies, () => decide(this.#checker, applicant, now, { component, waitedMs: now - since }));
    return true;
  }

  /** Refuses who has waited, or would have to wait, too long. @returns whether anybody left */
  expire(): boolean {
    let left = false;
    for (let head = this.head; head; head = this.head) {
      const { now } = head;
      const late = this.#deadlines(head).find(({ at }) => at <= now);
      if (!late) break;
      const { policy, ticket } = late;
      left = true;
      this.#refuse(
        ticket,
        policy.refuse(`a longer wait than maxWaitMs ${policy.config.maxWaitMs}`, policy.waitMs(ticket.cost, now)),
      );
    }
    return left;
  }

  /** Sets the one timer for the next thing that only time can bring: the bucket's refill, or the end of somebody's patience. */
  arm(): void {
    const { head } = this;
    if (!head) return;
    const { now, cost, applicant } = head;
    const { circuitBreaker } = this.#checker;
    // Time alone may open the circuit (a probe that hangs), and nobody else may be there to see it.
    let due = Math.min(circuitBreaker?.nextChangeAt(now) ?? Infinity, ...this.#deadlines(head).map(({ at }) => at));
    for (const policy of this.#policies) {
      const waitMs = policy.waitMs(cost, now) ?? 0;
      // Of all gates before one bucket, only the first has a timer.
      if (waitMs > 0 && isFirst(policy, head, now)) due = Math.min(due, Math.ceil(now + Math.max(1, waitMs)));
    }
    if (due === this.#due) return;
    this.#due = due;
    this.#timer?.unsubscribe();
    if (due === Infinity) return;
    this.#timer = applicant.scheduler.schedule(
      () => {
        this.#due = Infinity;
        circuitBreaker?.advance(applicant.scheduler.now());
        this.#look();
      },
      Math.min(Math.max(due - now, 0), MAX_DELAY_MS),
    );
  }

  /** When the patience of the longest waiting ends, for each resource that the head of the queue waits for. */
  #deadlines(head: Ticket): { policy: Queueable; ticket: Ticket; at: number }[] {
    const { cost, now } = head;
    return this.#policies.flatMap((policy) => {
      const { maxWaitMs } = policy.config;
      if (policy.ready(cost, now, head)) {
        const isForAnother = this.#policies.some((other) => other !== policy && !other.ready(cost, now, head));
        if (isForAnother) this.#lacking.delete(policy);
        return [];
      }
      const lacking = this.#lacking.get(policy) ?? now;
      this.#lacking.set(policy, lacking);
      // The bucket was paused beyond any timer: nobody here will see the end of it.
      if ((policy.waitMs(cost, now) ?? 0) > MAX_DELAY_MS) return { policy, ticket: head, at: now };
      if (maxWaitMs === Infinity) return [];
      return this.#queue.oldest().map((ticket) => {
        const at = Math.max(ticket.since, lacking) + maxWaitMs;
        // Who is known to wait too long need not wait to learn it.
        return { policy, ticket, at: now + (policy.waitMs(ticket.cost, now) ?? 0) > at ? now : at };
      });
    });
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
        for (let { head } = this, error; head && (error = circuitBreaker.check(head.now)); { head } = this) {
          this.#refuse(head, error);
        }
        this.#look();
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

  /** Whether the timer, or who is served next, may depend on it. */
  #isInFront(ticket: Ticket): boolean {
    return this.#queue.oldest().includes(ticket);
  }

  #look(): void {
    for (const policy of this.#policies) serveLines(policy);
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
