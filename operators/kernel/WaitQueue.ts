import type { Cost } from '../../src/policies/waiting';

/** An element of a {@link WaitQueue}: linked into it by its own fields, so that leaving needs no search. */
export class QueueNode {
  readonly priority: number;
  readonly cost: Required<Cost>;
  previous: QueueNode | undefined;
  next: QueueNode | undefined;
  /** The list it is in; `undefined` when it is in none. */
  list: Fifo | undefined;

  constructor(priority: number, cost: Required<Cost>) {
    this.priority = priority;
    this.cost = cost;
  }
}

interface Fifo {
  first: QueueNode | undefined;
  last: QueueNode | undefined;
  readonly priority: number;
  requests: number;
  tokens: number;
}

/**
 * A queue by priority, first in first out inside. Arrival and departure from anywhere are O(1) in the number of waiters
 * (an array's `shift` and `splice` fall off a cliff past some ten thousand), and linear in the number of priorities in use.
 */
export class WaitQueue<N extends QueueNode> {
  readonly #lists: Fifo[] = []; // the highest priority first; none is empty
  size = 0;

  get head(): N | undefined {
    return this.#lists[0]?.first as N | undefined;
  }

  /** The longest waiting of each priority. */
  oldest(): N[] {
    return this.#lists.map((list) => list.first as N);
  }

  /** The summed cost of all who are served before a newcomer of that priority. */
  ahead(priority: number): Required<Cost> {
    const sum = { requests: 0, tokens: 0 };
    for (const list of this.#lists) {
      if (list.priority < priority) break;
      sum.requests += list.requests;
      sum.tokens += list.tokens;
    }
    return sum;
  }

  add(node: N): void {
    const lists = this.#lists;
    const { priority } = node;
    let at = 0;
    while (at < lists.length && lists[at]!.priority > priority) at++;
    let list = lists[at];
    if (list?.priority !== priority) {
      list = { first: undefined, last: undefined, priority, requests: 0, tokens: 0 };
      lists.splice(at, 0, list);
    }
    node.list = list;
    node.previous = list.last;
    if (list.last) list.last.next = node;
    else list.first = node;
    list.last = node;
    this.#count(list, node, 1);
  }

  /** Takes a waiter out, wherever it stands. @returns whether it was in */
  remove(node: N): boolean {
    const { list, previous, next } = node;
    if (!list) return false;
    if (previous) previous.next = next;
    else list.first = next;
    if (next) next.previous = previous;
    else list.last = previous;
    node.list = node.previous = node.next = undefined;
    this.#count(list, node, -1);
    if (!list.first) this.#lists.splice(this.#lists.indexOf(list), 1);
    return true;
  }

  #count(list: Fifo, { cost }: N, sign: 1 | -1): void {
    this.size += sign;
    list.requests += sign * cost.requests;
    list.tokens += sign * cost.tokens;
  }
}
